"""Sequences in MOTChallenge's form: each is a camera, and its tracks are people.

    SEQUENCE/seqinfo.ini    frameRate, imDir, imExt
    SEQUENCE/img1/*.jpg     frames, named by their number from 1
    SEQUENCE/gt/gt.txt      frame, id, x, y, w, h, flag, class, visibility

What a box is follows MOTChallenge's evaluation. Class 1 with flag 1 is a person. What is neither right nor
wrong to find there becomes an ignored box: flag 0, and the classes 2 (on a vehicle), 7 (static person), 8
(distractor), 12 (reflection) and 13 (crowd). Vehicles and occluders (3 to 6, 9 to 11) are background: whom an
occluder hides has a box of their own, and people are learned within ignored boxes and outside. A person who
is hardly visible is ignored too (ours).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import UNBOUNDED, Findings, some
from pipeline.datasets.mot_files import (
    CLASS,
    FLAG,
    FRAME,
    GROUND_TRUTH,
    INFO,
    PERSON,
    VISIBILITY,
    SequenceInfo,
    frame_files,
    read_ground_truth,
    read_info,
)
from pipeline.datasets.mot_options import MotOptions
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.own_boxes import BoxCutter, ignored_inside
from pipeline.datasets.pool import make_pool, natural
from pipeline.datasets.releases import require_folder
from pipeline.datasets.split_options import SplitOptions
from pipeline.datasets.splitting import split_pool
from pipeline.scenes.scene import FloatArray, Scene, Split

DETECTORS = ("-DPM", "-FRCNN", "-SDP")
"""MOT17 holds each sequence three times, for the detections of three detectors; the frames are the same."""


@dataclass
class _Found:
    """The scenes of all sequences, with who is in each box and the scene's sequence."""

    scenes: list[Scene] = field(default_factory=list)
    people: list[list[str | None]] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)


class Mot(DataSetOnDisk):
    """Sequences on disk. A scene's name is the frame's path below the root.

    Args:
        root: the folder of the sequences, or one sequence.
        options: which sequences and frames are taken, and which boxes are people.
        split: how scenes are divided.
    """

    name = "mot"

    def __init__(
        self, root: Path, options: MotOptions | None = None, split: SplitOptions | None = None
    ) -> None:
        super().__init__(root)
        self._options = options or MotOptions()
        self._split = split or SplitOptions()
        self.images = self.root

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        require_folder(self.root, "give the folder of the sequences")
        cutter, found = BoxCutter(findings, may_lie_outside=True), _Found()
        sequences = self._sequences(findings)
        for number, (name, folder) in enumerate(sequences.items(), start=1):
            self._add_sequence(name, folder, number, cutter, found)
            if self.progress is not None:
                self.progress(number, len(sequences))
        cutter.note()
        if findings.problems:
            return {}
        pool = make_pool(found.scenes, found.people, found.sequences)
        return split_pool(pool, self._split, self.root, findings)

    def _release(self, splits: Mapping[str, Split]) -> str:
        cameras = {scene.camera for split in splits.values() for scene in split.scenes}
        frames = sum(len(split.scenes) for split in splits.values())
        return f"{len(cameras)} sequence{'s' if len(cameras) > 1 else ''}, {frames:,} frames taken"

    def _sequences(self, findings: Findings) -> dict[str, Path]:
        """Return the folders of the sequences by name, in natural order."""
        if (self.root / GROUND_TRUTH).is_file():
            return {self.root.resolve().name: self.root}
        folders = sorted(
            (path for path in self.root.iterdir() if path.is_dir()), key=lambda path: natural(path.name)
        )
        whole = [path.name for path in folders if (path / GROUND_TRUTH).is_file()]
        if self._options.sequences is not None:
            missing = [name for name in self._options.sequences if name not in whole]
            if missing:
                raise UserError(f"{self.root / missing[0]} is no sequence: it has no {GROUND_TRUTH}")
            return {name: self.root / name for name in whole if name in self._options.sequences}
        if not whole:
            inner = [path for path in folders if any(path.glob(f"*/{GROUND_TRUTH}"))]
            guess = f"; did you mean {inner[0]}?" if inner else ""
            raise UserError(f"{self.root} holds no sequence, a folder with {GROUND_TRUTH}{guess}")
        without = [path.name for path in folders if (path / INFO).is_file() and path.name not in whole]
        findings.note_count(len(without), f"sequences without {GROUND_TRUTH} left out: {some(without)}")
        first = {_without_detector(name): name for name in reversed(whole)}
        kept = [name for name in whole if first[_without_detector(name)] == name]
        findings.note_count(
            len(whole) - len(kept),
            "sequences left out, whose frames are another's (MOT17 has each for three detectors)",
        )
        return {name: self.root / name for name in kept}

    def _add_sequence(self, name: str, folder: Path, camera: int, cutter: BoxCutter, found: _Found) -> None:
        """Add the scenes of one sequence."""
        findings, info = cutter.findings, read_info(folder)
        rows = read_ground_truth(folder / GROUND_TRUTH, f"{name}/{GROUND_TRUTH}", findings)
        files = frame_files(folder, info, name, findings)
        self._note_missing(name, rows, files, findings)
        rows = rows[np.argsort(rows[:, FRAME], kind="stable")]
        for number in self._taken(name, list(files), info, findings):
            start, end = np.searchsorted(rows[:, FRAME], [number, number + 1])
            path = (folder / info.frames / files[number]).relative_to(self.root).as_posix()
            self._add_scene(path, name, rows[start:end], info, camera, cutter, found)

    def _taken(self, name: str, numbers: Sequence[int], info: SequenceInfo, findings: Findings) -> list[int]:
        """Return the numbers of the frames that are taken: the first that is there in each period."""
        rate = info.rate or self._options.frame_rate
        if self._options.every == 0:
            return list(numbers)
        if rate is None:
            findings.problems.append(
                f"{name}: no {INFO} says how many frames a second there are; set `mot.frame_rate`, or "
                "`mot.every` to 0 for all frames"
            )
            return []
        step, taken, last = max(rate * self._options.every, 1.0), list[int](), -1
        for number in numbers:
            period = math.floor((number - numbers[0]) / step + 1e-9)
            if period > last:
                taken.append(number)
                last = period
        return taken

    def _note_missing(
        self, name: str, rows: FloatArray, files: Mapping[int, str], findings: Findings
    ) -> None:
        """Warn of frames that have boxes and no picture."""
        missing = [
            str(number) for number in np.unique(rows[:, FRAME]).astype(int).tolist() if number not in files
        ]
        if files:
            findings.warn_count(len(missing), f"frames of {name} have boxes and no picture: {some(missing)}")

    def _add_scene(
        self,
        path: str,
        sequence: str,
        rows: FloatArray,
        info: SequenceInfo,
        camera: int,
        cutter: BoxCutter,
        found: _Found,
    ) -> None:
        size = self.size_of(path)
        size = info.size if size == UNBOUNDED else size
        people, unsure = self._kinds(rows)
        boxes, kept = cutter(rows[people, 2:6], size, [path] * int(people.sum()))
        tracks = rows[people][kept, PERSON].astype(np.int64).tolist()
        found.people.append([f"{sequence}/{track}" if track >= 0 else None for track in tracks])
        found.sequences.append(sequence)
        unseen = ignored_inside(rows[unsure, 2:6], size)
        found.scenes.append(Scene(path, boxes, np.empty(0, np.int64), camera, unseen))

    def _kinds(self, rows: FloatArray) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return `[N]` which boxes are people, and `[N]` which are ignored."""
        options = self._options
        person = np.isin(rows[:, CLASS], options.person_classes)
        counted = (rows[:, FLAG] != 0) & (rows[:, VISIBILITY] >= options.min_visibility)
        return person & counted, (person & ~counted) | np.isin(rows[:, CLASS], options.ignored_classes)


def _without_detector(name: str) -> str:
    """Return the name of a sequence of MOT17 without its detector's; other names as they are."""
    return next((name.removesuffix(end) for end in DETECTORS if name.endswith(end)), name)
