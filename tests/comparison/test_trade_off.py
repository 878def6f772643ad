"""Search mAP against AP50 over a setting."""

from io import BytesIO

import pytest
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.comparison.run_file import QUERIES
from pipeline.reporting.comparison.trade_off import ACROSS, UP, TradeOff, trade_off, trade_off_figure
from tests.comparison.test_runs import run_of


def run_with(search, detection):
    run = run_of(0.0) | {QUERIES: [search]}
    for metric, value in ((UP, search), (ACROSS, detection)):
        part, key = METRICS[metric].path
        run[part] = {**run[part], key: value}
    return run


STATED = TradeOff(
    title="weights", curves={"plain": {"a/low": "0.1", "a/high": "1"}, "taught": {"a/taught": "0.1"}}
)
RUNS = {
    "a/low": {0: run_with(0.1, 0.9), 1: run_with(0.3, 0.8)},
    "a/high": {0: run_with(0.4, 0.5)},
    "a/taught": {0: run_with(0.6, 0.9)},
}


def test_points_stand_along_their_curve_with_the_mean_over_seeds():
    shown = trade_off(STATED, RUNS)
    assert [curve["is"] for curve in shown["curves"]] == ["plain", "taught"]
    low, high = shown["curves"][0]["points"]
    assert (low["row"], low["at"], high["at"]) == ("a/low", "0.1", "1")
    assert (low[UP]["mean"], low[ACROSS]["mean"]) == pytest.approx((0.2, 0.85))
    assert low[ACROSS]["values"] == [0.9, 0.8]
    assert list(STATED.students()) == ["a/low", "a/high", "a/taught"]


def test_the_figure_is_a_picture_and_the_same_each_time():
    shown = trade_off(STATED, RUNS)
    first = trade_off_figure(shown)
    assert first == trade_off_figure(shown)
    with Image.open(BytesIO(first)) as image:
        assert min(image.size) > 300


def test_unknown_words_and_no_curves_are_errors():
    for values in ({"title": "t", "curves": {}}, {"title": "t", "curve": {"a": {"a/b": "1"}}}):
        with pytest.raises(UserError, match="curve"):
            parse_options(TradeOff, values, "x")
