"""A data set that brings no validation split, and a part of its training scenes as one.

Settings can then be chosen without a look at the test split, which is left as it is. The method is ours: it
is the one by which own annotations are divided (`splitting.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.datasets.checks import Findings, Inspection
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.pool import Pool, natural
from pipeline.datasets.split_options import ValidationOptions
from pipeline.datasets.splitting import split_pool
from pipeline.scenes.scene import Split

TRAINING, VALIDATION = "train", "val"


class WithValidation(DataSetOnDisk):
    """A data set whose training scenes are divided into `train` and `val`.

    No scene and no person is in both: people of the other split are unlabelled in scenes of this one. Scenes
    without a sequence (`sequence_of`) are all for training. Those of `train` are in the data set's order,
    those of `val` in the natural order of their names.

    Args:
        data_set: the data set; nothing of it is read yet.
        options: how it is divided.
    """

    def __init__(self, data_set: DataSetOnDisk, options: ValidationOptions) -> None:
        super().__init__(data_set.root)
        self.name = data_set.name
        self.part_names = data_set.part_names
        self.images = data_set.images
        self.data_set = data_set
        self._options = options
        self._places: dict[str, list[int]] = {}

    def inspect(self) -> Inspection:
        """Return what is found, divided where there is no problem. Raises what the data set's own raises."""
        return self.divided_inspection(self.data_set.inspect())

    def divided_inspection(self, inspection: Inspection) -> Inspection:
        """Return an inspection of the data set with its training scenes divided.

        What prevents that is added to its problems. Where the data set has problems, nothing is divided.
        """
        if inspection.findings.problems:
            return inspection
        splits = self._divided(inspection.splits, inspection.findings)
        if inspection.findings.problems:
            return inspection
        return replace(inspection, release=f"{inspection.release}; {self._release(splits)}", splits=splits)

    def image_path(self, split: str, index: int) -> Path:
        """Return the path of one scene's picture. Raises `UserError` where there is no such split."""
        return self.data_set.image_path(*self._place(split, index))

    def picture_file(self, split: str, index: int) -> str:
        """Return the path of one scene's picture below `root`. Raises what `image_path` raises."""
        return self.data_set.picture_file(*self._place(split, index))

    def size_of(self, name: str) -> tuple[float, float]:
        """Return the size of a picture, as the data set does."""
        return self.data_set.size_of(name)

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        self.data_set.progress = self.progress
        return self._divided(self.data_set.splits(), findings)

    def _release(self, splits: Mapping[str, Split]) -> str:  # noqa: ARG002 (the data set says the rest)
        return "`val` is drawn from its training scenes"

    def _place(self, split: str, index: int) -> tuple[str, int]:
        """Return the split and the index that a scene has in the data set."""
        self.splits()
        return (TRAINING, self._places[split][index]) if split in self._places else (split, index)

    def _divided(self, splits: Mapping[str, Split], findings: Findings) -> Mapping[str, Split]:
        """Return the splits with `val`; as they are where something prevents it, which is a problem."""
        refusal = _refusal(splits)
        if refusal is not None:
            findings.problems.append(f"data set '{self.name}' {refusal}")
            return splits
        train, drawn = splits[TRAINING], Findings()
        sequences = [self.data_set.sequence_of(scene) for scene in train.scenes]
        parts = split_pool(_pool(train, sequences), self._options.as_split, self.root, drawn)
        lack = _lack(parts, drawn)
        if lack is not None:
            findings.problems.append(f"`dataset.validation`: {lack}")
            return splits
        findings.add(drawn)
        index_of = {scene.name: index for index, scene in enumerate(train.scenes)}
        taken = [index_of[scene.name] for scene in parts[VALIDATION].scenes]
        stays = sorted({*range(len(train.scenes))} - {*taken})
        self._places = {TRAINING: stays, VALIDATION: taken}
        divided = {scene.name: scene for scene in parts[TRAINING].scenes}
        kept = [train.scenes[index] for index in stays]
        scenes = tuple(divided.get(scene.name, scene) for scene in kept)
        rest = {name: split for name, split in splits.items() if name != TRAINING}
        return {
            TRAINING: replace(parts[TRAINING], scenes=scenes),
            VALIDATION: parts[VALIDATION],
            **rest,
        }


def _refusal(splits: Mapping[str, Split]) -> str | None:
    """Return why the splits of a data set are not for this; None if they are."""
    if VALIDATION in splits:
        return f"has a split '{VALIDATION}' already: leave `dataset.validation` out"
    if TRAINING not in splits:
        return f"has no split '{TRAINING}' for `dataset.validation` to divide"
    return None


def _pool(train: Split, sequences: Sequence[str | None]) -> Pool:
    """Return the scenes of a training split that have a sequence, in the natural order of their names."""
    held = [
        (scene, sequence)
        for scene, sequence in zip(train.scenes, sequences, strict=True)
        if sequence is not None
    ]
    held.sort(key=lambda entry: natural(entry[0].name))
    return Pool(tuple(scene for scene, _ in held), train.identities, tuple(sequence for _, sequence in held))


def _lack(parts: Mapping[str, Split], drawn: Findings) -> str | None:
    """Return what makes a division useless, and what to do; None if nothing."""
    if not any(split.identities for split in parts.values()):
        return "nobody is labelled in the training scenes: leave it out"
    if drawn.problems:
        lack = f"one of '{TRAINING}' and '{VALIDATION}' would get no scene"
    elif not parts[TRAINING].identities:
        lack = f"nobody would be labelled in '{TRAINING}'"
    elif not parts[VALIDATION].queries:
        lack = f"nobody would be labelled in two scenes of '{VALIDATION}', to be searched for"
    else:
        return None
    return f"{lack}; take another `share`, `by` or `seed`, or leave it out"
