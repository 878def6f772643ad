"""The paired bootstrap against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reporting.comparison.bootstrap import paired_bootstrap


def student(*values):
    return np.array([values], dtype=float)


def test_students_that_are_equal_differ_by_nothing():
    values = np.random.default_rng(0).random((1, 50))
    assert paired_bootstrap(values, values) == (0.0, 0.0, 0.0)
    assert not paired_bootstrap(values, values).excludes_zero


@given(st.floats(-1, 1), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_gain_that_all_queries_share_is_certain(gain, seed):
    values = np.random.default_rng(seed).random((1, 40))
    difference = paired_bootstrap(values, values + gain, resamples=200)
    assert difference == pytest.approx((gain, gain, gain))


def test_the_interval_is_that_of_the_mean():
    """Of 400 differences with deviation 1, the mean's interval is 1.96 / 20 to each side."""
    rng = np.random.default_rng(0)
    gains = rng.standard_normal(400)
    gains = (gains - gains.mean()) / gains.std() + 0.1
    difference = paired_bootstrap(np.zeros((1, 400)), gains[None])
    assert difference.mean == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1 - 1.96 / 20, abs=0.005)
    assert difference.high == pytest.approx(0.1 + 1.96 / 20, abs=0.005)
    assert difference.excludes_zero == (difference.low > 0)


def test_seeds_that_disagree_widen_it():
    same = np.tile(np.linspace(0.2, 0.6, 100), (3, 1))
    apart = same + np.array([[-0.2], [0.0], [0.2]])
    narrow, wide = paired_bootstrap(same, same + 0.05), paired_bootstrap(same, apart + 0.05)
    assert narrow.excludes_zero
    assert not wide.excludes_zero
    assert wide.mean == pytest.approx(narrow.mean)


def test_the_same_seed_gives_the_same_interval_and_swapped_students_the_opposite():
    first, second = np.random.default_rng(1).random((2, 3, 60))
    forth, back = paired_bootstrap(first, second), paired_bootstrap(second, first)
    assert forth == paired_bootstrap(first, second)
    assert forth.mean == -back.mean
    assert forth.low == pytest.approx(-back.high, abs=0.01)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (student(1, 2), student(1, 2, 3)),
        (np.zeros((1, 0)), np.zeros((1, 0))),
        (np.zeros((0, 3)), student(1, 2, 3)),
    ],
)
def test_students_of_other_queries_are_refused(first, second):
    with pytest.raises(ValueError, match="the same queries"):
        paired_bootstrap(first, second)
