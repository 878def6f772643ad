"""How sure the difference of two students is, in a metric that has one value a training."""

from collections.abc import Sequence

from scipy.stats import ttest_1samp, ttest_ind

from pipeline.reporting.comparison.bootstrap import CONFIDENCE, Difference


def seeds_interval(first: Sequence[float], second: Sequence[float]) -> Difference | None:
    """Return the mean of `second` minus that of `first`, with Welch's interval over trainings (95 %).

    Seeds are not paired: the same seed draws other numbers in two students as soon as their losses differ.
    The students may spread differently.

    Args:
        first: the metric in each training of one student.
        second: the same of another.

    Returns:
        None where a student has a single training, whose spread nobody knows.
    """
    if min(len(first), len(second)) < 2:
        return None
    mean = sum(second) / len(second) - sum(first) / len(first)
    if len(set(first)) == 1 and len(set(second)) == 1:
        return Difference(mean, mean, mean)
    interval = ttest_ind(second, first, equal_var=False).confidence_interval(CONFIDENCE)
    return Difference(mean, float(interval.low), float(interval.high))


def paired_interval(differences: Sequence[float]) -> Difference | None:
    """Return the mean of differences between pairs of trainings, with Student's interval (95 %).

    The pairs are taken as independent samples of one difference. Where they are of several settings whose
    differences are not the same, the spread between settings widens the interval too.

    Args:
        differences: of each pair.

    Returns:
        None for a single pair, whose spread nobody knows.
    """
    if len(differences) < 2:
        return None
    mean = sum(differences) / len(differences)
    if len(set(differences)) == 1:
        return Difference(mean, mean, mean)
    interval = ttest_1samp(differences, 0).confidence_interval(CONFIDENCE)
    return Difference(mean, float(interval.low), float(interval.high))
