import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.metrics import precision_recall_curve as sklearn_curve

from pipeline.evaluation.average_precision import (
    average_precision,
    precision_at_positives,
    precision_recall_curve,
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
