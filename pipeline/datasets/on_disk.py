"""The base class of data sets that are read from a folder."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.datasets.checks import (
    UNBOUNDED,
    Findings,
    Inspection,
    note_people_and_pictures,
    search_problems,
    split_problems,
)
from pipeline.datasets.jpeg import jpeg_size, read_jpeg
from pipeline.scenes.scene import Scene, Split

HINT = "`person-search check-data` lists them"


class DataSetOnDisk(ABC):
    """A data set in a folder: annotations are read once, pictures when they are asked for.

    Attributes:
        name: the data set's name in params.yaml.
        part_names: the names of those that it is made of; empty where it is one.
        root: its folder.
        images: the folder of its pictures.
        progress: called while annotations are read that take long, with how much is done and how much there
            is to do; None for a reading in silence.
    """

    name: str
    part_names: tuple[str, ...] = ()
    images: Path
    progress: Progress | None = None

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._splits: Mapping[str, Split] | None = None

    def splits(self) -> Mapping[str, Split]:
        """Return the splits by name, and log the findings' warnings.

        Raises:
            UserError: the folder is not this data set's, or its annotations are broken.
        """
        if self._splits is None:
            findings = Findings()
            splits = self._checked(findings)
            findings.raise_first(HINT)
            for warning in findings.warnings:
                logging.getLogger(__name__).warning("warning: %s", warning)
            self._splits = splits
        return self._splits

    def inspect(self) -> Inspection:
        """Read everything and return what was found, problems included.

        Raises:
            UserError: too much is missing to read anything.
        """
        findings = Findings()
        splits = self._checked(findings)
        for split in splits.values():
            if split.queries:
                sizes = np.array([self.size_of(scene.name) for scene in split.scenes])
                findings.problems += search_problems(split, sizes)
        note_people_and_pictures(splits, findings)
        return Inspection(self._release(splits), splits, self.images, findings)

    def image_path(self, split: str, index: int) -> Path:
        """Return the path of one scene's picture, which may be missing.

        Raises:
            UserError: there is no such split.
        """
        splits = self.splits()
        if split not in splits:
            raise UserError(f"data set '{self.name}' has no split '{split}'; it has {', '.join(splits)}")
        return self.images / splits[split].scenes[index].name

    def picture_file(self, split: str, index: int) -> str:
        """Return the path of one scene's picture below `root`. Raises what `image_path` raises."""
        return self.image_path(split, index).relative_to(self.root).as_posix()

    def image_bytes(self, split: str, index: int) -> bytes:
        """Return the encoded JPEG of one scene, after a check that the whole picture decodes.

        Raises:
            UserError: the file is missing, no JPEG, damaged, or cut off.
        """
        return read_jpeg(self.image_path(split, index))

    def size_of(self, name: str) -> tuple[float, float]:
        """Return a picture's width and height; `UNBOUNDED` where it is missing or broken."""
        try:
            return jpeg_size(self.images / name)
        except UserError:
            return UNBOUNDED

    def sequence_of(self, scene: Scene) -> str | None:
        """Return the sequence that a training scene belongs to, as `Pool` has it: by default, its camera.

        None says that the scene is for training alone, since nobody in its data set is labelled. The
        annotations have been read.
        """
        return f"camera {scene.camera}"

    def _checked(self, findings: Findings) -> Mapping[str, Split]:
        """Read all annotations, and add what is wrong with them or with the splits to `findings`."""
        splits = self._read(findings)
        known = set(findings.problems)
        for split in splits.values():
            findings.problems += [problem for problem in split_problems(split) if problem not in known]
        return splits

    @abstractmethod
    def _read(self, findings: Findings) -> Mapping[str, Split]:
        """Read all annotations, and add what is wrong with them to `findings`."""

    @abstractmethod
    def _release(self, splits: Mapping[str, Split]) -> str:
        """Return which release of the data set has these splits, by their counts."""
