import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.reporting.table_summary
from pipeline.lookup_table import LookupTable
from pipeline.reporting.table_summary import ClosePair, mean_similarity, summarise


def table_of(features, counts=None):
    rows = np.asarray(features, dtype=np.float32)
    counts = np.ones(len(rows)) if counts is None else np.asarray(counts)
    return LookupTable(rows, np.arange(len(rows)), counts.astype(np.int64), "synthetic", "a", "b")


def random_rows(count, dim, seed):
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(count=st.integers(2, 12), seed=st.integers(0, 50), pairs=st.integers(1, 80), block=st.integers(1, 13))
def test_equals_all_pairs_one_by_one(count, seed, pairs, block):
    rows = random_rows(count, 4, seed).astype(np.float32)
    expected = sorted(
        (-float(rows[a].astype(np.float64) @ rows[b]), a, b)
        for a in range(count)
        for b in range(a + 1, count)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.reporting.table_summary, "ROWS_AT_A_TIME", block)
        summary = summarise(table_of(rows), pairs)
    assert [(pair.first, pair.second) for pair in summary.closest] == [(a, b) for _, a, b in expected[:pairs]]
    for pair, (negative, _, _) in zip(summary.closest, expected, strict=False):
        assert pair.similarity == pytest.approx(-negative, abs=1e-6)
    assert summary.mean_similarity == pytest.approx(-np.mean([value for value, _, _ in expected]), abs=1e-6)


def test_orthogonal_rows_have_nothing_in_common():
    assert mean_similarity(np.eye(5, dtype=np.float32)) == pytest.approx(0)


def test_counts():
    summary = summarise(table_of(np.eye(4), [1, 9, 2, 3]), 1)
    assert (summary.fewest, summary.median, summary.most) == (1, 2.5, 9)
    assert (summary.identities, summary.dim) == (4, 4)


def test_the_most_similar_pair_comes_first():
    rows = [[1, 0], [0, 1], [0.6, 0.8]]
    summary = summarise(table_of(rows), 2)
    assert summary.closest[0] == ClosePair(1, 2, pytest.approx(0.8))
    assert summary.closest[1] == ClosePair(0, 2, pytest.approx(0.6))


def test_a_single_row_has_no_pair():
    summary = summarise(table_of([[1.0, 0.0]]), 5)
    assert summary.closest == ()
    assert np.isnan(summary.mean_similarity)
