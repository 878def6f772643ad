"""Checks that any data set's splits must pass, and the collected findings of one that was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.data.scenes.scene import UNLABELLED, FloatArray, Galleries, Scene, Split


@dataclass
class Findings:
    """What a reader came across: problems make the data set unusable, notes are worth knowing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note_count(self, count: int, what: str) -> None:
        """Note `COUNT what` unless the count is 0."""
        if count:
            self.notes.append(f"{count:,} {what}")

    def raise_first(self, hint: str = "") -> None:
        """Raise `UserError` with the first problem and the number of others, if there is any."""
        if self.problems:
            more = len(self.problems) - 1
            others = f" (and {more:,} more{f': {hint}' if hint else ''})" if more else ""
            raise UserError(f"{self.problems[0]}{others}")


@dataclass(frozen=True)
class Inspection:
    """A data set as it was found on disk.

    Attributes:
        release: what it is: the full release, a subset, ...
        splits: what could be read of it.
        images: the folder of its pictures; None where they are not files.
        findings: problems and notes.
    """

    release: str
    splits: Mapping[str, Split]
    images: Path | None
    findings: Findings


def xywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """Return `[N, 4]` boxes given by left, top, width, height as left, top, right, bottom."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def clip_boxes(boxes: FloatArray, size: tuple[float, float]) -> FloatArray:
    """Return `[N, 4]` boxes cut to an image of `size` (width, height; may be infinite)."""
    width, height = size
    return np.clip(boxes, 0.0, np.array([width, height, width, height]))


def outside(boxes: FloatArray, size: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return `[N]` which boxes share no area with an image of `size` (width, height)."""
    width, height = size
    x1, y1, x2, y2 = boxes.T
    return np.asarray((x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height))


def box_text(box: FloatArray) -> str:
    """Return a box as a message shows it."""
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"


def scene_problems(scene: Scene, identities: int, size: tuple[float, float] | None = None) -> list[str]:
    """Return what is wrong with one scene.

    Args:
        scene: the scene.
        identities: the split's number of identities.
        size: width and height of its image; without it, boxes are not compared with the image.
    """
    boxes, ids = scene.boxes, scene.person_ids
    if boxes.ndim != 2 or boxes.shape[1] != 4 or ids.shape != boxes.shape[:1]:
        return [f"{scene.name}: boxes of shape {boxes.shape} with ids of shape {ids.shape}"]
    finite = np.isfinite(boxes).all(axis=1)
    found = [(~finite, "is not finite")]
    found.append((finite & ((boxes[:, 2:] <= boxes[:, :2]).any(axis=1)), "has no area"))
    found.append(((ids != UNLABELLED) & ((ids < 0) | (ids >= identities)), "has an id out of range"))
    if size is not None:
        found.append((finite & outside(boxes, size), f"lies outside its image of {size[0]:g} x {size[1]:g}"))
    return [
        f"{scene.name}: box {box_text(boxes[index])} {what}"
        for mask, what in found
        for index in np.flatnonzero(mask)
    ]


def split_problems(split: Split) -> list[str]:
    """Return what is wrong with a split: names twice, bad boxes, ids, queries and galleries."""
    problems: list[str] = []
    seen: set[str] = set()
    for scene in split.scenes:
        if scene.name in seen:
            problems.append(f"{split.name}: {scene.name} stands there twice")
        seen.add(scene.name)
        problems += scene_problems(scene, len(split.identities))
    for index, query in enumerate(split.queries):
        where = f"{split.name}: query {index + 1}"
        if not 0 <= query.scene < len(split.scenes):
            problems.append(f"{where} has no scene {query.scene}")
        if not 0 <= query.person_id < len(split.identities):
            problems.append(f"{where} has an id out of range")
        if not np.isfinite(query.box).all() or (query.box[2:] <= query.box[:2]).any():
            problems.append(f"{where}: box {box_text(query.box)} has no area")
    for name, galleries in split.galleries.items():
        problems += [f"{split.name}, gallery {name}: {what}" for what in _gallery_problems(galleries, split)]
    if split.queries and split.default_gallery not in split.galleries:
        problems.append(f"{split.name}: no gallery '{split.default_gallery}'")
    return problems


def require(problems: Sequence[str]) -> None:
    """Raise `UserError` with the first problem and the number of others, if there is any."""
    Findings(list(problems)).raise_first()


def _gallery_problems(galleries: Galleries, split: Split) -> list[str]:
    if len(galleries) != len(split.queries):
        return [f"{len(galleries)} queries instead of {len(split.queries)}"]
    listed, held = np.diff(galleries.listed_offsets), np.diff(galleries.positive_offsets)
    if (listed < 0).any() or galleries.listed_offsets[-1] != len(galleries.listed_scenes):
        return ["the lists do not add up"]
    if (held < 0).any() or not galleries.positive_offsets[-1] == len(galleries.positives) == len(
        galleries.positive_boxes
    ):
        return ["the positives do not add up"]
    scenes = galleries.listed_scenes
    problems = []
    if len(scenes) and not (scenes.min() >= 0 and scenes.max() < len(split.scenes)):
        problems.append("a listed scene that there is not")
    room = np.repeat(listed, held)
    if ((galleries.positives < 0) | (galleries.positives >= room)).any():
        problems.append("a positive outside its query's list")
    boxes = galleries.positive_boxes
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    problems += [f"positive box {box_text(box)} has no area" for box in boxes[bad]]
    return problems
