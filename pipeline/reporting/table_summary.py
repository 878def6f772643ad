"""The size of a look-up table, and how similar its rows are to one another."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.lookup_table import LookupTable

ROWS_AT_A_TIME = 1024


@dataclass(frozen=True)
class ClosePair:
    """Two people with similar rows: their person ids, `first < second`, and the rows' cosine similarity."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True)
class TableSummary:
    """The numbers that describe a table.

    Attributes:
        identities: number of rows, I.
        dim: number of dimensions, D.
        fewest: the smallest number of boxes that a row is the mean of.
        median: the median of that number over all rows.
        most: the largest such number.
        mean_similarity: mean cosine similarity of two different rows, -1..1; NaN with a single row.
        closest: the most similar pairs, by falling similarity.
    """

    identities: int
    dim: int
    fewest: int
    median: float
    most: int
    mean_similarity: float
    closest: tuple[ClosePair, ...]


def summarise(table: LookupTable, pairs: int) -> TableSummary:
    """Summarise a table.

    Args:
        table: with at least one row.
        pairs: how many of the most similar pairs to return, at least 1. A small table has fewer.
    """
    identities, dim = table.features.shape
    counts = table.counts
    return TableSummary(
        identities=identities,
        dim=dim,
        fewest=int(counts.min()),
        median=float(np.median(counts)),
        most=int(counts.max()),
        mean_similarity=mean_similarity(table.features),
        closest=closest_pairs(table, pairs),
    )


def mean_similarity(features: npt.NDArray[np.float32]) -> float:
    """Return the mean cosine similarity of two different rows of `[I, D]` unit rows; NaN where I is 1.

    The sum over all pairs is the squared length of the sum of the rows, so no `[I, I]` matrix is needed.
    """
    rows = features.astype(np.float64)
    count = len(rows)
    if count < 2:
        return float("nan")
    with_itself = float((rows**2).sum())
    return (float((rows.sum(axis=0) ** 2).sum()) - with_itself) / (count * (count - 1))


def closest_pairs(table: LookupTable, pairs: int) -> tuple[ClosePair, ...]:
    """Return the `pairs` most similar pairs of rows, by falling similarity, then by person id."""
    found = sorted(
        (pair for block in _blocks(table.features, pairs) for pair in block),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    ids = table.person_ids
    return tuple(
        ClosePair(int(ids[first]), int(ids[second]), similarity)
        for similarity, first, second in found[:pairs]
    )


def _blocks(features: npt.NDArray[np.float32], pairs: int) -> Iterator[list[tuple[float, int, int]]]:
    """Yield the best pairs (similarity, first row, second row) of a block of rows with the rows after it."""
    count = len(features)
    for start in range(0, count, ROWS_AT_A_TIME):
        similarity = features[start : start + ROWS_AT_A_TIME] @ features[start:].T
        # Below the diagonal each pair stands a second time, and on it each row with itself.
        similarity[np.tril_indices(len(similarity), 0, count - start)] = -np.inf
        flat = similarity.ravel()
        best = np.argpartition(-flat, pairs - 1)[:pairs] if pairs < len(flat) else np.arange(len(flat))
        yield [
            (float(flat[at]), start + int(at) // (count - start), start + int(at) % (count - start))
            for at in best
            if np.isfinite(flat[at])
        ]
