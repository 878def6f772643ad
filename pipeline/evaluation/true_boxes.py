"""How well embeddings tell people apart at their true boxes: what no detector can spoil."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.average_precision import average_precision
from pipeline.evaluation.similarity import one_thread_a_product, similarities
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED, IntArray

Rows = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class TrueBoxScores:
    """Means over the queries that have a match.

    Attributes:
        mean_ap: mean average precision, 0 .. 1; NaN without queries.
        top1: share of queries whose most similar box shows the same person; NaN without queries.
        queries: number of boxes that were searched for and have a match.
    """

    mean_ap: float
    top1: float
    queries: int


def true_box_scores(
    rows: Rows,
    person_ids: IntArray,
    scenes: IntArray,
    cameras: IntArray,
    *,
    queries: IntArray | None = None,
    cross_camera: bool = False,
) -> TrueBoxScores:
    """Search for people among all true boxes of other scenes.

    A box is right where it shows the same person. Unlabelled people are among those that are searched, and
    are wrong. Boxes of equal similarity form one step of average precision, and for top-1 wrong ones come
    first, as in `search_queries`.

    Args:
        rows: `[N, D]` of unit length, one for each true box.
        person_ids: `[N]`, `0 .. I-1` or `UNLABELLED`.
        scenes: `[N]` the scene that each box is in.
        cameras: `[N]` that scene's camera, or `UNKNOWN_CAMERA`.
        queries: `[Q]` the labelled boxes that are searched for; None for all.
        cross_camera: search the scenes of other cameras alone; boxes of unknown cameras are left out.
    """
    if queries is None:
        queries = np.flatnonzero(person_ids != UNLABELLED)
    precisions, first_right = [], []
    with one_thread_a_product():
        for query, similarity in zip(queries, similarities(rows[queries], rows), strict=True):
            searched = scenes != scenes[query]
            if cross_camera:
                known = (cameras != UNKNOWN_CAMERA) & (cameras[query] != UNKNOWN_CAMERA)
                searched &= known & (cameras != cameras[query])
            right = (person_ids == person_ids[query])[searched]
            if not right.any():
                continue
            found = similarity[searched]
            precisions.append(average_precision(right, found))
            first_right.append(found[right].max() > found[~right].max(initial=-np.inf))
    if not precisions:
        return TrueBoxScores(float("nan"), float("nan"), 0)
    return TrueBoxScores(float(np.mean(precisions)), float(np.mean(first_right)), len(precisions))
