"""Checks that every data set must pass, and `Findings`: what readers and checks report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path, PurePosixPath
from unicodedata import category

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.scenes.boxes import MIN_SIDE, box_text, outside, thin_inside, thin_text, too_thin
from pipeline.scenes.scene import UNLABELLED, FloatArray, Galleries, Scene, Split

UNBOUNDED = (np.inf, np.inf)
"""The size taken for a picture that is missing or broken; the check of the pictures reports it."""
SOME = 5
"""How many items of a list a message names."""
UNPRINTED = ("Cc", "Cs")
"""Unicode's categories of control characters and of halves of characters."""


@dataclass
class Findings:
    """What a reader found.

    Attributes:
        problems: faults that make the data set unusable.
        notes: facts worth knowing.
        warnings: the notes that `prepare` logs too, since they change what is learned.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note_count(self, count: int, what: str) -> None:
        """Note `COUNT what` unless the count is 0."""
        if count:
            self.notes.append(f"{count:,} {what}")

    def warn_count(self, count: int, what: str) -> None:
        """Add `COUNT what` to the notes and to the warnings, unless the count is 0."""
        if count:
            self.warn(f"{count:,} {what}")

    def warn(self, what: str) -> None:
        """Add a line to the notes and to the warnings."""
        self.notes.append(what)
        self.warnings.append(what)

    def add(self, others: "Findings") -> None:
        """Put others behind these."""
        self.problems += others.problems
        self.notes += others.notes
        self.warnings += others.warnings

    def raise_first(self, hint: str = "") -> None:
        """Raise `UserError` with the first problem and the number of others; do nothing without problems."""
        if self.problems:
            more = len(self.problems) - 1
            others = f" (and {more:,} more{f': {hint}' if hint else ''})" if more else ""
            raise UserError(f"{self.problems[0]}{others}")


@dataclass(frozen=True)
class Inspection:
    """A data set as it was found on disk.

    Attributes:
        release: which release it is: the full one, a subset, ...
        splits: the splits that could be read.
        images: the folder of its pictures; None where they are not files.
        findings: problems and notes.
    """

    release: str
    splits: Mapping[str, Split]
    images: Path | None
    findings: Findings


def scene_problems(scene: Scene, identities: int, size: tuple[float, float] | None = None) -> list[str]:
    """Return what is wrong with one scene.

    Args:
        scene: the scene.
        identities: the split's number of identities.
        size: width and height of its image. Each box, ignored ones too, must then overlap the image, and its
            part inside must not be too thin.
    """
    boxes, ids, ignored = scene.boxes, scene.person_ids, scene.ignored
    if boxes.ndim != 2 or boxes.shape[1] != 4 or ids.shape != boxes.shape[:1]:
        return [f"{scene.name}: boxes of shape {boxes.shape} with ids of shape {ids.shape}"]
    if ignored.ndim != 2 or ignored.shape[1] != 4:
        return [f"{scene.name}: ignored boxes of shape {ignored.shape}"]
    strange = (ids != UNLABELLED) & ((ids < 0) | (ids >= identities))
    problems = _box_problems("box", boxes, size, strange)
    problems += _box_problems("ignored box", ignored, size, np.zeros(len(ignored), dtype=bool))
    return [f"{scene.name}: {problem}" for problem in problems]


def _box_problems(
    called: str, boxes: FloatArray, size: tuple[float, float] | None, strange: npt.NDArray[np.bool_]
) -> list[str]:
    """Return what is wrong with boxes `[N, 4]`; `strange`, `[N]`, says whose id is out of range."""
    finite = np.isfinite(boxes).all(axis=1)
    found = [(~finite, "is not finite")]
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    found.append((finite & empty, "has no area"))
    found.append((strange, "has an id out of range"))
    if size is not None:
        image = f"its image of {size[0]:g} x {size[1]:g}"
        found.append((finite & outside(boxes, size), f"lies outside {image}"))
        thin = finite & ~empty & thin_inside(boxes, size)
        found.append((thin, f"is thinner than {MIN_SIDE:g} pixels inside {image}"))
    return [f"{called} {box_text(box)} {what}" for mask, what in found for box in boxes[mask]]


def split_problems(split: Split) -> list[str]:
    """Return what is wrong with a split: repeated names, and bad boxes, ids, queries and galleries."""
    problems: list[str] = []
    seen: set[str] = set()
    for scene in split.scenes:
        if scene.name in seen:
            problems.append(f"{split.name}: {scene.name} is listed twice")
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
    """Return the queries, and the positives of their galleries, whose box is too thin inside its image.

    Args:
        split: its queries and galleries must name existing scenes.
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
        # For each positive: its query, then the scene that holds it. Positions count within the query's own
        # list, so the list's offset turns them into indices of `listed_scenes`.
        queries = np.repeat(np.arange(len(galleries)), np.diff(galleries.positive_offsets))
        held = galleries.listed_scenes[galleries.listed_offsets[queries] + galleries.positives]
        problems += [
            f"{split.name}, gallery {name}: query {queries[index] + 1}: "
            + _inside_text(galleries.positive_boxes[index], split, held[index])
            for index in _not_inside(galleries.positive_boxes, sizes[held])
        ]
    return problems


def note_people_and_pictures(splits: Mapping[str, Split], findings: Findings) -> None:
    """Note people with several boxes in one scene, and pictures and people that two splits share."""
    for split in apart(splits):
        labelled = [scene.person_ids[scene.person_ids != UNLABELLED] for scene in split.scenes]
        findings.note_count(
            sum(len(ids) - len(np.unique(ids)) for ids in labelled),
            f"boxes of split '{split.name}' show a person whom another box of the scene shows already",
        )
        findings.note_count(
            sum(len(scene.ignored) for scene in split.scenes),
            f"boxes of split '{split.name}' are ignored: neither people nor background",
        )
    findings.notes += shared_between(splits)


def shared_between(splits: Mapping[str, Split]) -> list[str]:
    """Return a line for the pictures, and one for the people, that two splits share but should not."""
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
    """Return the splits without those that have the very scenes of an earlier one: they are its subsets."""
    kept: list[Split] = []
    for split in splits.values():
        if all(split.scenes is not other.scenes for other in kept):
            kept.append(split)
    return kept


def some(values: Sequence[str]) -> str:
    """Return the first few of a list as text."""
    return ", ".join(values[:SOME]) + (", ..." if len(values) > SOME else "")


def name_problem(name: str) -> str | None:
    """Return what is wrong with a picture's name, a path below the folder of pictures; None if nothing."""
    path = PurePosixPath(name)
    if any(category(character) in UNPRINTED for character in name):
        return "has a control character or half a character in it"
    if "\\" in name:
        return "has a backslash in it: separate folders by '/'"
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the folder of pictures"
    if path.as_posix() != name or not path.name:
        return f"is no plain name: write '{path.as_posix()}'" if path.name else "is no name"
    return None


def _be(things: Sequence[str], one: str, more: str) -> str:
    return f"{one} is" if len(things) == 1 else f"{more} are"


def _not_inside(boxes: FloatArray, sizes: FloatArray) -> npt.NDArray[np.int64]:
    """Return the indices of `[N, 4]` boxes that only the edges of images of `[N, 2]` sizes make too thin."""
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
        problems.append("lists a scene that does not exist")
    room = np.repeat(listed, held)  # for each positive, the length of its query's list
    if ((galleries.positives < 0) | (galleries.positives >= room)).any():
        problems.append("a positive outside its query's list")
    boxes = galleries.positive_boxes
    bad = ~np.isfinite(boxes).all(axis=1) | too_thin(boxes)
    problems += [f"positive box {box_text(box)} {thin_text(box)}" for box in boxes[bad]]
    return problems
