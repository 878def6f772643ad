"""From sources to an annotated folder: frames, and the boxes that a detector finds in them."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from person_search.annotating.coco import annotations_of
from person_search.annotating.frames import THUMBNAIL, GivenPaths, difference, encoded, frame_name, thumbnail
from person_search.annotating.journal import AnnotatedFrame, Journal
from person_search.detectors.detector import FoundBoxes, PeopleDetector
from person_search.detectors.tiles import TiledDetector
from person_search.index.locks import FolderLock
from person_search.sources.cameras import Cameras
from person_search.sources.frames import Frame
from person_search.sources.loading import LoadedFrame, load_frames
from person_search.sources.places import Item, Kind, listed
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.datasets.pictures import ANNOTATIONS, FRAMES, JOURNAL
from pipeline.inference.own_pictures.printable import printable
from pipeline.scenes.boxes import clip_boxes

LEAST_SIDE = 1.0
"""Pixels: detections that are thinner within their frame are left out."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class AnnotateOptions:
    """How sources are annotated.

    Attributes:
        score: a detection with at least this score, 0..1, is a person.
        unsure: one below that with at least this score is neither a person nor background.
        every: of videos, take the first frame of each so many seconds; None for all frames.
        distinct: a frame whose thumbnail differs by less from that of the last one kept of its folder or
            video, as `difference` measures it, is left out; 0 keeps all.
        tiles: a number above 1 lets the detector look at so many tiles, too; see `TiledDetector`.
        cameras: names the cameras of files.
        camera: the name of the camera of all files that `cameras` was made with.
        camera_from: the regular expression that `cameras` was made with.
        time_format: of the times in paths that `cameras` was made with.
        zone: of times that do not tell their own.
        workers: processes that read pictures; None for as many as fit the machine.
    """

    score: float = 0.5
    unsure: float = 0.1
    every: Fraction | None = Fraction(1)
    distinct: float = 0.0
    tiles: int = 1
    cameras: Cameras = field(default_factory=Cameras)
    camera: str | None = None
    camera_from: str | None = None
    time_format: str | None = None
    zone: tzinfo = UTC
    workers: int | None = None

    def __post_init__(self) -> None:
        """Raise `UserError` where the scores are the wrong way round."""
        if self.unsure > self.score:
            raise UserError(f"--unsure {self.unsure:g} is above --score {self.score:g}")

    def as_plain_values(self) -> dict[str, Any]:
        """Return all that the frames and boxes depend on, by the names of the command's options."""
        return {
            "--score": self.score,
            "--unsure": self.unsure,
            "--every": None if self.every is None else str(self.every),
            "--distinct": self.distinct,
            "--tiles": self.tiles,
            "--camera": self.camera,
            "--camera-from": self.camera_from,
            "--time-format": self.time_format,
            "--timezone": str(self.zone),
        }


@dataclass(frozen=True)
class Annotated:
    """What an annotated folder holds after a run.

    Attributes:
        frames: how many.
        people: boxes of people in them.
        unsure: boxes of what is neither a person nor background.
        alike: frames that were left out as near-duplicates.
        gaps: a line for each item that could not be read, or not to its end.
    """

    frames: int
    people: int
    unsure: int
    alike: int
    gaps: tuple[str, ...]


def annotate_sources(
    sources: Sequence[str | Path],
    out: Path,
    detector: PeopleDetector,
    options: AnnotateOptions,
    *,
    say: Say,
    progress: Progress,
) -> Annotated:
    """Annotate sources; a run that was stopped goes on where it was, and gives the same bytes.

    Args:
        sources: pictures, videos, and folders of them.
        out: the folder to write; it is made. Files below it are not read.
        detector: finds the people.
        options: how.
        say: called with a line about each remark on a picture, and each kind of file that is left out.
        progress: progress in pictures and videos.

    Raises:
        UserError: a source is missing or a stream, nothing is to be annotated, or the folder was begun with
            another detector or other options, or holds something else.
        OSError: the folder cannot be written; what is there stays.
    """
    items = _items(sources, out, say)
    _check_is_own(out)
    (out / FRAMES).mkdir(parents=True, exist_ok=True)
    about = {"detector": detector.file_hash, **options.as_plain_values()}
    if options.tiles > 1:
        detector = TiledDetector(detector, options.tiles)
    lock = FolderLock(out)
    try:
        for half_written in (out / FRAMES).glob(".*.tmp"):  # by a run that was killed
            half_written.unlink()
        with closing(Journal(out / JOURNAL, about, {"detector": _hashed(detector)})) as journal:
            journal.forget_lost(items, out / FRAMES)
            annotating = _Annotating(journal, out / FRAMES, detector, options, GivenPaths(sources), say)
            gaps = annotating.run(items, progress)
            frames = journal.frames()
            content = annotations_of(frames, options.score, about)
            write_atomically(out / ANNOTATIONS, json.dumps(content, allow_nan=False) + "\n")
            sure = [score >= options.score for frame in frames for score in frame.scores]
            return Annotated(len(frames), sum(sure), len(sure) - sum(sure), journal.alike(), tuple(gaps))
    finally:
        lock.release()


def group_of(item: Item) -> str:
    """Return what a frame's near-duplicates are looked for in: its video, or its picture's folder."""
    return item.source if item.kind is Kind.VIDEO else item.source.rpartition("/")[0]


def _items(sources: Sequence[str | Path], out: Path, say: Say) -> list[Item]:
    """Return the pictures and videos that the sources hold. Raises `UserError` where there are none."""
    items, own, found = [], out.resolve(), listed(sources, say).items
    for item in found:
        if item.path is None:
            raise UserError(
                f"{item.shown}: `annotate` reads no streams and no addresses; save it to a file, and give "
                "that"
            )
        if own not in item.path.parents:
            items.append(item)
    if found and not items:
        raise UserError(
            f"all that was given (files: {len(found):,}) lies below --out {printable(out)}, whose files are "
            "taken for what this command wrote: give another --out"
        )
    if not items:
        raise UserError("there is no picture and no video in what was given")
    return items


def _check_is_own(out: Path) -> None:
    """Raise `UserError` where a folder holds what this command did not write."""
    if not out.is_dir() or (out / JOURNAL).exists():
        return
    # A run that was killed right at the start leaves an empty folder of frames.
    held = {path.name for path in out.iterdir() if path.name != FRAMES or any(path.iterdir())}
    if held:
        raise UserError(
            f"{printable(out)} holds something else ({printable(min(held))}): give an empty or a new folder"
        )


def _hashed(detector: PeopleDetector) -> str:
    """Return what a detector's hash is of. A change of its YAML changes its boxes, so it is another one."""
    return f"the hash of {' and '.join(printable(file) for file in detector.files)}"


class _Annotating:
    """One run."""

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        detector: PeopleDetector,
        options: AnnotateOptions,
        given: GivenPaths,
        say: Say,
    ) -> None:
        self._journal, self._folder, self._detector = journal, folder, detector
        self._options, self._given, self._say = options, given, say

    def run(self, items: Sequence[Item], progress: Progress) -> list[str]:
        """Annotate what the journal does not know yet, and return a line for each gap."""
        wanted = [item for item in items if not self._journal.is_done(item)]
        last = {item.source: self._journal.last_frame(item) for item in wanted}
        loaded = load_frames(
            wanted,
            every=self._options.every,
            cameras=self._options.cameras,
            zone=self._options.zone,
            after={source: number for source, number in last.items() if number is not None},
            workers=self._options.workers,
            say=self._say,
        )
        gaps, unsearched, done = [], False, len(items) - len(wanted)
        with closing(loaded):
            for one in loaded:
                if isinstance(one, LoadedFrame):
                    try:
                        self._take(one.item, one.frame)
                    except UserError as error:
                        gaps.append(f"{one.item.shown}: {error}")
                        unsearched = True
                    continue
                if one.gap is not None:
                    gaps.append(one.gap)
                # A picture that could not be read is tried again by the next run.
                if not unsearched and (one.gap is None or self._journal.last_frame(one.item) is not None):
                    self._journal.end(one.item)
                unsearched, done = False, done + 1
                progress(done, len(items))
        return gaps

    def _take(self, item: Item, frame: Frame) -> None:
        """Annotate a frame. Raises `UserError` where the detector cannot look at it."""
        if frame.remark:
            self._say(f"warning: {frame.source}: {frame.remark}")
        shown = thumbnail(frame.pixels) if self._options.distinct else None
        self._journal.begin(item)
        before = self._journal.thumbnail(group_of(item))
        if shown is not None and before is not None:
            kept = np.frombuffer(bytes.fromhex(before), np.uint8).reshape(THUMBNAIL[::-1])
            if difference(shown, kept) < self._options.distinct:
                self._journal.leave_out(item, frame.frame)
                return
        made = encoded(item, frame)
        name = frame_name(item, frame, made.content)
        if self._journal.has(name):  # the very same picture again
            self._journal.leave_out(item, frame.frame)
            return
        boxes, scores = _in_frame(self._detector.detect(frame.pixels, self._options.unsure), frame, made.size)
        write_atomically(self._folder / name, made.content)
        self._journal.keep(
            item,
            AnnotatedFrame(
                name=name,
                size=made.size,
                boxes=boxes,
                scores=scores,
                source=item.source if item.path is None else self._given.text(item.path),
                frame=frame.frame,
                camera=frame.camera,
                time=None if frame.time is None else frame.time.isoformat(),
            ),
            group_of(item),
            None if shown is None else shown.tobytes().hex(),
        )


def _in_frame(
    found: FoundBoxes, frame: Frame, size: tuple[int, int]
) -> tuple[list[list[float]], list[float]]:
    """Return boxes and scores in pixels of the frame's file, cut to it and rounded: 0.01 pixels, 0.0001."""
    height, width = frame.pixels.shape[:2]
    factors = np.tile([size[0] / width, size[1] / height], 2)
    boxes = clip_boxes(found.boxes.astype(np.float64) * factors, size).round(2)
    kept = (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all(axis=1)
    return boxes[kept].tolist(), found.scores[kept].astype(np.float64).round(4).tolist()
