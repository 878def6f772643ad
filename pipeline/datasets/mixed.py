"""Several data sets as one: the training scenes of all parts, and `val` and `test` of the first or of all."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, Inspection
from pipeline.datasets.joining import Part, joined
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.scenes.prepared import CROPS_ONLY
from pipeline.scenes.scene import UNKNOWN_CAMERA, IntArray, Scene, Split

Searched = Literal["first", "all"]
"""Whose `val` and `test` a mixed data set has."""
SplitName = Literal["train", "val", "test"]
TRAINING = "train"
SEARCHED = ("val", "test")
Place = tuple[DataSetOnDisk, str, int]
"""Where a scene is from: the data set, its split, and the index there."""


class Mixed(DataSetOnDisk):
    """The parts of a mixed data set.

    The scenes, people and cameras of the first part are called as there. Those of another have its number and
    name in front, as `2-pictures/street.jpg`, and cameras are numbered on.

    Attributes:
        name: the first part's, whose protocol is scored: what depends on the data set's name is as there.
        part_names: those of all parts, in their order.
        root: the folder that all parts are below.

    Args:
        parts: two or more data sets, of whole scenes.
        searched: `first`: `val` and `test` are those of the first part. `all`: they are joined as `train` is,
            of the parts that have them, and a part may be without training scenes.
        only: for each part, the splits that are taken of it; None for all. Nothing given is all of all parts.

    Raises:
        UserError: there are fewer parts, one is there twice, or one has crops only.
    """

    def __init__(
        self,
        parts: Sequence[DataSetOnDisk],
        searched: Searched = "first",
        only: Sequence[Sequence[SplitName] | None] = (),
    ) -> None:
        _check_parts(parts)
        self.parts = tuple(parts)
        self.searched = searched
        self._only = tuple(only) or (None,) * len(self.parts)
        self.name = parts[0].name
        self.part_names = tuple(part.name for part in parts)
        super().__init__(_common_folder([part.root for part in parts]))
        self.images = self.root
        self._places: dict[str, list[Place]] = {}
        self._names: dict[str, tuple[DataSetOnDisk, str]] = {}
        self._sequences: dict[str, str | None] = {}

    def inspect(self) -> Inspection:
        """Return what the parts are together; the pictures are looked at part by part.

        Raises:
            UserError: a part cannot be read.
        """
        return replace(super().inspect(), images=None)

    def image_path(self, split: str, index: int) -> Path:
        """Return the path of one scene's picture. Raises `UserError` where there is no such split."""
        if split not in self.splits():
            raise UserError(
                f"data set '{self.name}' has no split '{split}'; it has {', '.join(self.splits())}"
            )
        part, own_split, own_index = self._places[split][index]
        return part.image_path(own_split, own_index)

    def picture_file(self, split: str, index: int) -> str:
        """Return the path of one scene's picture below `root`."""
        return Path(os.path.relpath(self.image_path(split, index), self.root)).as_posix()

    def size_of(self, name: str) -> tuple[float, float]:
        """Return the size of a picture, by its name here."""
        part, own_name = self._names[name]
        return part.size_of(own_name)

    def sequence_of(self, scene: Scene) -> str | None:
        """Return the sequence of a training scene, by its part; None where nobody in the part is labelled."""
        return self._sequences[scene.name]

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        splits = []
        for number, (part, only) in enumerate(zip(self.parts, self._only, strict=True), start=1):
            splits.append(_taken(part, only, findings))
            if self.progress is not None:
                self.progress(number, len(self.parts))
        self._check_training(splits, findings)
        if findings.problems:
            return {}
        everything = self.searched == "all"
        searched = splits if everything else splits[:1]
        # Of the first part alone, `val` and `test` are as they are there, subsets too.
        names = SEARCHED if everything else tuple(name for name in splits[0] if name != TRAINING)
        numbered = (TRAINING, *SEARCHED) if everything else (TRAINING,)
        cameras = _camera_offsets([_cameras(own, numbered) for own in splits])
        found = {TRAINING: self._joined(TRAINING, splits, cameras)}
        for name in names:
            if any(name in own for own in searched):
                found[name] = self._joined(name, searched, cameras)
        self._sequences = self._sequences_of(splits)
        return found

    def _check_training(self, splits: Sequence[Mapping[str, Split]], findings: Findings) -> None:
        """Note a problem where a part, or all of them together, lack training scenes."""
        if self.searched == "all":
            if not any(own[TRAINING].scenes for own in splits if TRAINING in own):
                findings.problems.append(f"data set 'mixed': no part has scenes of the split '{TRAINING}'")
            return
        for part, own in zip(self.parts, splits, strict=True):
            if TRAINING not in own:
                findings.problems.append(f"part '{part.name}' at {part.root} has no split '{TRAINING}'")

    def _joined(self, name: str, splits: Sequence[Mapping[str, Split]], cameras: Sequence[int]) -> Split:
        """Return a split of the parts that have it, and keep where its scenes are from."""
        parts: list[Part] = []
        places = self._places[name] = []
        for number, own in enumerate(splits):
            if name not in own:
                continue
            part, called, split = self.parts[number], self._called(number), own[name]
            parts.append(Part(called, cameras[number], split))
            places += [(part, name, index) for index in range(len(split.scenes))]
            self._names |= {called + scene.name: (part, scene.name) for scene in split.scenes}
        alone = len(parts) == 1 and not parts[0].called
        return parts[0].split if alone else joined(name, parts)

    def _called(self, number: int) -> str:
        """Return what stands before the names of a part's scenes and people."""
        return f"{number + 1}-{self.parts[number].name}/" if number else ""

    def _sequences_of(self, splits: Sequence[Mapping[str, Split]]) -> dict[str, str | None]:
        """Return the sequence of each training scene, by its name here; see `sequence_of`."""
        sequences = {}
        for number, own in enumerate(splits):
            if TRAINING in own:
                part, called = self.parts[number], self._called(number)
                for scene in own[TRAINING].scenes:
                    sequences[called + scene.name] = _sequence_in(part, own[TRAINING], scene, called)
        return sequences

    def _release(self, splits: Mapping[str, Split]) -> str:  # noqa: ARG002 (the parts say it)
        searched = ", all of them searched" if self.searched == "all" else ""
        return f"a mixture of {', '.join(f'{part.name} at {part.root}' for part in self.parts)}{searched}"


def _taken(part: DataSetOnDisk, only: Sequence[SplitName] | None, findings: Findings) -> Mapping[str, Split]:
    """Return the splits that are taken of a part; one that it lacks is a problem."""
    splits = part.splits()
    if only is None:
        return splits
    for lacking in [name for name in only if name not in splits]:
        findings.problems.append(
            f"part '{part.name}' at {part.root} has no split '{lacking}', which `only` names; it has "
            f"{', '.join(splits)}"
        )
    return {name: split for name, split in splits.items() if name in only}


def _check_parts(parts: Sequence[DataSetOnDisk]) -> None:
    if len(parts) < 2:
        raise UserError("data set 'mixed' needs two `parts` or more, each with name and root")
    for index, part in enumerate(parts):
        if part.name in CROPS_ONLY:
            raise UserError(f"data set 'mixed': part '{part.name}' has crops only, which are no scenes")
        for other in parts[:index]:
            if part.name == other.name and os.path.realpath(part.root) == os.path.realpath(other.root):
                also = "" if part.root == other.root else f", at {other.root} too, which is the same folder"
                raise UserError(f"data set 'mixed': part '{part.name}' at {part.root} is there twice{also}")


def _sequence_in(part: DataSetOnDisk, train: Split, scene: Scene, called: str) -> str | None:
    """Return the sequence of a part's training scene, with the part in front; None as in `sequence_of`."""
    sequence = part.sequence_of(scene) if train.identities else None
    return None if sequence is None else called + sequence


def _common_folder(roots: Sequence[Path]) -> Path:
    """Return the folder that all are below, relative where all are relative."""
    if any(root.is_absolute() for root in roots) or any(".." in root.parts for root in roots):
        absolute = Path(os.path.commonpath([root.resolve() for root in roots]))
        relative = not any(root.is_absolute() for root in roots)
        return Path(os.path.relpath(absolute)) if relative else absolute
    return Path(os.path.commonpath(roots) or ".")


def _cameras(splits: Mapping[str, Split], names: Sequence[str]) -> IntArray:
    """Return the cameras of the splits of some names, one for each scene."""
    return np.concatenate(
        [np.empty(0, np.int64), *(splits[name].cameras for name in names if name in splits)]
    )


def _camera_offsets(parts: Sequence[IntArray]) -> list[int]:
    """Return what is added to the cameras of each part, so that no two parts share one; 0 for the first."""
    offsets, following = [], 0
    for number, cameras in enumerate(parts):
        known = cameras[cameras != UNKNOWN_CAMERA]
        least, most = (int(known.min()), int(known.max())) if len(known) else (0, -1)
        offsets.append(following - least if number else 0)
        following = max(following, most + offsets[-1] + 1)
    return offsets
