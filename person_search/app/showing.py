"""Hits as pictures: cut out, and whole with the box drawn. One that cannot be shown says why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from person_search.app.indexed import IndexedPeople, Place
from person_search.drawing import as_jpeg, with_boxes
from person_search.hits import Hit
from person_search.hits_sheet import TILE, cut_outs, framed
from person_search.sources.rereading import Shown, read_again
from pipeline.basics.errors import UserError

ORANGE = "#d95f02"
THUMB = (200, 150)
"""Width and height within which a picture of the index is offered."""


@dataclass(frozen=True)
class Tile:
    """A picture for the page.

    Attributes:
        jpeg: None where it cannot be shown.
        why: why not, in one line.
    """

    jpeg: bytes | None = field(repr=False, default=None)
    why: str | None = None


def tiles(found: Sequence[Hit], people: IndexedPeople) -> list[Tile]:
    """Cut hits out of their pictures, in their order; each source is read once.

    Args:
        found: hits.
        people: the index that they are of, which says whether a source has changed.
    """
    by_source: dict[str, list[int]] = {}
    for place, hit in enumerate(found):
        by_source.setdefault(hit.source, []).append(place)
    result: dict[int, Tile] = {}
    for source, places in by_source.items():
        own = _tiles([found[place] for place in places], people.why_changed(source))
        result.update(zip(places, own, strict=True))
    return [result[place] for place in range(len(found))]


def _tiles(found: Sequence[Hit], changed: str | None) -> list[Tile]:
    """Cut out the hits of one source."""
    if changed is not None:
        return [Tile(why=changed)] * len(found)
    try:
        return [Tile(as_jpeg(framed(cut, ORANGE, TILE))) for cut in cut_outs(found)]
    except UserError as error:
        return [Tile(why=str(error))] * len(found)


def whole(hit: Hit, people: IndexedPeople) -> bytes:
    """Return the picture of a hit as JPEG, with its box drawn.

    Raises:
        UserError: it can no longer be read, or is of a stream.
    """
    shown = frame_of(Place(hit.source, hit.frame), people)
    return as_jpeg(with_boxes(shown.pixels, np.array([hit.box]) * shown.scale, [""]))


def frame_of(place: Place, people: IndexedPeople) -> Shown:
    """Read a picture of the index, or a frame of a video, again.

    Raises:
        UserError: it is gone or has changed, can no longer be read, or is of a stream.
    """
    if changed := people.why_changed(place.source):
        raise UserError(changed)
    ((_, shown),) = read_again([place], lambda one: (one.source, one.frame))
    return shown


def thumbnails(places: Sequence[Place], people: IndexedPeople) -> list[Tile]:
    """Return small pictures of frames of the index, in their order."""
    return [_thumbnail(place, people) for place in places]


def _thumbnail(place: Place, people: IndexedPeople) -> Tile:
    try:
        pixels = frame_of(place, people).pixels
    except UserError as error:
        return Tile(why=str(error))
    image = Image.fromarray(pixels)
    image.thumbnail(THUMB, reducing_gap=2.0)
    return Tile(as_jpeg(image))
