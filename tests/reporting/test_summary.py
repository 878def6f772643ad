import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.reporting.summary import (
    COLUMNS,
    ROW_KEYS,
    gaps,
    markdown_table,
    read_summary,
    summarise,
    table_rows,
)

FRACTIONS = st.floats(0, 1)


def metrics(value=0.5, **search):
    ranks = {"mAP": value, "top1": value, "top5": value, "top10": value} | search
    detection = dict.fromkeys(("ap", "recall", "coco_ap50", "coco_ap70"), value)
    return {"search": ranks, "search_ground_truth_boxes": dict(ranks), "detection": detection}


SUMMARY = summarise({"baseline": metrics(0.25, top5=0.75), "kd_lut": metrics(0.5)}, metrics(0.875))


@given(FRACTIONS, FRACTIONS, FRACTIONS)
def test_every_figure_is_taken_over_as_it_is(teacher, first, second):
    summary = summarise({"b": metrics(first), "a": metrics(second)}, metrics(teacher))
    assert list(summary) == ["teachers", "b", "a"]
    assert set(summary["teachers"].values()) == {teacher}
    assert summary["b"] == dict.fromkeys(ROW_KEYS, first)
    assert summary["a"] == dict.fromkeys(ROW_KEYS, second)


def test_figures_come_from_their_own_place():
    own = metrics()
    own["search"] = {"mAP": 0.1, "top1": 0.2, "top5": 0.3, "top10": 0.4}
    own["search_ground_truth_boxes"] = {"mAP": 0.5, "top1": 0.6, "top5": 0.7, "top10": 0.8}
    own["detection"] |= {"ap": 0.11, "recall": 0.12, "coco_ap50": 0.13, "coco_ap70": 0.14}
    summary = summarise({"row": own}, own)
    assert list(summary["row"].values()) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.11, 0.12, 0.13, 0.14]
    assert summary["teachers"] == {
        "detection_ap": 0.11,
        "detection_recall": 0.12,
        "coco_ap50": 0.13,
        "coco_ap70": 0.14,
        "reid_ground_truth_boxes_mAP": 0.5,
        "reid_ground_truth_boxes_top1": 0.6,
        "two_step_mAP": 0.1,
        "two_step_top1": 0.2,
    }


def test_what_was_not_measured_is_left_out():
    summary = summarise({"row": metrics() | {"search_ground_truth_boxes": None}}, metrics())
    assert "ground_truth_boxes_mAP" not in summary["row"]
    assert table_rows(summary)["row"][list(COLUMNS).index("ground_truth_boxes_mAP")] == "-"


def test_table_in_percent_teachers_first():
    assert table_rows(SUMMARY) == {
        "det. teacher": ["-", "-", "-", "-", "-", "87.5", "87.5", "87.5", "87.5"],
        "re-ID teacher": ["-", "-", "-", "-", "87.5", "-", "-", "-", "-"],
        "both teachers": ["87.5", "87.5", "-", "-", "-", "-", "-", "-", "-"],
        "baseline": ["25.0", "25.0", "75.0", "25.0", "25.0", "25.0", "25.0", "25.0", "25.0"],
        "kd_lut": ["50.0"] * 9,
    }


def test_markdown_has_the_same_cells_and_marks_the_best_student():
    lines = markdown_table(SUMMARY).splitlines()
    assert lines[0] == "| % | " + " | ".join(COLUMNS.values()) + " |"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {1 + len(COLUMNS)}
    assert {row[0]: [cell.strip("*") for cell in row[1:]] for row in cells[2:]} == table_rows(SUMMARY)
    assert cells[-1][1:] == ["**50.0**", "**50.0**", "50.0"] + ["**50.0**"] * 6
    assert cells[-2][3] == "**75.0**"
    assert "**" not in "".join(lines[:5])


def test_a_single_row_is_not_called_the_best():
    assert "**" not in markdown_table(summarise({"row": metrics()}, metrics()))


def test_gaps_are_to_the_first_row():
    assert gaps(SUMMARY) == ["kd_lut against baseline: search mAP +25.0, COCO AP50 +25.0 points"]
    assert gaps(summarise({"row": metrics()}, metrics())) == []


def test_a_summary_is_read_as_written(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(SUMMARY))
    assert read_summary(path) == SUMMARY


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"b": "c"}}', '{"a": {"b": true}}'])
def test_a_damaged_summary_is_named(tmp_path, content):
    path = tmp_path / "summary.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"summary\.json is damaged"):
        read_summary(path)


def test_errors_say_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"no results yet .*run `dvc repro`"):
        read_summary(tmp_path / "summary.json")
    with pytest.raises(UserError, match="cannot be called 'teachers'"):
        summarise({"teachers": metrics()}, metrics())
    with pytest.raises(UserError, match=r"metrics of kd_lut lack search\.mAP"):
        summarise({"kd_lut": {}}, metrics())
    with pytest.raises(UserError, match=r"metrics of teachers lack detection\.ap"):
        summarise({}, metrics() | {"detection": {}})
