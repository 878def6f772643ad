"""CUHK-SYSU (Xiao et al., CVPR 2017).

    Image/SSM/*.jpg                                     scenes
    annotation/Images.mat                               all images with all boxes (x y w h)
    annotation/pool.mat                                 the test images; all others are for training
    annotation/test/train_test/Train.mat                the training people and where they appear
    annotation/test/train_test/TestG{50,...,4000}.mat   queries, each with its gallery
    annotation/test/subset/{Occlusion,Resolution}.mat   smaller sets of queries with their galleries

Images.mat does not say whom a box shows. A box gets its identity from the same box of the same image in
`Train.mat`, or, for test images, in the smallest `TestG<N>.mat`. All other boxes are unlabelled.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings
from pipeline.datasets.cuhk_boxes import BoxesByImage
from pipeline.datasets.cuhk_gallery import box_of
from pipeline.datasets.cuhk_protocols import Protocol, read_protocol
from pipeline.datasets.matlab import field, load_structs, load_texts, structs, text
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.protocol_files import ProtocolFile, read_protocols
from pipeline.datasets.releases import release_of, require_layout
from pipeline.datasets.scene_index import SceneIndex
from pipeline.scenes.boxes import MIN_SIDE, xywh_to_xyxy
from pipeline.scenes.scene import FloatArray, Galleries, Query, Scene, Split

IMAGES = "annotation/Images.mat"
POOL = "annotation/pool.mat"
TRAIN_TEST = "annotation/test/train_test"
TRAIN = f"{TRAIN_TEST}/Train.mat"
SUBSETS = {
    "occlusion": ("annotation/test/subset/Occlusion.mat", "Occlusion1"),
    "resolution": ("annotation/test/subset/Resolution.mat", "Test_Size"),
}
GALLERY_SIZES = (50, 100, 500, 1000, 2000, 4000)
DEFAULT_GALLERY = "100"
PUBLISHED = {"train scenes": 11206, "train identities": 5532, "test scenes": 6978, "queries": 2900}


class CuhkSysu(DataSetOnDisk):
    """CUHK-SYSU on disk.

    `splits()["test"]` has a gallery for each `TestG<N>.mat` ("50", "100", ...; the default is "100") and
    "full": every test image but the query's own, those that the smallest file lists before all others.

    Args:
        root: the folder that it was unpacked to.
        gallery_sizes: which sizes to read; the smallest in the folder is read too. By default all are.
        subsets: also read the occlusion and resolution subsets where their files exist, as splits
            "occlusion" and "resolution" over the test split's scenes and identities.
    """

    name = "cuhk_sysu"

    def __init__(
        self, root: Path, gallery_sizes: Sequence[int] | None = None, *, subsets: bool = False
    ) -> None:
        super().__init__(root)
        self.images = self.root / "Image" / "SSM"
        self._sizes = gallery_sizes
        self._subsets = subsets

    def sequence_of(self, scene: Scene) -> str | None:
        """Return the scene's own name: scenes are single photographs and frames of films."""
        return scene.name

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        require_layout(self.root, "cuhk_sysu", (IMAGES, POOL, TRAIN))
        boxes = self._boxes(findings)
        pool = dict.fromkeys(name for name in load_texts(self.root / POOL, "pool") if name)
        findings.problems += [
            f"pool.mat names {name}, not in Images.mat" for name in pool if name not in boxes
        ]
        test_names = [name for name in pool if name in boxes]
        index = SceneIndex(test_names)
        sizes = self._sizes_to_read()
        files = [ProtocolFile(self._gallery_file(size), f"TestG{size}") for size in sizes]
        protocols = dict(zip(sizes, read_protocols(files, index, findings, self.progress), strict=True))
        reference = protocols[min(protocols)]
        for size, protocol in protocols.items():
            _same_queries(reference, protocol, size, findings)
        train_people = self._train(boxes, pool, findings)
        train_names = [name for name in boxes if name not in pool]
        train = Split("train", boxes.scenes(train_names), train_people)
        people = tuple(dict.fromkeys(reference.people))
        _label_test(reference, people, test_names, boxes, findings)
        findings.warn_count(boxes.taken, "boxes belong to two people at once; the one named last has them")
        test = self._test(boxes.scenes(test_names), people, protocols, reference)
        return {"train": train, "test": test, **self._read_subsets(test, index, findings)}

    def _release(self, splits: Mapping[str, Split]) -> str:
        train, test = splits["train"], splits["test"]
        found = (len(train.scenes), len(train.identities), len(test.scenes), len(test.queries))
        return release_of({what: (n, PUBLISHED[what]) for what, n in zip(PUBLISHED, found, strict=True)})

    def _gallery_file(self, size: int) -> Path:
        return self.root / TRAIN_TEST / f"TestG{size}.mat"

    def sizes(self) -> list[int]:
        """Return the sizes of the galleries in the folder, ascending."""
        return [size for size in GALLERY_SIZES if self._gallery_file(size).exists()]

    def default_size(self) -> int:
        """Return the size of the gallery that scores are compared on: the papers' one, else the largest."""
        sizes = self.sizes()
        return int(DEFAULT_GALLERY) if int(DEFAULT_GALLERY) in sizes else max(sizes)

    def _sizes_to_read(self) -> list[int]:
        """Return the sizes asked for, and the smallest in the folder: its queries label the test people."""
        present = self.sizes()
        if not present:
            raise UserError(f"{self.root / TRAIN_TEST} has no TestG<N>.mat: no queries to search for")
        wanted = present if self._sizes is None else list(self._sizes)
        for size in wanted:
            if size not in present:
                sizes = ", ".join(map(str, present))
                raise UserError(f"{self._gallery_file(size)} is missing; the folder has sizes {sizes}")
        return sorted({present[0], *wanted})

    def _boxes(self, findings: Findings) -> BoxesByImage:
        boxes = BoxesByImage(findings, self.size_of)
        for number, element in enumerate(load_structs(self.root / IMAGES, "Img"), start=1):
            try:
                name = text(field(element, "imname"))
                found = [box_of(box, name) for box in structs(field(element, "box"))]
            except UserError as error:
                findings.problems.append(f"Images.mat: image {number}: {error}")
                continue
            boxes.add(name, [box for box in found if box is not None])
        findings.note_count(boxes.dropped, "boxes without width or height in Images.mat left out")
        findings.warn_count(
            boxes.thin, f"boxes in Images.mat thinner than {MIN_SIDE:g} pixels inside their image left out"
        )
        return boxes

    def _train(self, boxes: BoxesByImage, pool: Mapping[str, None], findings: Findings) -> tuple[str, ...]:
        """Label the training people's boxes and return their ids; people without a box are left out."""
        people: dict[str, int] = {}
        seen: set[str] = set()
        unmatched, in_test, without, repeated = 0, 0, 0, 0
        for number, person in enumerate(load_structs(self.root / TRAIN, "Train"), start=1):
            try:
                person_id, appearances = _appearances(person)
            except UserError as error:
                findings.problems.append(f"Train.mat: person {number}: {error}")
                continue
            person_id = person_id or f"person {number}"
            repeated += person_id in seen
            seen.add(person_id)
            labelled = 0
            for name, box in appearances:
                if name not in boxes:
                    findings.problems.append(f"Train.mat: {person_id} appears in {name}, not in Images.mat")
                elif name in pool:
                    in_test += 1
                elif box is None or not boxes.label(name, box, people.get(person_id, len(people))):
                    unmatched += 1
                else:
                    labelled += 1
            without += not labelled
            if labelled:
                people.setdefault(person_id, len(people))
        findings.note_count(
            unmatched, "boxes of Train.mat that Images.mat does not have (nobody is labelled there)"
        )
        findings.note_count(in_test, "appearances in Train.mat are in test images and were left out")
        findings.warn_count(repeated, "people are listed in Train.mat again; their boxes were merged")
        findings.note_count(without, "people of Train.mat without any box were left out")
        return tuple(people)

    def _test(
        self,
        scenes: tuple[Scene, ...],
        people: Sequence[str],
        protocols: Mapping[int, Protocol],
        reference: Protocol,
    ) -> Split:
        galleries: dict[str, Galleries] = {
            str(size): protocol.galleries for size, protocol in protocols.items()
        }
        default = DEFAULT_GALLERY if DEFAULT_GALLERY in galleries else str(max(protocols))
        galleries["full"] = reference.full()
        return Split("test", scenes, tuple(people), _queries(reference, people), galleries, default)

    def _read_subsets(self, test: Split, index: SceneIndex, findings: Findings) -> dict[str, Split]:
        found = {}
        for name, (file, variable) in SUBSETS.items() if self._subsets else ():
            if not (self.root / file).exists():
                findings.notes.append(f"{file} is missing: no split '{name}'")
                continue
            protocol = read_protocol(self.root / file, variable, index, findings)
            people = tuple(dict.fromkeys([*test.identities, *protocol.people]))
            queries = _queries(protocol, people)
            found[name] = Split(name, test.scenes, people, queries, {name: protocol.galleries}, name)
        return found


def _appearances(person: Any) -> tuple[str, list[tuple[str, FloatArray | None]]]:
    """Return a person's id, and the image name and box (x y w h) of every appearance."""
    name = text(field(person, "idname"))
    scenes = structs(field(person, "scene"))
    return name, [(text(field(entry, "imname")), box_of(entry, name)) for entry in scenes]


def _queries(protocol: Protocol, people: Iterable[str]) -> tuple[Query, ...]:
    numbering = {person: number for number, person in enumerate(people)}
    boxes: FloatArray = xywh_to_xyxy(protocol.boxes)
    entries = zip(protocol.scenes, boxes, protocol.people, strict=True)
    return tuple(Query(scene, box, numbering[person]) for scene, box, person in entries)


def _label_test(
    protocol: Protocol, people: Sequence[str], names: Sequence[str], boxes: BoxesByImage, findings: Findings
) -> None:
    """Label the boxes of the queries and of their galleries' positives."""
    numbering = {person: number for number, person in enumerate(people)}
    galleries, unmatched = protocol.galleries, 0
    for query, person in enumerate(protocol.people):
        number = numbering[person]
        unmatched += not boxes.label(names[protocol.scenes[query]], protocol.boxes[query], number)
        listed = galleries.listed_scenes[
            galleries.listed_offsets[query] : galleries.listed_offsets[query + 1]
        ]
        positive = slice(galleries.positive_offsets[query], galleries.positive_offsets[query + 1])
        for position, box in zip(
            galleries.positives[positive], galleries.positive_boxes[positive], strict=True
        ):
            xywh = np.concatenate([box[:2], box[2:] - box[:2]])  # boxes are compared as Images.mat has them
            unmatched += not boxes.label(names[listed[position]], xywh, number)
    findings.note_count(unmatched, "boxes of the queries' people that Images.mat does not have")


def _same_queries(reference: Protocol, other: Protocol, size: int, findings: Findings) -> None:
    """Check that another size has the reference's queries in their order, since all sizes share one list."""
    if (other.people, other.scenes) != (reference.people, reference.scenes):
        findings.problems.append(
            f"TestG{size}.mat has other queries, or another order, than the smallest TestG file"
        )
