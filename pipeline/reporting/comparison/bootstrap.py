"""How sure the difference of two students is: a paired bootstrap over queries."""

from typing import NamedTuple

import numpy as np

from pipeline.scenes.scene import FloatArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
AT_ONCE = 500
"""Resamples drawn at a time, for memory."""


class Difference(NamedTuple):
    """A mean difference and its confidence interval, in the values' own unit."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    first: FloatArray, second: FloatArray, *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Return the mean of `second - first`, with its percentile interval (95 %).

    Queries are resampled, and so are the seeds of each student, independently of one another: the interval
    says what other queries and other trainings would have given. With one seed a student, it says what other
    queries would have given.

    Args:
        first: `[S, Q]` a metric (average precision, say) of each query, one row per seed.
        second: `[T, Q]` the same of another student, for the same queries.
        seed: of the resampling.
        resamples: how many.

    Raises:
        ValueError: there are no queries, or not the same number.
    """
    if first.shape[1] != second.shape[1] or not first.size or not second.size:
        raise ValueError(f"need the same queries of both students, got {first.shape} and {second.shape}")
    rng = np.random.default_rng(seed)
    queries = first.shape[1]
    means = []
    for start in range(0, resamples, AT_ONCE):
        number = min(AT_ONCE, resamples - start)
        drawn = rng.integers(0, queries, (number, queries))
        of_first = first[rng.integers(0, len(first), (number, len(first)))].mean(axis=1)
        of_second = second[rng.integers(0, len(second), (number, len(second)))].mean(axis=1)
        means.append(np.take_along_axis(of_second - of_first, drawn, axis=1).mean(axis=1))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return Difference(float(second.mean() - first.mean()), float(low), float(high))
