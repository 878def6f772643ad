"""Students set side by side place by place, and searches of true boxes."""

import pytest

from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.reporting.comparison.groups import Comparisons, Group, compare
from pipeline.reporting.comparison.places import Places
from pipeline.reporting.comparison.run_file import QUERY_SCENES, TRUE_BOX_QUERIES
from pipeline.reporting.comparison.text import comparison_tables, comparison_text
from tests.comparison.test_groups import like, run_of

SCENES = ["a.jpg", "b.jpg", "2-prw/a.jpg"]
PLACES = {"street": "^[^/]*$", "square": "^2-prw/"}


def run(found, true_boxes=None, scenes=SCENES):
    told = {TRUE_BOX_QUERIES: true_boxes} if true_boxes else {}
    return run_of(0.5, found) | told | {QUERY_SCENES: scenes}


RUNS = {
    "a/one": {0: run([0.1, 0.3, 0.5], [0.2, 0.2, 0.6]), 1: run([0.3, 0.5, 0.5], [0.2, 0.4, 0.6])},
    "b/two": {0: run([0.5, 0.7, 0.4], [0.5, 0.5, 0.6])},
}


def stated(**changes):
    students = {"against": "a/one", "against_is": "the first", "students": {"b/two": "the second"}}
    return Places(**{"title": "Where?", **students, "places": PLACES, **changes})


def compared(runs, *places):
    group = Group(title="t", against="a/one", against_is="the first", students={"b/two": "the second"})
    return compare(Comparisons(about="x", groups=[group], by_place=[*places]), runs.__getitem__, like)


def test_each_place_has_the_mean_of_its_own_queries():
    (places,) = compared(RUNS, stated())["by_place"]
    assert places["places"] == {"street": 2, "square": 1}
    first, second = places["searched"]["detections"]
    assert first["places"] == {"street": {"mean": pytest.approx(0.3)}, "square": {"mean": 0.5}}
    assert second["places"]["street"]["mean"] == pytest.approx(0.6)
    assert second["places"]["street"]["difference"]["mean"] == pytest.approx(0.3)
    assert second["places"]["square"]["difference"] == pytest.approx(
        {"mean": -0.1, "low": -0.1, "high": -0.1}
    )
    first, second = places["searched"]["true boxes"]
    assert first["places"]["street"]["mean"] == pytest.approx(0.25)
    assert second["places"]["square"]["difference"]["mean"] == pytest.approx(0.0)


def test_places_as_tables():
    comparison = compared(RUNS, stated())
    _group, detections, true_boxes, _origins = comparison_tables(comparison)
    assert detections.title == "Where?: search mAP, detections"
    assert detections.head == ["", "street (2 queries)", "square (1 queries)"]
    assert detections.lines[0] == ["the first", "30.0", "50.0"]
    assert detections.lines[1][2] == "40.0; Δ -10.0 (-10.0 to -10.0)"
    assert detections.clear == [[], [1, 2]]
    assert true_boxes.lines[1][2] == "60.0; Δ +0.0 (+0.0 to +0.0)"
    assert true_boxes.clear[1] == [1]
    assert "### Where?: search mAP, true boxes" in comparison_text(comparison)


def test_differences_on_true_boxes_stand_where_runs_tell_them():
    comparison = compared(RUNS)
    assert "by_place" not in comparison and "trade_off" not in comparison
    _first, second = comparison["groups"][0]["rows"]
    assert second["differences"]["ground_truth_boxes_mAP"]["mean"] == pytest.approx(0.5333 - 0.3667, abs=1e-3)
    (table, _origins) = comparison_tables(comparison)
    assert [title for title in table.head if title.startswith("Δ")] == [
        "Δ search mAP",
        "Δ mAP, true boxes",
        "Δ AP50",
        "Δ AP70",
    ]
    assert len({len(line) for line in (table.head, *table.lines)}) == 1
    silent = RUNS | {"b/two": {0: run([0.5, 0.7, 0.4])}}
    (table, _origins) = comparison_tables(compared(silent))
    assert "Δ mAP, true boxes" not in table.head
    (places,) = compared(silent, stated())["by_place"]
    assert [row["row"] for row in places["searched"]["true boxes"]] == ["a/one"]
    silent = RUNS | {"a/one": {0: run([0.5, 0.7, 0.4])}}
    assert [*compared(silent, stated())["by_place"][0]["searched"]] == ["detections"]


def test_students_that_searched_for_others_are_not_compared():
    other = RUNS | {"b/two": {0: run([0.5, 0.7, 0.4], scenes=["a.jpg", "c.jpg", "2-prw/a.jpg"])}}
    for places in ([], [stated()]):
        with pytest.raises(UserError, match="a/one and b/two have other queries, so that they cannot be"):
            compared(other, *places)


def test_places_that_cannot_be_told():
    with pytest.raises(UserError, match=r"no query is from nowhere \(\^9-\), but a\.jpg, say"):
        compared(RUNS, stated(places={"nowhere": "^9-"}))
    old = {name: {0: run_of(0.5, [0.1, 0.2, 0.3])} for name in RUNS}
    with pytest.raises(UserError, match="a/one: its runs do not say which scenes"):
        compared(old, stated())
    with pytest.raises(ValueError, match="compared with itself"):
        stated(students={"a/one": "x"})
    values = stated().model_dump() | {"places": {"street": "("}}
    with pytest.raises(UserError, match="it is no regular expression"):
        parse_options(Places, values, "here")
