"""The table: metrics in their units, teachers first, the best student marked, timings of its own networks."""

import pytest

from pipeline.basics.errors import UserError
from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.speed import Speed, Timing, read_milliseconds, write_speed
from pipeline.reporting.summary import summarise
from pipeline.reporting.table import columns, markdown_table, parts, table_lines
from tests.reporting.test_summary import metrics

SUMMARY = summarise(
    {
        "baseline": metrics(0.25, top5=0.75) | {"cost": {"parameters": 1_230_000, "flops": 4.56e9}},
        "kd_lut": metrics(0.5) | {"cost": {"parameters": 1_230_000, "flops": 4.56e9}},
    },
    metrics(0.875),
)


def cells(line, timed=None):
    return {column: cell for column, cell in table_lines(SUMMARY, timed)[line].items() if cell != "-"}


def test_teachers_stand_first_with_their_own_metrics():
    assert list(table_lines(SUMMARY)) == [
        "det. teacher",
        "re-ID teacher",
        "both teachers",
        "baseline",
        "kd_lut",
    ]
    detection = dict.fromkeys(parts()["Detection"], "87.5")
    assert cells("det. teacher") == detection | {"parameters": "0.00", "flops": "0.00"}
    assert cells("re-ID teacher") == {"ground_truth_boxes_mAP": "87.5", "parameters": "0.00"}
    assert set(cells("both teachers")) == {
        *("search_mAP", "search_top1", "search_top5", "search_top10"),
        *("parameters", "flops"),
    }


def test_students_in_percent_millions_and_billions():
    assert cells("baseline") == {
        **dict.fromkeys([*parts()["Search"], *parts()["Detection"]], "25.0"),
        "search_top5": "75.0",
        "parameters": "1.23",
        "flops": "4.56",
    }
    assert cells("kd_lut", {"kd_lut": 41.6})["milliseconds"] == "42"
    assert "milliseconds" not in cells("baseline", {"kd_lut": 41.6})


def test_the_parts_are_the_whole_table():
    assert [column for part in parts().values() for column in part] == list(columns())
    assert list(parts()) == ["Search", "Detection", "Cost of an image"]
    assert list(columns()) == [*METRICS, "milliseconds"]


def test_markdown_has_the_same_cells_and_marks_the_best_student():
    lines = markdown_table(SUMMARY).splitlines()
    titles = [metric.title for metric in columns().values()]
    assert lines[0] == "| | " + " | ".join(titles) + " |"
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(line) for line in found} == {1 + len(titles)}
    plain = {line[0]: [cell.strip("*") for cell in line[1:]] for line in found[2:]}
    assert plain == {name: list(cells.values()) for name, cells in table_lines(SUMMARY).items()}
    assert found[-1][1:5] == ["**50.0**", "**50.0**", "50.0", "**50.0**"]
    assert found[-2][3] == "**75.0**"
    assert "**" not in "".join(lines[:5])
    assert "**1.23**" not in lines[-1]


def test_a_single_student_is_not_called_the_best():
    assert "**" not in markdown_table(summarise({"student": metrics()}, metrics()))


def test_timings_are_shown_of_the_same_networks_only(tmp_path):
    path = tmp_path / "speed.json"
    timings = {
        "baseline": Timing(milliseconds=12.5, parameters=1_230_000),
        "kd_lut": Timing(milliseconds=13.5, parameters=99),
        "removed_student": Timing(milliseconds=14.5, parameters=1_230_000),
        "det. teacher": Timing(milliseconds=15.5, parameters=0.875),
    }
    write_speed(path, Speed(machine="a machine", timings=timings))
    assert read_milliseconds(path, SUMMARY) == ({"baseline": 12.5, "det. teacher": 15.5}, "a machine")
    assert read_milliseconds(tmp_path / "none.json", SUMMARY) == ({}, "")
    path.write_text("{")
    with pytest.raises(UserError, match=r"speed\.json is damaged"):
        read_milliseconds(path, SUMMARY)
