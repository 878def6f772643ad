"""Precision over recall as a table that DVC plots."""

from pathlib import Path

import numpy as np

from pipeline.basics.atomic import write_atomically
from pipeline.evaluation.average_precision import Curve

POINTS = 200
"""Rows of the table at most: enough for a smooth line, few enough to keep in Git."""


def thinned(curve: Curve, points: int = POINTS) -> Curve:
    """Return a curve of at most `points` points, evenly spaced over recall; first and last point stay.

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


def write_precision_recall(path: Path, curve: Curve) -> None:
    """Write `recall` and `precision`, thinned, as tab-separated values with six digits."""
    few = thinned(curve)
    rows = [
        f"{recall:.6g}\t{precision:.6g}" for recall, precision in zip(few.recall, few.precision, strict=True)
    ]
    write_atomically(path, "\n".join(["recall\tprecision", *rows]) + "\n")
