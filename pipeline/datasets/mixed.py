"""Several data sets as one: the training scenes of all parts, and `val` and `test` of the first."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, Inspection
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.scenes.prepared import CROPS_ONLY
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED, Scene, Split

TRAINING = "train"
Place = tuple[DataSetOnDisk, str, int]
"""Where a scene is from: the data set, its split, and the index there."""


class Mixed(DataSetOnDisk):
    """The parts of a mixed data set.

    The scenes, people and cameras of the first part are called as there. Those of another have its number and
    name in front, as `2-pictures/street.jpg`, and cameras are numbered on.

    Attributes:
        name: the first part's, whose protocol is scored: what depends on the data set's name is as there.
        root: the folder that all parts are below.

    Args:
        parts: two or more data sets, of whole scenes.

    Raises:
        UserError: there are fewer parts, one is there twice, or one has crops only.
    """

    def __init__(self, parts: Sequence[DataSetOnDisk]) -> None:
        _check_parts(parts)
        self.parts = tuple(parts)
        self.name = parts[0].name
        super().__init__(_common_folder([part.root for part in parts]))
        self.images = self.root
        self._places: dict[str, list[Place]] = {}
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
        """Return the size of a picture of `val` or `test`: these are searched."""
        return self.parts[0].size_of(name)

    def sequence_of(self, scene: Scene) -> str | None:
        """Return the sequence of a training scene, by its part; None where nobody in the part is labelled."""
        return self._sequences[scene.name]

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        splits = []
        for number, part in enumerate(self.parts, start=1):
            splits.append(part.splits())
            if self.progress is not None:
                self.progress(number, len(self.parts))
        for part, own in zip(self.parts, splits, strict=True):
            if TRAINING not in own:
                findings.problems.append(f"part '{part.name}' at {part.root} has no split '{TRAINING}'")
        if findings.problems:
            return {}
        cameras = _camera_offsets([own[TRAINING] for own in splits])
        scenes: list[Scene] = []
        identities: list[str] = []
        places: list[Place] = []
        sequences: dict[str, str | None] = {}
        for number, (part, own) in enumerate(zip(self.parts, splits, strict=True)):
            train, called = own[TRAINING], f"{number + 1}-{part.name}/" if number else ""
            scenes += [
                replace(
                    scene,
                    name=called + scene.name,
                    person_ids=np.where(
                        scene.person_ids == UNLABELLED, UNLABELLED, scene.person_ids + len(identities)
                    ),
                    camera=scene.camera if scene.camera == UNKNOWN_CAMERA else scene.camera + cameras[number],
                )
                for scene in train.scenes
            ]
            sequences |= {
                called + scene.name: _sequence_in(part, train, scene, called) for scene in train.scenes
            }
            identities += [called + person for person in train.identities]
            places += [(part, TRAINING, index) for index in range(len(train.scenes))]
        first = {name: split for name, split in splits[0].items() if name != TRAINING}
        self._places = {TRAINING: places} | {
            name: [(self.parts[0], name, index) for index in range(len(split.scenes))]
            for name, split in first.items()
        }
        self._sequences = sequences
        return {TRAINING: Split(TRAINING, tuple(scenes), tuple(identities)), **first}

    def _release(self, splits: Mapping[str, Split]) -> str:  # noqa: ARG002 (the parts say it)
        return f"a mixture of {', '.join(f'{part.name} at {part.root}' for part in self.parts)}"


def _check_parts(parts: Sequence[DataSetOnDisk]) -> None:
    if len(parts) < 2:
        raise UserError("data set 'mixed' needs two `parts` or more, each with name and root")
    for index, part in enumerate(parts):
        if part.name in CROPS_ONLY:
            raise UserError(f"data set 'mixed': part '{part.name}' has crops only, which are no scenes")
        if any(part.name == other.name and part.root == other.root for other in parts[:index]):
            raise UserError(f"data set 'mixed': part '{part.name}' at {part.root} is there twice")


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


def _camera_offsets(splits: Sequence[Split]) -> list[int]:
    """Return what is added to the cameras of each split, so that no two splits share one; 0 for the first."""
    offsets, following = [], 0
    for number, split in enumerate(splits):
        known = split.cameras[split.cameras != UNKNOWN_CAMERA]
        least, most = (int(known.min()), int(known.max())) if len(known) else (0, -1)
        offsets.append(following - least if number else 0)
        following = max(following, most + offsets[-1] + 1)
    return offsets
