"""Checks that any data set's splits must pass, and the collected findings of one that was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.scenes.scene import UNLABELLED, FloatArray, Galleries, Scene, Split

MIN_SIDE = 0.1
"""A box with a shorter side, in pixels, is none. The networks work in float32: in the largest JPEG (65,535
pixels) a side of this length is still one after any resizing; a side of 0 makes the box loss infinite."""
UNBOUNDED = (np.inf, np.inf)
"""The size of a picture that is missing or broken, which is found where pictures are read."""
SOME = 5


@dataclass
class Findings:
    """What a reader came across.

    Attributes:
        problems: they make the data set unusable.
        notes: worth knowing.
        warnings: those of the notes that `prepare` says as well, since something is learned otherwise.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note_count(self, count: int, what: str) -> None:
        """Note `COUNT what` unless the count is 0."""
        if count:
            self.notes.append(f"{count:,} {what}")

    def warn_count(self, count: int, what: str) -> None:
        """Note and warn of `COUNT what` unless the count is 0."""
        self.note_count(count, what)
        self.warnings += self.notes[-1:] if count else []

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
    with np.errstate(over="ignore"):  # a corner that is not finite is found as one
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


def too_thin(boxes: FloatArray) -> npt.NDArray[np.bool_]:
    """Return `[N]` which boxes have a side below `MIN_SIDE`, or one that is no number."""
    with np.errstate(invalid="ignore"):
        return np.asarray(~(boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE).all(axis=1))


def thin_inside(boxes: FloatArray, size: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return `[N]` which boxes lie in an image of `size` (width, height), but with too thin a part."""
    return np.asarray(too_thin(clip_boxes(boxes, size)) & ~outside(boxes, size))


def box_text(box: FloatArray) -> str:
    """Return a box as a message shows it."""
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"


def thin_text(box: FloatArray) -> str:
    """Return what is wrong with a box `[4]` that is too thin."""
    return f"is thinner than {MIN_SIDE:g} pixels" if (box[2:] > box[:2]).all() else "has no area"


def scene_problems(scene: Scene, identities: int, size: tuple[float, float] | None = None) -> list[str]:
    """Return what is wrong with one scene.

    Args:
        scene: the scene.
        identities: the split's number of identities.
        size: width and height of its image; without it, boxes are not compared with the image, inside which
            they may be too thin.
    """
    boxes, ids = scene.boxes, scene.person_ids
    if boxes.ndim != 2 or boxes.shape[1] != 4 or ids.shape != boxes.shape[:1]:
        return [f"{scene.name}: boxes of shape {boxes.shape} with ids of shape {ids.shape}"]
    finite = np.isfinite(boxes).all(axis=1)
    found = [(~finite, "is not finite")]
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    found.append((finite & empty, "has no area"))
    found.append(((ids != UNLABELLED) & ((ids < 0) | (ids >= identities)), "has an id out of range"))
    if size is not None:
        image = f"its image of {size[0]:g} x {size[1]:g}"
        found.append((finite & outside(boxes, size), f"lies outside {image}"))
        thin = finite & ~empty & thin_inside(boxes, size)
        found.append((thin, f"is thinner than {MIN_SIDE:g} pixels inside {image}"))
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
        if not np.isfinite(query.box).all() or too_thin(query.box[None])[0]:
            problems.append(f"{where}: box {box_text(query.box)} {thin_text(query.box)}")
    for name, galleries in split.galleries.items():
        problems += [f"{split.name}, gallery {name}: {what}" for what in _gallery_problems(galleries, split)]
    if split.queries and split.default_gallery not in split.galleries:
        problems.append(f"{split.name}: no gallery '{split.default_gallery}'")
    return problems


def search_problems(split: Split, sizes: FloatArray) -> list[str]:
    """Return which queries and which boxes of their galleries have too little of them in their image.

    Args:
        split: one whose galleries list scenes that there are.
        sizes: `[S, 2]` width and height of each scene's image; may be infinite.
    """
    if not split.queries:
        return []
    scenes = np.array([query.scene for query in split.queries])
    boxes = np.array([query.box for query in split.queries])
    problems = [
        f"{split.name}: query {index + 1}: {_inside_text(boxes[index], split, scenes[index])}"
        for index in _not_inside(boxes, sizes[scenes])
    ]
    for name, galleries in split.galleries.items():
        queries = np.repeat(np.arange(len(galleries)), np.diff(galleries.positive_offsets))
        held = galleries.listed_scenes[galleries.listed_offsets[queries] + galleries.positives]
        problems += [
            f"{split.name}, gallery {name}: query {queries[index] + 1}: "
            + _inside_text(galleries.positive_boxes[index], split, held[index])
            for index in _not_inside(galleries.positive_boxes, sizes[held])
        ]
    return problems


def note_people_and_pictures(splits: Mapping[str, Split], findings: Findings) -> None:
    """Note people who are boxed more than once in a scene, and what two splits share."""
    for split in apart(splits):
        labelled = [scene.person_ids[scene.person_ids != UNLABELLED] for scene in split.scenes]
        findings.note_count(
            sum(len(ids) - len(np.unique(ids)) for ids in labelled),
            f"boxes of split '{split.name}' show a person whom another box of the scene shows already",
        )
    findings.notes += shared_between(splits)


def shared_between(splits: Mapping[str, Split]) -> list[str]:
    """Return, a line each, which pictures and which people stand in two splits that should share none."""
    notes = []
    for first, second in combinations(apart(splits), 2):
        names, ids = {scene.name for scene in second.scenes}, set(second.identities)
        pictures = [scene.name for scene in first.scenes if scene.name in names]
        people = [person for person in first.identities if person in ids]
        both = f"in both {first.name} and {second.name}, so scores come out too good"
        if pictures:
            notes.append(f"{len(pictures):,} {_be(pictures, 'picture', 'pictures')} {both}: {some(pictures)}")
        if people:
            notes.append(f"{len(people):,} {_be(people, 'person', 'people')} {both}: ids {some(people)}")
    return notes


def apart(splits: Mapping[str, Split]) -> list[Split]:
    """Return the splits but for those over the very scenes of another one, which are its subsets."""
    kept: list[Split] = []
    for split in splits.values():
        if all(split.scenes is not other.scenes for other in kept):
            kept.append(split)
    return kept


def some(values: Sequence[str]) -> str:
    """Return the first few of a list as text."""
    return ", ".join(values[:SOME]) + (", ..." if len(values) > SOME else "")


def require(problems: Sequence[str]) -> None:
    """Raise `UserError` with the first problem and the number of others, if there is any."""
    Findings(list(problems)).raise_first()


def _be(things: Sequence[str], one: str, more: str) -> str:
    return f"{one} is" if len(things) == 1 else f"{more} are"


def _not_inside(boxes: FloatArray, sizes: FloatArray) -> npt.NDArray[np.int64]:
    """Return which of `[N, 4]` boxes, wide enough themselves, are too thin in images of `[N, 2]` sizes."""
    cut = np.clip(boxes, 0.0, np.concatenate([sizes, sizes], axis=1))
    return np.flatnonzero(too_thin(cut) & ~too_thin(boxes))


def _inside_text(box: FloatArray, split: Split, scene: int) -> str:
    name = split.scenes[scene].name
    return f"box {box_text(box)} lies outside {name}, or with less than {MIN_SIDE:g} pixels inside"


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
    bad = ~np.isfinite(boxes).all(axis=1) | too_thin(boxes)
    problems += [f"positive box {box_text(box)} {thin_text(box)}" for box in boxes[bad]]
    return problems
