import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.metrics import precision_recall_curve as sklearn_curve

from pipeline.evaluation.average_precision import (
    POINTS,
    average_precision,
    precision_at_positives,
    precision_recall_curve,
    thinned,
)

BOXES = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=40)


def arrays(boxes):
    return np.array([hit for hit, _ in boxes]), np.array([score / 8 for _, score in boxes], dtype=np.float32)


@given(BOXES)
def test_it_is_sklearns(boxes):
    correct, scores = arrays(boxes)
    wanted = average_precision_score(correct, scores) if correct.any() else 0.0
    assert average_precision(correct, scores) == pytest.approx(wanted, abs=1e-12)


@given(BOXES, st.randoms())
def test_the_order_of_boxes_changes_nothing(boxes, random):
    shuffled = random.sample(boxes, len(boxes))
    assert average_precision(*arrays(boxes)) == pytest.approx(average_precision(*arrays(shuffled)), abs=1e-12)


@given(BOXES)
def test_boxes_below_the_last_positive_change_nothing(boxes):
    correct, scores = arrays(boxes)
    if correct.any():
        above = scores[scores >= scores[correct].min()]
        got = precision_at_positives(scores[correct], above)
        assert np.array_equal(got, precision_at_positives(scores[correct], scores))


@given(BOXES)
def test_the_curve_is_sklearns_and_encloses_the_average(boxes):
    correct, scores = arrays(boxes)
    curve = precision_recall_curve(correct, scores, int(correct.sum()))
    if correct.any():
        precision, recall, threshold = sklearn_curve(correct, scores)
        assert curve.precision == pytest.approx(precision[-2::-1])
        assert curve.recall == pytest.approx(recall[-2::-1])
        assert curve.threshold == pytest.approx(threshold[::-1])
    area = float((np.diff(curve.recall, prepend=0.0) * curve.precision).sum())
    assert area == pytest.approx(average_precision(correct, scores), abs=1e-12)


def test_ties_form_one_step():
    assert average_precision(np.array([True, False]), np.array([0.5, 0.5])) == 0.5
    assert average_precision(np.array([True, False]), np.array([0.6, 0.5])) == 1.0


def test_no_boxes():
    none = np.array([], dtype=bool), np.array([], dtype=np.float32)
    assert average_precision(*none) == 0.0
    assert len(precision_recall_curve(*none, 3).recall) == 0


def curve_of(seed, count):
    random = np.random.default_rng(seed)
    return precision_recall_curve(random.random(count) < 0.7, random.random(count), count)


@given(st.integers(0, 10**6), st.integers(0, 1500), st.integers(2, 60))
def test_thinning_keeps_points_of_the_curve_and_its_ends(seed, count, points):
    curve = curve_of(seed, count)
    few = thinned(curve, points)
    assert len(few.recall) <= points
    everything = set(zip(*curve, strict=True))
    assert set(zip(*few, strict=True)) <= everything
    assert (np.diff(few.threshold) < 0).all()
    if count:
        assert [column[0] for column in few] == [column[0] for column in curve]
        assert [column[-1] for column in few] == [column[-1] for column in curve]


@given(st.integers(0, 10**6))
def test_thinning_leaves_no_gap(seed):
    curve = curve_of(seed, 2000)
    few = thinned(curve, 50)
    assert np.diff(few.recall).max() <= 2 * curve.recall[-1] / 50


def test_a_short_curve_stays_as_it_is():
    curve = precision_recall_curve(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), 4)
    assert thinned(curve) is curve
    nothing = precision_recall_curve(np.array([], bool), np.array([]), 4)
    assert len(thinned(nothing).recall) == 0


def test_a_long_curve_becomes_short():
    assert 0.9 * POINTS < len(thinned(curve_of(0, 5000)).recall) <= POINTS
