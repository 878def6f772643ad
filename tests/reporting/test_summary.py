import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.summary import gaps, read_summary, summarise

FRACTIONS = st.floats(0, 1)
COSTS = (
    "parameters",
    "flops",
    "detector_parameters",
    "detector_flops",
    "reid_parameters",
    "two_step_parameters",
    "two_step_flops",
)


def metrics(value=0.5, **search):
    ranks = {"mAP": value, "top1": value, "top5": value, "top10": value} | search
    detection = dict.fromkeys(("ap", "recall", "coco_ap50", "coco_ap70"), value)
    return {
        "search": ranks,
        "search_ground_truth_boxes": dict(ranks),
        "detection": detection,
        "detection_by_iou": {"0.7": {"ap": value, "recall": value}},
        "cost": dict.fromkeys(COSTS, value),
    }


SUMMARY = summarise({"baseline": metrics(0.25, top5=0.75), "kd_lut": metrics(0.5)}, metrics(0.875))


@given(FRACTIONS, FRACTIONS, FRACTIONS)
def test_every_metric_is_taken_over_as_it_is(teacher, first, second):
    summary = summarise({"b": metrics(first), "a": metrics(second)}, metrics(teacher))
    assert list(summary) == ["teachers", "b", "a"]
    assert set(summary["teachers"].values()) == {teacher}
    assert summary["b"] == dict.fromkeys(METRICS, first)
    assert summary["a"] == dict.fromkeys(METRICS, second)


def test_metrics_come_from_their_own_place():
    own = metrics()
    own["search"] = {"mAP": 0.1, "top1": 0.2, "top5": 0.3, "top10": 0.4}
    own["search_ground_truth_boxes"] = {"mAP": 0.5, "top1": 0.6, "top5": 0.7, "top10": 0.8}
    own["detection"] |= {"ap": 0.11, "recall": 0.12, "coco_ap50": 0.13, "coco_ap70": 0.14}
    own["detection_by_iou"] = {"0.7": {"ap": 0.15, "recall": 0.16}}
    own["cost"] = {name: float(number) for number, name in enumerate(COSTS, start=1)}
    detection = {
        "detection_ap": 0.11,
        "detection_recall": 0.12,
        "detection_ap_70": 0.15,
        "detection_recall_70": 0.16,
        "coco_ap50": 0.13,
        "coco_ap70": 0.14,
    }
    summary = summarise({"student": own}, own)
    assert summary["student"] == {
        "search_mAP": 0.1,
        "search_top1": 0.2,
        "search_top5": 0.3,
        "search_top10": 0.4,
        "ground_truth_boxes_mAP": 0.5,
        **detection,
        "parameters": 1.0,
        "flops": 2.0,
    }
    assert summary["teachers"] == {
        **detection,
        "reid_ground_truth_boxes_mAP": 0.5,
        "reid_ground_truth_boxes_top1": 0.6,
        "two_step_mAP": 0.1,
        "two_step_top1": 0.2,
        "two_step_top5": 0.3,
        "two_step_top10": 0.4,
        "detector_parameters": 3.0,
        "detector_flops": 4.0,
        "reid_parameters": 5.0,
        "two_step_parameters": 6.0,
        "two_step_flops": 7.0,
    }


def test_what_was_not_measured_is_left_out():
    summary = summarise({"student": metrics() | {"search_ground_truth_boxes": None}}, metrics())
    assert "ground_truth_boxes_mAP" not in summary["student"]


def test_gaps_are_to_the_first_student():
    assert gaps(SUMMARY) == ["kd_lut against baseline: search mAP +25.0, COCO AP50 +25.0 points"]
    assert gaps(summarise({"student": metrics()}, metrics())) == []


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
