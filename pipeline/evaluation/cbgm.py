"""Context bipartite graph matching (CBGM): SeqNet's re-scoring by the people in the query's scene."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.basics.options import Options
from pipeline.evaluation.box_pairs import segment_rows
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import IntArray

Array = npt.NDArray[Any]
HIGH_BOXES = 1024
"""The most similar boxes, among which `k1` boxes of a gallery are looked for first. It only saves time."""


class CbgmOptions(Options):
    """How much context is used.

    Attributes:
        k1: number of most similar gallery boxes whose scenes are re-scored.
        k2: number of people in the query's scene that are matched, the query included.
    """

    k1: int = Field(ge=1)
    k2: int = Field(ge=1)


CUHK_SYSU_CBGM = CbgmOptions(k1=10, k2=3)
PRW_CBGM = CbgmOptions(k1=30, k2=4)


class Rescored(NamedTuple):
    """The boxes whose similarity is another one in a gallery.

    Attributes:
        gallery: `[C]` number of the gallery, rising.
        rows: `[C]` the box, rising within a gallery.
        values: `[C]` its new similarity.
    """

    gallery: IntArray
    rows: IntArray
    values: Array


def rescored(
    similarity: Array, context: Array, found: SceneBoxes, times: IntArray, options: CbgmOptions
) -> Rescored:
    """Return one query's new similarities in the scenes of each gallery's most similar boxes.

    In each such scene, the people of the query's scene are matched one to one with the boxes so that the sum
    of similarities is largest. The box matched with the query then gets the *largest similarity of a matched
    pair*. SeqNet's code does so, and its published numbers come from it; its paper speaks of the sum. Where
    the query has no match, nothing changes. Boxes that tie with the last of the `k1` boxes are included. A
    scene that a gallery lists twice counts once.

    Args:
        similarity: `[N]` of the query with every box of every scene.
        context: `[C, D]` features of the people in the query's scene, the query first; the first `k2` count.
        found: the boxes of every scene, with their features.
        times: `[G, S]` how often each gallery lists each scene.
        options: `k1` and `k2`.
    """
    none = np.empty(0, dtype=np.int64)
    unchanged = Rescored(none, none, np.empty(0, dtype=similarity.dtype))
    if not len(context) or not len(similarity):
        return unchanged
    wanted = np.zeros(times.shape, dtype=bool)
    for scenes, row in zip(_top_scenes(similarity, found, times, options.k1), wanted, strict=True):
        row[scenes] = True
    # Each scene is matched once, whatever the number of galleries that want it.
    scenes = np.flatnonzero(wanted.any(axis=0))
    if not len(scenes):
        return unchanged
    rows, values = _matched(context[: options.k2], scenes, found, similarity.dtype)
    changed = rows >= 0
    gallery, place = np.nonzero(wanted[:, scenes[changed]])
    return Rescored(gallery, rows[changed][place], values[changed][place])


def _top_scenes(similarity: Array, found: SceneBoxes, times: IntArray, k1: int) -> Iterator[IntArray]:
    """Yield, for each gallery, the scenes of its `k1` most similar boxes and of those that tie with the last.

    A scene may be there several times.
    """
    last = max(len(similarity) - HIGH_BOXES, 0)
    high = np.flatnonzero(similarity >= np.partition(similarity, last)[last])
    scenes = found.scene_of[high]
    for row in times:
        rows = high[row[scenes] > 0]
        if len(rows) < k1:
            searched = np.flatnonzero(row)
            rows = segment_rows(found.offsets[searched], found.counts[searched])
        values = similarity[rows]
        if len(rows) > k1:
            rows = rows[values >= np.partition(values, len(rows) - k1)[len(rows) - k1]]
        yield found.scene_of[rows]


def _matched(people: Array, scenes: IntArray, found: SceneBoxes, width: Any) -> tuple[IntArray, Array]:
    """Return `[S]` the box that is matched with the query in each scene, or -1, and `[S]` its similarity."""
    # Half a second of every program's start, for what few ask for.
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    starts, lengths = found.offsets[scenes], found.counts[scenes]
    boxes = segment_rows(starts, lengths)
    # Summed in float64 and rounded to the similarities' width, as `similarities` does.
    product = people.astype(np.float64) @ found.feats[boxes].astype(np.float64).T
    weights = product.astype(width).astype(np.float64)
    ends = np.cumsum(lengths)
    begins = ends - lengths
    pairs = [
        linear_sum_assignment(weights[:, begin:end], maximize=True)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    sizes = np.minimum(len(people), lengths)
    person, box = (np.concatenate(side) for side in zip(*pairs, strict=True))
    first = np.cumsum(sizes) - sizes
    best = np.maximum.reduceat(weights[person, box + np.repeat(begins, sizes)], first)
    # Person 0 is the query, the first of each scene's pairs. With fewer boxes than people it may be in none.
    rows = np.where(person[first] == 0, starts + box[first], -1)
    return rows, best.astype(width)
