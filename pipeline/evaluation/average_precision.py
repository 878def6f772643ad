"""Average precision without interpolation. Boxes of equal score form one step of the curve.

This is the definition of scikit-learn's `average_precision_score`. Precision is read off only between two
different scores, so the order of boxes with equal scores has no effect.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray

Scores = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
POINTS = 200
"""Points of a thinned curve at most: enough for a smooth line, few enough to keep in Git."""


class Curve(NamedTuple):
    """Precision over recall: one point for each distinct score, by falling score.

    Attributes:
        precision: `[K]` in 0 .. 1.
        recall: `[K]` in 0 .. 1, rising.
        threshold: `[K]` the lowest score among the boxes that are kept at the point.
    """

    precision: FloatArray
    recall: FloatArray
    threshold: FloatArray


def precision_at_positives(positive_scores: Scores, scores: Scores) -> FloatArray:
    """Return the precision at the score of each positive.

    Args:
        positive_scores: `[P]` scores of the true positives.
        scores: `[N]` scores of all boxes, positives included. Boxes that score lower than all positives have
            no effect and may be left out.

    Returns:
        `[P]` by rising score of the positives: the precision among the boxes that score at least as high.
    """
    positives = np.sort(positive_scores)
    # `side="left"` counts boxes of the same score in, so ties share one precision.
    retrieved = len(scores) - np.searchsorted(np.sort(scores), positives, side="left")
    correct = len(positives) - np.searchsorted(positives, positives, side="left")
    return np.asarray(correct / retrieved, dtype=np.float64)


def average_precision(correct: Mask, scores: Scores) -> float:
    """Return the average precision of scored boxes, 0 .. 1; 0 where no box is correct.

    Args:
        correct: `[N]` whether a box is a true positive.
        scores: `[N]`.
    """
    if not correct.any():
        return 0.0
    return float(precision_at_positives(scores[correct], scores).mean())


def precision_recall_curve(correct: Mask, scores: Scores, wanted: int) -> Curve:
    """Return precision over recall.

    Args:
        correct: `[N]` whether a box is a true positive.
        scores: `[N]`.
        wanted: number of ground-truth boxes. Where it is 0, recall is 0.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    # A step ends at the last box of each score.
    steps = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.array([], int)
    found = np.cumsum(correct[order])[steps]
    return Curve(
        precision=found / (steps + 1),
        recall=found / max(wanted, 1),
        threshold=ranked[steps].astype(np.float64),
    )


def thinned(curve: Curve, points: int = POINTS) -> Curve:
    """Return a curve of at most `points` points, evenly spaced over recall, both ends included.

    Args:
        curve: `[K]` points by rising recall.
        points: 2 or more.
    """
    count = len(curve.recall)
    if count <= points:
        return curve
    wanted = np.linspace(curve.recall[0], curve.recall[-1], points - 1)
    nearest = np.searchsorted(curve.recall, wanted, side="left")
    kept = np.unique(np.concatenate([[0], nearest[1:], [count - 1]]))
    return Curve(curve.precision[kept], curve.recall[kept], curve.threshold[kept])
