"""Context bipartite graph matching (CBGM): SeqNet's re-scoring by the people in the query's scene."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from pipeline.basics.options import Options
from pipeline.evaluation.average_precision import Mask
from pipeline.evaluation.box_pairs import segment_rows
from pipeline.evaluation.scene_boxes import SceneBoxes

Array = npt.NDArray[Any]


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


def rescore(
    similarity: Array, context: Array, found: SceneBoxes, searched: Mask, options: CbgmOptions
) -> Array:
    """Return one query's similarities, re-scored in the scenes of its most similar gallery boxes.

    In each such scene, the people of the query's scene are matched one to one with the boxes so that the sum
    of similarities is largest. The box matched with the query then gets the *largest similarity of a matched
    pair*. SeqNet's code does so, and its published numbers come from it; its paper speaks of the sum. Where
    the query has no match, nothing changes. Boxes that tie with the last of the `k1` boxes are included. A
    scene that a gallery lists twice counts once.

    Args:
        similarity: `[N]` of the query with every box of every scene.
        context: `[C, D]` features of the people in the query's scene, the query first; the first `k2` count.
        found: the boxes of every scene, with their features.
        searched: `[N]` whether a box belongs to the query's gallery.
        options: `k1` and `k2`.
    """
    rows = np.flatnonzero(searched)
    people = context[: options.k2]
    if not len(rows) or not len(people):
        return similarity
    # The k1-th largest similarity; taking all boxes that reach it includes ties.
    values = similarity[rows]
    last = max(len(rows) - options.k1, 0)
    top = rows[values >= np.partition(values, last)[last]]
    scenes = np.unique(np.searchsorted(found.offsets, top, side="right") - 1)
    starts, lengths = found.offsets[scenes], found.counts[scenes]
    boxes = segment_rows(starts, lengths)
    # Summed in float64 and rounded to the similarities' width, as `similarities` in search.py does.
    product = people.astype(np.float64) @ found.feats[boxes].astype(np.float64).T
    weights = product.astype(similarity.dtype).astype(np.float64)
    result = similarity.copy()
    end = 0
    for start, length in zip(starts, lengths, strict=True):
        begin, end = end, end + int(length)
        graph = weights[:, begin:end]
        person, box = linear_sum_assignment(graph, maximize=True)
        # Person 0 is the query. With fewer boxes than people it may have no match.
        if person[0] == 0:
            result[start + box[0]] = graph[person, box].max()
    return result
