"""PRW (Zheng et al., CVPR 2017) and PRW-mini (Munjal et al., CVPR 2019).

    frames/*.jpg                        scenes; the camera is the number after `c` in the name
    frame_train.mat, frame_test.mat     names without `.jpg`
    annotations/NAME.jpg.mat            K x 5: id x y w h; id -2 is unlabelled
    query_info.txt                      id x y w h frame, a line a query

Training ids have gaps (1..478, 480..483, 932): identities are numbered in ascending order of the ids found.
Boxes are cut to the frame after width and height are added to the corner. Cut first, a negative corner would
move the opposite one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, name_problem, some
from pipeline.datasets.galleries import all_other_scenes
from pipeline.datasets.matlab import load_numbers, load_texts
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.prw_files import (
    Annotation,
    QueryLine,
    are_ids,
    camera_of,
    picture_name,
    read_annotation,
    read_queries,
    sequence_of,
)
from pipeline.datasets.releases import release_of, require_layout
from pipeline.scenes.boxes import MIN_SIDE, box_text, clip_boxes, outside, thin_text, too_thin, xywh_to_xyxy
from pipeline.scenes.scene import UNLABELLED, Query, Scene, Split

ID_LISTS = {"train": ("ID_train.mat", ("ID_train",)), "test": ("ID_test.mat", ("ID_test2", "ID_test"))}
PUBLISHED = {"train scenes": 5704, "train identities": 483, "test scenes": 6112}


@dataclass(frozen=True)
class _Frames:
    """The frames of one split: their annotations, and their sizes where the pictures are there."""

    names: list[str]
    annotations: list[Annotation]
    sizes: list[tuple[float, float]]


class Prw(DataSetOnDisk):
    """PRW on disk.

    `splits()["test"]` has the galleries `full` (every test frame but the query's own, as is usual) and
    `cross_camera` (the test frames of other cameras).

    Args:
        root: the folder that it was unpacked to.
    """

    name = "prw"
    query_file = "query_info.txt"
    query_file_from = "it is part of PRW"
    published_queries = 2057

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.images = self.root / "frames"

    def sequence_of(self, scene: Scene) -> str | None:
        """Return the sequence of a frame: camera and sequence in its name."""
        return sequence_of(scene.name) or super().sequence_of(scene)

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        require_layout(self.root, "prw", ("frame_train.mat", "frame_test.mat", "annotations", Prw.query_file))
        if not (self.root / self.query_file).exists():
            raise UserError(f"{self.root / self.query_file} is missing: {self.query_file_from}")
        splits = {}
        for split in ("train", "test"):
            frames = self._frames(split, findings)
            lines = read_queries(self.root / self.query_file, findings) if split == "test" else []
            ids = {int(i) for frame in frames.annotations for i in frame.ids[frame.ids >= 0]}
            ids |= {line.person for line in lines}
            numbering = {person: index for index, person in enumerate(sorted(ids))}
            self._compare_ids(split, set(numbering), findings)
            scenes = tuple(
                _scene(name, annotation, numbering, findings)
                for name, annotation in zip(frames.names, frames.annotations, strict=True)
            )
            identities = tuple(str(person) for person in numbering)
            queries = _queries(lines, scenes, frames.sizes, numbering, findings)
            galleries = {
                "full": all_other_scenes(queries, scenes, cross_camera=False),
                "cross_camera": all_other_scenes(queries, scenes, cross_camera=True),
            }
            splits[split] = (
                Split(split, scenes, identities, queries, galleries, "full")
                if split == "test"
                else Split(split, scenes, identities)
            )
        return splits

    def _release(self, splits: Mapping[str, Split]) -> str:
        train, test = splits["train"], splits["test"]
        found = (len(train.scenes), len(train.identities), len(test.scenes))
        counts = {what: (n, PUBLISHED[what]) for what, n in zip(PUBLISHED, found, strict=True)}
        return release_of({**counts, "queries": (len(test.queries), self.published_queries)})

    def _frames(self, split: str, findings: Findings) -> _Frames:
        listing = self.root / f"frame_{split}.mat"
        names = _names(listing, f"img_index_{split}", findings)
        annotations, sizes, cut, thin = [], [], 0, 0
        for name in names:
            size = self.size_of(name)
            annotation = read_annotation(self.root / "annotations" / f"{name}.mat", findings)
            inside = clip_boxes(annotation.boxes, size)
            gone, kept = outside(annotation.boxes, size), ~too_thin(inside)
            for box in annotation.boxes[gone]:
                findings.problems.append(f"{name}: box {box_text(box)} lies outside its image")
            cut += int(((inside != annotation.boxes).any(axis=1) & kept).sum())
            thin += int((~gone & ~kept).sum())
            annotations.append(Annotation(annotation.ids[kept], inside[kept]))
            sizes.append(size)
        findings.note_count(cut, f"boxes of {listing.name} reach over their image's edge and were cut")
        findings.warn_count(
            thin, f"boxes of {listing.name} thinner than {MIN_SIDE:g} pixels inside their image left out"
        )
        return _Frames(names, annotations, sizes)

    def _compare_ids(self, split: str, found: set[int], findings: Findings) -> None:
        file, variables = ID_LISTS[split]
        if not (self.root / file).exists():
            findings.notes.append(f"{file} is missing; identities are those found in the annotations")
            return
        values = load_numbers(self.root / file, *variables)
        sound = are_ids(values)
        findings.note_count(int((~sound).sum()), f"numbers in {file} are no ids")
        listed = set(values[sound].astype(np.int64).tolist())
        findings.note_count(
            len(found - listed), f"{split} ids found that {file} does not list: {_ids(found - listed)}"
        )
        findings.note_count(len(listed - found), f"ids of {file} without a box: {_ids(listed - found)}")


class PrwMini(Prw):
    """PRW-mini: PRW with the user's `prwmini_query_info.txt` in the root as its list of queries."""

    name = "prw_mini"
    query_file = "prwmini_query_info.txt"
    query_file_from = "put the list of PRW-mini's queries there, in the format of query_info.txt"
    published_queries = 30


def _names(listing: Path, variable: str, findings: Findings) -> list[str]:
    """Return the file names in a list of frames, each once; impossible names are added to the problems."""
    listed = load_texts(listing, variable)
    names = list(dict.fromkeys(picture_name(name) for name in listed if name))
    findings.note_count(len(listed) - len(names), f"empty or repeated names in {listing.name} left out")
    wrong = {name: problem for name in names if (problem := name_problem(name))}
    findings.problems += [f"{listing.name}: {name!r} {problem}" for name, problem in wrong.items()]
    return [name for name in names if name not in wrong]


def _ids(ids: set[int]) -> str:
    return some([str(person) for person in sorted(ids)])


def _scene(name: str, annotation: Annotation, numbering: Mapping[int, int], findings: Findings) -> Scene:
    ids = np.array([numbering.get(int(person), UNLABELLED) for person in annotation.ids], dtype=np.int64)
    camera = camera_of(name)
    if camera is None:
        findings.problems.append(
            f"{name}: no camera in the name; it should start as c1s1_ or c12s3_ do: camera 1, camera 12"
        )
        return Scene(name, annotation.boxes, ids)
    return Scene(name, annotation.boxes, ids, camera)


def _queries(
    lines: Sequence[QueryLine],
    scenes: Sequence[Scene],
    sizes: Sequence[tuple[float, float]],
    numbering: Mapping[int, int],
    findings: Findings,
) -> tuple[Query, ...]:
    index = {scene.name: position for position, scene in enumerate(scenes)}
    queries = []
    for line in lines:
        where = f"{line.file}: line {line.number}"
        if line.frame not in index:
            findings.problems.append(f"{where}: {line.frame} is not among the test frames")
            continue
        scene = index[line.frame]
        box = clip_boxes(xywh_to_xyxy(line.box), sizes[scene])[0]
        if too_thin(box[None])[0]:
            findings.problems.append(
                f"{where}: box {box_text(line.box)} (x y w h) {thin_text(box)} inside {line.frame}"
            )
            continue
        person = numbering[line.person]
        if person not in scenes[scene].person_ids:
            findings.notes.append(f"{where}: person {line.person} is not annotated in {line.frame}")
        queries.append(Query(scene, box, person))
    return tuple(queries)
