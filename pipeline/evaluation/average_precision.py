"""Average precision without interpolation, in which boxes of one score form one step.

The counting is that of scikit-learn's `average_precision_score`: precision is only read off between two
different scores, so the order in which equally scored boxes happen to stand changes nothing.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray

Scores = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


class Curve(NamedTuple):
    """Precision over recall, one point a distinct score, by falling score.

    Attributes:
        precision: `[K]` in 0 .. 1.
        recall: `[K]` in 0 .. 1, rising.
        threshold: `[K]` the score at and above which boxes are kept.
    """

    precision: FloatArray
    recall: FloatArray
    threshold: FloatArray


def precision_at_positives(positive_scores: Scores, scores: Scores) -> FloatArray:
    """Return the precision at the score of each positive.

    Args:
        positive_scores: `[P]` scores of the true positives.
        scores: `[N]` scores of all boxes, positives included. Boxes below the lowest positive change nothing
            and may be left out.

    Returns:
        `[P]` precision among the boxes that score at least as high, by rising positive score.
    """
    positives = np.sort(positive_scores)
    retrieved = len(scores) - np.searchsorted(np.sort(scores), positives, side="left")
    correct = len(positives) - np.searchsorted(positives, positives, side="left")
    return np.asarray(correct / retrieved, dtype=np.float64)


def average_precision(correct: Mask, scores: Scores) -> float:
    """Return the average precision of scored boxes; 0 where none is correct.

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
        wanted: number of boxes that there are to find; recall is 0 where there is none.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    steps = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.array([], int)
    found = np.cumsum(correct[order])[steps]
    return Curve(
        precision=found / (steps + 1),
        recall=found / max(wanted, 1),
        threshold=ranked[steps].astype(np.float64),
    )
