"""Where galleries show the people that are searched for, and which boxes on them are true positives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.average_precision import Mask
from pipeline.evaluation.box_pairs import offsets_of, overlapping_pairs
from pipeline.evaluation.cbgm import Rescored
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import FloatArray, Galleries, IntArray

Array = npt.NDArray[Any]

LARGEST_MATCH_IOU = 0.5
SIZE_MARGIN = 10.0
"""Pixels by which a box may be wider and higher than a small person and still match."""


@dataclass(frozen=True)
class PersonBoxes:
    """The boxes that lie on the people of Q queries, in each of G galleries.

    An appearance is one place in the list of a query's gallery that shows the person, with a box on it.

    Attributes:
        matches: `[G, Q]` number of places in the query's gallery that show the person, with a box or not.
        offsets: `[Q + 1]`; the appearances of query q are `offsets[q]:offsets[q + 1]`, by gallery, by place.
        gallery: `[A]` number of the gallery, `0 .. G-1`.
        place: `[A]` position in the query's own list of that gallery.
        scene: `[A]` the scene there.
        row_offsets: `[A + 1]`; the boxes of appearance a are `rows[row_offsets[a]:row_offsets[a + 1]]`, at
            least one.
        rows: `[K]` boxes that overlap the person enough, as rows of all boxes.
    """

    matches: IntArray
    offsets: IntArray
    gallery: IntArray
    place: IntArray
    scene: IntArray
    row_offsets: IntArray
    rows: IntArray


class TruePositives(NamedTuple):
    """A query's true positives in several galleries: `[T]` number of the gallery, `[T]` similarity.

    They stand by gallery, and within a gallery by rising similarity.
    """

    gallery: IntArray
    scores: Array


def person_boxes(galleries: Sequence[Galleries], queries: int, found: SceneBoxes) -> PersonBoxes:
    """Return the boxes on the people of all queries.

    Args:
        galleries: G search protocols.
        queries: Q, how many queries each of them has.
        found: the boxes of every scene.
    """
    shown = [_shown(protocol) for protocol in galleries]
    counts = [len(query) for query, _, _, _ in shown]
    gallery = np.repeat(np.arange(len(shown)), counts)
    query, place, scene = (
        np.concatenate([np.empty(0, np.int64), *(part[column] for part in shown)]) for column in range(3)
    )
    boxes = np.concatenate([np.empty((0, 4)), *(part[3] for part in shown)])
    matches = np.bincount(gallery * queries + query, minlength=len(shown) * queries)
    # By query; galleries and places keep their order.
    order = np.argsort(query, kind="stable")
    rows, person = boxes_on_person(boxes[order], scene[order], found)
    number = np.bincount(person, minlength=len(order))
    order, number = order[number > 0], number[number > 0]
    return PersonBoxes(
        matches=matches.reshape(len(shown), queries),
        offsets=offsets_of(np.bincount(query[order], minlength=queries)),
        gallery=gallery[order],
        place=place[order],
        scene=scene[order],
        row_offsets=offsets_of(number),
        rows=rows,
    )


def boxes_on_person(boxes: FloatArray, scenes: IntArray, found: SceneBoxes) -> tuple[IntArray, IntArray]:
    """Return `[K]` the rows of `found` that overlap a person enough, and `[K]` the person's number, rising.

    For a person of width w and height h, the overlap needed is `min(0.5, w h / ((w + 10) (h + 10)))`.

    Args:
        boxes: `[P, 4]` the person's box in each scene that shows the person.
        scenes: `[P]` these scenes.
        found: the boxes of every scene.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    needed = width * height / ((width + SIZE_MARGIN) * (height + SIZE_MARGIN))
    needed = np.minimum(LARGEST_MATCH_IOU, needed)
    order = np.argsort(scenes, kind="stable")
    offsets = offsets_of(np.bincount(scenes, minlength=len(found.counts)))
    place, rows, _ = overlapping_pairs(boxes[order], offsets, found.boxes, found.offsets, needed[order])
    person = order[place]
    back = np.argsort(person, kind="stable")
    return rows[back], person[back]


def true_positives(
    similarity: Array,
    people: PersonBoxes,
    index: int,
    changes: Rescored | None = None,
    counted: Mask | None = None,
) -> TruePositives:
    """Return the true positives of one query.

    Args:
        similarity: `[N]` with every box of every scene.
        people: the boxes on all queries' people.
        index: the query's position.
        changes: similarities that are others in some galleries; None for none.
        counted: `[A]` which of the query's appearances count; None for all. See `counted_once`.
    """
    begin, end = people.offsets[index : index + 2]
    gallery = people.gallery[begin:end]
    starts = people.row_offsets[begin:end]
    if not len(starts):
        return TruePositives(gallery, similarity[:0])
    first, last = starts[0], people.row_offsets[end]
    rows = people.rows[first:last]
    values = similarity[rows]
    if changes is not None:
        lengths = np.diff(people.row_offsets[begin : end + 1])
        values = _changed(values, np.repeat(gallery, lengths), rows, changes, len(similarity))
    best = np.maximum.reduceat(values, starts - first)
    kept = best > -np.inf if counted is None else counted & (best > -np.inf)
    gallery, best = gallery[kept], best[kept]
    order = np.lexsort((best, gallery))
    return TruePositives(gallery[order], best[order])


def counted_once(galleries: Sequence[Galleries], people: PersonBoxes, index: int, times: IntArray) -> Mask:
    """Return `[A]` which of a query's appearances stand at the first place that names their scene.

    Args:
        galleries: G search protocols.
        people: the boxes on all queries' people.
        index: the query's position.
        times: `[G, S]` how often each gallery lists each scene.
    """
    part = slice(people.offsets[index], people.offsets[index + 1])
    gallery, place = people.gallery[part], people.place[part]
    counted = np.ones(len(gallery), dtype=bool)
    for appearance in np.flatnonzero(times[gallery, people.scene[part]] > 1):
        protocol = galleries[gallery[appearance]]
        listed = protocol.listed_scenes[protocol.listed_offsets[index] : protocol.listed_offsets[index + 1]]
        counted[appearance] = place[appearance] == first_place(listed, place[appearance])
    return counted


def first_place(listed: npt.NDArray[np.integer[Any]], place: int) -> int:
    """Return the first place of a list of scenes that names the same scene as `place` does."""
    return int(np.flatnonzero(listed == listed[place])[0])


def _shown(protocol: Galleries) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return, for each place that shows a query's person: the query, the place, the scene, the box.

    By query, then by place. Of a place that is named twice, the first box counts.
    """
    query = np.repeat(np.arange(len(protocol)), np.diff(protocol.positive_offsets))
    order = np.lexsort((protocol.positives, query))
    query, place = query[order], protocol.positives[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (query[1:] != query[:-1]) | (place[1:] != place[:-1])
    query, place = query[first], place[first]
    scene = protocol.listed_scenes[protocol.listed_offsets[query] + place].astype(np.int64)
    return query, place, scene, protocol.positive_boxes[order[first]]


def _changed(values: Array, gallery: IntArray, rows: IntArray, changes: Rescored, boxes: int) -> Array:
    """Return `[K]` the similarities of some boxes, each in its gallery, after the changes.

    Args:
        values: `[K]` before.
        gallery: `[K]` number of the gallery.
        rows: `[K]` the boxes.
        changes: the changes.
        boxes: N, number of all boxes.
    """
    # One number stands for a gallery and a box; those of the changes rise.
    changed, wanted = changes.gallery * boxes + changes.rows, gallery * boxes + rows
    place = np.searchsorted(changed, wanted)
    there = np.flatnonzero(place < len(changed))
    there = there[changed[place[there]] == wanted[there]]
    values[there] = changes.values[place[there]]
    return values
