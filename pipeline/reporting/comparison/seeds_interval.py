"""How sure the difference of two rows is, of a figure that has one value a training: Welch's interval."""

from collections.abc import Sequence

from scipy.stats import ttest_ind

from pipeline.reporting.comparison.bootstrap import CONFIDENCE, Difference


def seeds_interval(first: Sequence[float], second: Sequence[float]) -> Difference | None:
    """Return the mean of `second` minus that of `first`, with its interval over trainings (95 %).

    Seeds are not paired: the same seed in two rows draws other numbers as soon as their losses differ. The
    rows may spread differently (Welch's t).

    Args:
        first: the figure in each training of one row.
        second: the same of another.

    Returns:
        None where a row has a single training, whose spread nobody knows.
    """
    if min(len(first), len(second)) < 2:
        return None
    mean = sum(second) / len(second) - sum(first) / len(first)
    if len(set(first)) == 1 and len(set(second)) == 1:
        return Difference(mean, mean, mean)
    interval = ttest_ind(second, first, equal_var=False).confidence_interval(CONFIDENCE)
    return Difference(mean, float(interval.low), float(interval.high))
