import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.average_precision import precision_recall_curve
from pipeline.evaluation.curve_file import POINTS, thinned, write_precision_recall
from pipeline.reporting.columns import read_columns


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


def test_a_short_curve_is_written_as_it_is(tmp_path):
    curve = precision_recall_curve(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), 4)
    write_precision_recall(tmp_path / "pr.tsv", curve)
    assert (tmp_path / "pr.tsv").read_text() == "recall\tprecision\n0.25\t1\n0.25\t0.5\n0.5\t0.666667\n"


def test_a_long_curve_is_written_short(tmp_path):
    write_precision_recall(tmp_path / "pr.tsv", curve_of(0, 5000))
    assert 0.9 * POINTS < len(read_columns(tmp_path / "pr.tsv")["recall"]) <= POINTS


def test_no_detections_are_a_table_without_rows(tmp_path):
    write_precision_recall(tmp_path / "pr.tsv", precision_recall_curve(np.array([], bool), np.array([]), 4))
    assert (tmp_path / "pr.tsv").read_text() == "recall\tprecision\n"
