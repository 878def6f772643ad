"""Intervals over seeds against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from pipeline.reporting.comparison.seeds_interval import paired_interval, seeds_interval

VALUES = st.lists(st.integers(0, 1000).map(lambda thousandths: thousandths / 1000), min_size=2, max_size=6)


@pytest.mark.filterwarnings("ignore:Precision loss")  # of a student whose values are all equal
@given(VALUES, VALUES)
@settings(max_examples=50, deadline=None)
def test_it_is_welchs_formula(first, second):
    difference = seeds_interval(first, second)
    errors = [np.var(values, ddof=1) / len(values) for values in (first, second)]
    assert difference.mean == pytest.approx(np.mean(second) - np.mean(first), abs=1e-12)
    if sum(errors) < 1e-12:
        return
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(values) - 1) for error, values in zip(errors, (first, second), strict=True)
    )
    half = t.ppf(0.975, freedom) * sum(errors) ** 0.5
    assert difference.low == pytest.approx(difference.mean - half, abs=1e-6)
    assert difference.high == pytest.approx(difference.mean + half, abs=1e-6)


def test_a_gain_far_beyond_the_spread_excludes_zero_and_one_within_does_not():
    assert seeds_interval([0.50, 0.51, 0.52], [0.60, 0.61, 0.62]).excludes_zero
    assert not seeds_interval([0.50, 0.51, 0.52], [0.51, 0.52, 0.53]).excludes_zero


def test_the_order_of_seeds_is_nothing_and_swapped_students_give_the_opposite():
    first, second = [0.5, 0.52, 0.57], [0.6, 0.58]
    forth, back = seeds_interval(first, second), seeds_interval(second, first[::-1])
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))


def test_trainings_without_any_spread_leave_no_doubt_and_a_single_one_leaves_all():
    assert seeds_interval([0.25, 0.25], [0.5, 0.5]) == (0.25, 0.25, 0.25)
    assert seeds_interval([0.25], [0.5, 0.5]) is None
    assert seeds_interval([0.25, 0.5], [0.5]) is None


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_paired_it_is_students_formula(differences):
    difference = paired_interval(differences)
    half = t.ppf(0.975, len(differences) - 1) * (np.var(differences, ddof=1) / len(differences)) ** 0.5
    assert difference.mean == pytest.approx(np.mean(differences), abs=1e-12)
    assert difference.low == pytest.approx(difference.mean - half, abs=1e-9)
    assert difference.high == pytest.approx(difference.mean + half, abs=1e-9)


def test_paired_a_single_pair_has_no_interval():
    assert paired_interval([0.25]) is None
    assert paired_interval([0.25, 0.25]) == (0.25, 0.25, 0.25)
