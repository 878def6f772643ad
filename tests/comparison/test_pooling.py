"""Paired differences: of the same seeds, over one setting and over several."""

from io import BytesIO

import pytest
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.reporting.comparison.groups import Comparisons, Group, compare
from pipeline.reporting.comparison.paired_figure import paired_figure
from pipeline.reporting.comparison.pooling import Pool, pooled
from pipeline.reporting.comparison.text import PAIRED_TITLE, comparison_tables
from pipeline.reporting.comparison.trade_off import TradeOff
from tests.comparison.test_groups import like, run_of


def runs(**by_seed):
    """Runs whose metrics are all the value given for a seed: `s3=0.5`."""
    return {int(seed[1:]): run_of(value, [value, value]) for seed, value in by_seed.items()}


RUNS = {
    "a/plain": runs(s0=0.50, s1=0.55, s2=0.60),
    "a/taught": runs(s2=0.63, s0=0.51, s1=0.57),
    "b/plain": runs(s0=0.2, s7=0.3),
    "b/taught": runs(s0=0.24, s8=0.9),
}
ONE = Pool(title="one", pairs={"a/taught": "a/plain"})
CURVE = TradeOff(title="t", curves={"all": {"a/plain": "1"}})
BOTH = Pool(title="both", pairs={"a/taught": "a/plain", "b/taught": "b/plain"})


def test_a_difference_is_of_the_same_seed():
    (pair,) = pooled(ONE, RUNS)["pairs"]
    by_seed = dict(zip(pair["seeds"], pair["differences"]["coco_ap50"], strict=True))
    assert by_seed == pytest.approx({0: 0.01, 1: 0.02, 2: 0.03})


def test_the_interval_is_students_over_all_pairs():
    """Of 0.01, 0.02, 0.03: deviation 0.01, t(0.975, 2) = 4.3027. With 0.04: deviation 0.01291, t = 3.1824."""
    one, both = (pooled(pool, RUNS)["differences"]["detection_recall"] for pool in (ONE, BOTH))
    assert one == pytest.approx({"mean": 0.02, "low": 0.02 - 0.024842, "high": 0.02 + 0.024842}, abs=1e-6)
    assert both == pytest.approx({"mean": 0.025, "low": 0.025 - 0.020543, "high": 0.025 + 0.020543}, abs=1e-6)


def test_each_setting_can_count_as_one_sample():
    """Means 0.02 and 0.04: deviation 0.014142, t(0.975, 1) = 12.706."""
    by_setting = pooled(BOTH, RUNS)["by_setting"]["detection_recall"]
    assert by_setting == pytest.approx(
        {"mean": 0.03, "low": 0.03 - 0.127062, "high": 0.03 + 0.127062}, abs=1e-6
    )
    assert pooled(ONE, RUNS)["by_setting"]["detection_recall"] is None


def test_only_seeds_that_are_stated_are_taken():
    chosen = pooled(ONE.model_copy(update={"seeds": [0, 2, 5]}), RUNS)
    assert sorted(chosen["pairs"][0]["seeds"]) == [0, 2]
    assert chosen["differences"]["coco_ap50"]["mean"] == pytest.approx(0.02)
    with pytest.raises(UserError, match="no seed in common"):
        pooled(ONE.model_copy(update={"seeds": [5]}), RUNS)


def test_seeds_that_one_of_them_lacks_are_no_pair():
    (pair,) = pooled(Pool(title="t", pairs={"b/taught": "b/plain"}), RUNS)["pairs"]
    assert pair["seeds"] == [0]
    with pytest.raises(UserError, match="x/taught and x/plain have no seed in common"):
        pooled(
            Pool(title="t", pairs={"x/taught": "x/plain"}), {"x/taught": runs(s1=1), "x/plain": runs(s2=1)}
        )


@pytest.mark.parametrize(
    ("pairs", "says"),
    [({"a/x": "a/x"}, "compared with itself"), ({"a/x": "b/x"}, "of different data"), ({}, "at least 1")],
)
def test_pairs_that_are_none(pairs, says):
    with pytest.raises(ValueError, match=says):
        Pool(title="t", pairs=pairs)


def test_as_a_table():
    group = Group(title="t", against="a/plain", against_is="x", students={"a/taught": "y"})
    single = Pool(title="single", pairs={"b/taught": "b/plain"})
    comparisons = Comparisons(about="", groups=[group], pooled=[ONE, BOTH, single], trade_off=CURVE)
    table = comparison_tables(compare(comparisons, RUNS.__getitem__, like))[1]
    assert table.title == PAIRED_TITLE
    assert table.head == ["", "samples", "Δ search mAP", "Δ AP50", "Δ AP70", "Δ AP", "Δ recall"]
    assert table.lines == [
        ["one", "3", *["+2.0 ± 2.5"] * 5],
        ["both", "4", *["+2.5 ± 2.1"] * 5],
        ["both, a setting one sample", "2", *["+3.0 ± 12.7"] * 5],
        ["single", "1", *[""] * 5],
    ]
    assert table.clear == [[], [2, 3, 4, 5, 6], [], []]


def test_as_a_figure_a_pool_without_an_interval_is_an_empty_line():
    alone, both = (pooled(pool, RUNS) for pool in (Pool(title="1", pairs={"b/taught": "b/plain"}), BOTH))
    drawn = [paired_figure(pools) for pools in ([alone, both], [both, alone], [both], [alone, both])]
    assert drawn[0] == drawn[3]
    assert len({*drawn}) == 3
    heights = [Image.open(BytesIO(figure)).size[1] for figure in drawn]
    assert heights[0] == heights[1] > heights[2]
