"""Groups and pairs of students: what is read, computed, written and drawn."""

from io import BytesIO

import pytest
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.comparison.cost import Cost
from pipeline.reporting.comparison.figure import comparison_figure
from pipeline.reporting.comparison.groups import Comparisons, Group, compare, read_comparisons
from pipeline.reporting.comparison.run_file import EMBEDDED_BY, QUERIES
from pipeline.reporting.comparison.runs import COMPARED
from pipeline.reporting.comparison.text import comparison_tables, comparison_text
from pipeline.reporting.comparison.trade_off import TradeOff

TEXT = """\
about: Two students, and a third.
groups:
  - title: Which one?
    against: a/one
    against_is: the first
    students: {a/two: the second, a/three: the third}
trade_off: {title: a setting, curves: {all: {a/one: "1", a/two: "2"}}}
"""


def run_of(value, queries):
    run = {QUERIES: queries}
    for metric in COMPARED:
        part, key = METRICS[metric].path
        run.setdefault(part, {})[key] = value
    return run


def by_seed(*runs):
    return dict(enumerate(runs))


RUNS = {
    "a/one": by_seed(run_of(0.25, [0.1, 0.4, 0.25])),
    "a/two": by_seed(run_of(0.5, [0.35, 0.65, 0.5]), run_of(0.5, [0.35, 0.65, 0.5])),
    "a/three": by_seed(run_of(0.26, [0.3, 0.1, 0.38])),
}
ALIKE, LARGER = Cost(100_000, 2.5e9), Cost(250_000, 5e9)
CURVE = TradeOff(title="t", curves={"all": {"a/one": "1"}})
SEEDS = {"a/one": (0.50, 0.51, 0.52), "a/two": (0.60, 0.61, 0.62), "a/three": (0.51, 0.52, 0.53)}


def runs_of(seeds):
    return {
        name: by_seed(*(run_of(value, [value, value]) for value in values)) for name, values in seeds.items()
    }


def like(_name):
    return ALIKE


@pytest.fixture
def comparison(tmp_path):
    path = tmp_path / "comparisons.yaml"
    path.write_text(TEXT)
    return compare(read_comparisons(path), RUNS.__getitem__, like)


def test_metrics_and_differences(comparison):
    ((first, second, third),) = [group["rows"] for group in comparison["groups"]]
    assert [student["is"] for student in (first, second, third)] == ["the first", "the second", "the third"]
    assert first["differences"] == {}
    assert second["seeds"] == 2
    assert second["figures"]["search_mAP"] == {"mean": 0.5, "deviation": 0.0, "values": [0.5, 0.5]}
    assert second["differences"]["search_mAP"] == pytest.approx({"mean": 0.25, "low": 0.25, "high": 0.25})
    assert third["differences"]["search_mAP"]["low"] < 0 < third["differences"]["search_mAP"]["high"]
    assert second["differences"]["coco_ap50"] is None  # one seed of the first: nobody knows its spread


def test_as_tables(comparison):
    text = comparison_text(comparison)
    assert "### Which one?" in text
    lines = [line for line in text.splitlines() if line.startswith("| the")]
    assert lines[0].startswith("| the first | 25.0 | 25.0 |")
    assert lines[1].startswith("| the second | 50.0 ± 0.0 |")
    assert lines[1].endswith("| **+25.0 (+25.0 to +25.0)** |  |  |")
    assert "**" not in lines[2]
    groups, _, origins = text.partition("### What the runs came from")
    for table in (groups, origins):
        assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1


def test_differences_in_detection_stand_in_their_own_columns(comparison):
    runs = runs_of(SEEDS)
    group = Group(title="t", against="a/one", against_is="x", students={"a/two": "y", "a/three": "z"})
    compared = compare(Comparisons(about="", groups=[group], trade_off=CURVE), runs.__getitem__, like)
    _, second, third = compared["groups"][0]["rows"]
    assert second["differences"]["coco_ap50"] == pytest.approx(
        {"mean": 0.1, "low": 0.0773, "high": 0.1227}, abs=1e-4
    )
    table, _origins = comparison_tables(compared)
    assert [[table.head[place] for place in places] for places in table.clear] == [
        [],
        ["Δ search mAP", "Δ AP50", "Δ AP70"],
        ["Δ search mAP"] if third["differences"]["search_mAP"]["low"] > 0 else [],
    ]
    assert table.lines[2][-1].startswith("+1.0 (")


def test_what_others_embedded_costs_nothing_and_asks_for_no_network(comparison):
    by_others = {seed: run | {EMBEDDED_BY: "histogram"} for seed, run in RUNS["a/two"].items()}
    runs = RUNS | {"a/one_by_histogram": by_others}
    costs = {"a/one": ALIKE, "a/three": LARGER}
    for first, students, columns in (
        ("a/one", {"a/one_by_histogram": "h"}, False),
        ("a/one", {"a/one_by_histogram": "h", "a/three": "z"}, True),
        ("a/one_by_histogram", {"a/one": "x", "a/three": "z"}, True),
    ):
        group = Group(title="t", against=first, against_is="f", students=students)
        compared = compare(
            Comparisons(about="", groups=[group], trade_off=CURVE), runs.__getitem__, costs.__getitem__
        )
        (rows,) = (group["rows"] for group in compared["groups"])
        assert {row["row"]: row["cost"] for row in rows}["a/one_by_histogram"] is None
        table, *_ = comparison_tables(compared)
        assert ("GFLOPs" in table.head) == columns
        assert len({len(line) for line in (table.head, *table.lines)}) == 1
        if columns:
            assert table.lines[[row["row"] for row in rows].index("a/one_by_histogram")][-2:] == ["", ""]
        assert comparison_text(compared)


def test_costs_are_shown_where_they_differ(comparison):
    group = Group(title="t", against="a/one", against_is="x", students={"a/two": "y"})
    costs = {"a/one": ALIKE, "a/two": LARGER}
    compared = compare(
        Comparisons(about="", groups=[group], trade_off=CURVE), RUNS.__getitem__, costs.__getitem__
    )
    table, _origins = comparison_tables(compared)
    assert table.head[-2:] == ["M param.", "GFLOPs"]
    assert [line[-2:] for line in table.lines] == [["0.10", "2.50"], ["0.25", "5.00"]]
    alike, _origins = comparison_tables(comparison)
    assert alike.head == table.head[:-2]


def test_as_a_figure(comparison):
    drawn = comparison_figure(comparison)
    assert drawn == comparison_figure(comparison)
    assert Image.open(BytesIO(drawn)).format == "PNG"


def test_a_student_is_not_compared_with_itself():
    with pytest.raises(ValueError, match="compared with itself"):
        Group(title="t", against="a/b", against_is="x", students={"a/b": "y"})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("groups: [", "no valid YAML"),
        ("{about: x, groups: []}", "groups"),
        ("group: []", "unknown parameter 'group'"),
        (TEXT + "hue: blue\n", "unknown parameter .hue."),
    ],
)
def test_a_list_that_cannot_be_read(tmp_path, content, says):
    path = tmp_path / "comparisons.yaml"
    with pytest.raises(UserError, match="missing"):
        read_comparisons(path)
    path.write_text(content)
    with pytest.raises(UserError, match=says):
        read_comparisons(path)


def test_one_group_is_enough():
    group = Group(title="t", against="a/one", against_is="x", students={"a/two": "y"})
    assert (
        len(compare(Comparisons(about="", groups=[group], trade_off=CURVE), RUNS.__getitem__, like)["groups"])
        == 1
    )
