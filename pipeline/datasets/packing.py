"""Packing a data set into the prepared format, which all later stages read with `scenes/prepared.py`."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import write_json
from pipeline.basics.progress import Progress
from pipeline.datasets.checks import UNBOUNDED, scene_problems, search_problems, shared_between
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.jpeg import UnfitPictureError, check_jpeg, size_of_jpeg
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.processes import in_processes
from pipeline.scenes.prepared import (
    FORMAT_VERSION,
    IGNORED_VERSION,
    MANIFEST,
    PARTS,
    REFERENCES_VERSION,
    PreparedDataSet,
    file_entry,
    fingerprint,
    open_prepared,
)
from pipeline.scenes.scene import UNLABELLED, Split
from pipeline.scenes.shards import write_annotations, write_images, write_references

SCENES_PER_SHARD = 500
"""A shard is built in memory: with large pictures, half a gigabyte."""
TRAINING = "train"


class _Picture(NamedTuple):
    """A picture that was read: what a shard takes of it and its size, or what is wrong with it or its boxes.

    A shard takes a picture's bytes, or their SHA-256 where it only refers to pictures.
    """

    kept: bytes
    size: tuple[float, float] = UNBOUNDED
    problems: Sequence[str] = ()
    broken: bool = False


@dataclass
class _Problems:
    """Problems, one a line, and how many of them `skip_broken` would avoid."""

    lines: list[str] = field(default_factory=list)
    skippable: int = 0

    def refuse(self) -> None:
        """Raise `UserError` if there are problems: the first in its message, several also in its details."""
        if not self.lines:
            return
        more = len(self.lines) - 1
        listed = f" (and {more:,} more, all listed above)" if more else ""
        hint = "; or set `dataset.on_broken_image: skip`, to train without broken pictures"
        raise UserError(
            f"{self.lines[0]}{listed}{hint if self.skippable else ''}", self.lines if more else ()
        )


def prepare(
    dataset: DataSet, root: Path, progress: Progress, *, skip_broken: bool = False, refer: bool = False
) -> PreparedDataSet:
    """Pack a data set into shards: into a temporary folder first, which then takes the place of `root`.

    Pictures or people that two splits share are logged as warnings.

    Args:
        dataset: where annotations and pictures come from.
        root: folder to make; an existing one is replaced only after everything has succeeded.
        progress: progress over all pictures.
        skip_broken: leave out training scenes whose picture is broken, and name them in the manifest. Scenes
            of other splits are never left out, since scores would then be for another test set.
        refer: write where pictures are and their SHA-256, instead of their bytes. Pictures are read and
            checked all the same.

    Raises:
        UserError: annotations or pictures are bad; its details list all of them. Or pictures are to be
            referred to, but are no files. Nothing is left behind.
    """
    if refer and not isinstance(dataset, DataSetOnDisk):
        raise UserError(f"data set '{dataset.name}' has no picture files that could be referred to")
    beside, before = root.with_name(f".{root.name}.tmp"), root.with_name(f".{root.name}.old")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        splits = dataset.splits()
        total = sum(len(split.scenes) for split in splits.values())
        finished = count(1)
        problems = _Problems()
        entries = {}
        for name, split in splits.items():
            entries[name] = _pack(
                dataset,
                name,
                split,
                beside,
                report=lambda: progress(next(finished), total),
                problems=problems,
                skip_broken=skip_broken and name == TRAINING,
                refer=refer,
            )
        problems.refuse()
        for doubt in shared_between(splits):
            logging.getLogger(__name__).warning("warning: %s", doubt)
        manifest = {
            "format_version": _format_of(splits, refer=refer),
            "dataset": dataset.name,
            "dataset_sha256": fingerprint(dataset.name, entries),
            "splits": entries,
        }
        if isinstance(dataset, DataSetOnDisk) and dataset.part_names:
            manifest[PARTS] = list(dataset.part_names)
        write_json(beside / MANIFEST, manifest)
        shutil.rmtree(before, ignore_errors=True)
        if root.exists():
            root.rename(before)  # not removed first: on NFS, files that a reader holds would stay behind
        beside.rename(root)
    finally:
        for folder in (beside, before):
            shutil.rmtree(folder, ignore_errors=True)
    return open_prepared(root)


def _format_of(splits: Mapping[str, Split], *, refer: bool) -> int:
    """Return the number of the oldest format that can hold these splits."""
    if any(split.has_ignored for split in splits.values()):
        return IGNORED_VERSION
    return REFERENCES_VERSION if refer else FORMAT_VERSION


def _pack(
    dataset: DataSet,
    name: str,
    split: Split,
    folder: Path,
    *,
    report: Callable[[], None],
    problems: _Problems,
    skip_broken: bool,
    refer: bool,
) -> dict[str, Any]:
    """Write one split's files, add what is wrong to `problems`, and return its entry in the manifest."""
    shards: list[dict[str, str]] = []
    left_out: list[int] = []
    sizes: list[tuple[float, float]] = []
    for start in range(0, len(split.scenes), SCENES_PER_SHARD):
        indices = range(start, min(start + SCENES_PER_SHARD, len(split.scenes)))
        kept: dict[int, bytes] = {}
        for index, picture in zip(
            indices, in_processes(partial(_checked, dataset, split, name, refer), indices), strict=True
        ):
            report()
            sizes.append(picture.size)
            if skip_broken and picture.broken:
                left_out.append(index)
            elif picture.problems:
                problems.lines += picture.problems
                problems.skippable += picture.broken and name == TRAINING
            else:
                kept[index] = picture.kept
        if kept:
            path = folder / f"{name}-images-{len(shards):05d}.h5"
            if refer and isinstance(dataset, DataSetOnDisk):
                files = [dataset.picture_file(name, index) for index in kept]
                write_references(path, dataset.root, files, list(kept.values()))
            else:
                write_images(path, list(kept.values()))
            shards.append(file_entry(path))
    if split.scenes and len(left_out) == len(split.scenes):
        problems.lines.append(f"split '{name}': all {len(left_out)} pictures are broken")
    problems.lines += search_problems(split, np.array(sizes).reshape(-1, 2))
    names = [split.scenes[index].name for index in left_out]
    split = without_scenes(split, left_out) if left_out else split
    annotations = folder / f"{name}.h5"
    write_annotations(annotations, split)
    entry = {"annotations": file_entry(annotations), "images": shards, "counts": counts(split)}
    return entry | ({"left_out": names} if names else {})


def without_scenes(split: Split, left_out: Sequence[int]) -> Split:
    """Return a training split without some scenes.

    Only people who are in the other scenes stay, numbered anew from 0. It has no queries and no galleries.
    """
    gone = set(left_out)
    kept = [scene for index, scene in enumerate(split.scenes) if index not in gone]
    ids = np.concatenate([np.empty(0, np.int64), *(scene.person_ids for scene in kept)])
    seen = np.unique(ids[ids != UNLABELLED])
    numbering = np.full(len(split.identities) + 1, UNLABELLED)
    numbering[seen] = np.arange(len(seen))  # the last element is for `UNLABELLED`: index -1
    scenes = tuple(replace(scene, person_ids=numbering[scene.person_ids]) for scene in kept)
    return Split(split.name, scenes, tuple(split.identities[person] for person in seen))


def counts(split: Split) -> dict[str, int]:
    """Count scenes, boxes, labelled and unlabelled boxes, identities, cameras, queries, and ignored boxes.

    Without ignored boxes there is no count of them, so that the manifest is as it was before there were any.
    """
    labelled = sum(int((scene.person_ids != UNLABELLED).sum()) for scene in split.scenes)
    boxes = sum(len(scene.boxes) for scene in split.scenes)
    ignored = sum(len(scene.ignored) for scene in split.scenes)
    return {
        "scenes": len(split.scenes),
        "boxes": boxes,
        "labelled": labelled,
        "unlabelled": boxes - labelled,
        "identities": len(split.identities),
        "cameras": len(np.unique(split.cameras)),
        "queries": len(split.queries),
        **({"ignored": ignored} if ignored else {}),
    }


def _checked(dataset: DataSet, split: Split, name: str, refer: bool, index: int) -> _Picture:
    """Read one scene's picture, and check it and the scene's boxes in it."""
    scene = split.scenes[index]
    try:
        encoded = dataset.image_bytes(name, index)
        # A data set on disk has decoded the picture already, which is most of the work.
        on_disk = isinstance(dataset, DataSetOnDisk)
        size = size_of_jpeg(encoded) if on_disk else check_jpeg(encoded, scene.name)
    except UserError as error:
        return _Picture(b"", problems=(str(error),), broken=not isinstance(error, UnfitPictureError))
    kept = hashlib.sha256(encoded).digest() if refer else encoded
    return _Picture(kept, size, scene_problems(scene, len(split.identities), size))
