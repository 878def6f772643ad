"""The table of metrics: a new metric is one entry, which the summary, the tables and the page read."""

import re

import pytest

from pipeline.evaluation import metric_table
from pipeline.evaluation.metric_table import BILLIONS, METRICS, PERCENT, Metric, measured, metric_value
from pipeline.reporting.page import page
from pipeline.reporting.summary import gaps, summarise
from pipeline.reporting.table import best_students, markdown_table, parts, table_lines
from tests.reporting.cases import fake_detections, metrics_of
from tests.reporting.test_page import PROTOCOL
from tests.reporting.test_summary import COSTS, metrics

STUDENTS = {"baseline": 0.25, "kd_lut": 0.5}


def summary_of(key, name):
    """Return the summary of results that hold one value more, under `key` and `name`."""

    def reached(value):
        own = metrics(value)
        return own | {key: {**own.get(key, {}), name: value}}

    return summarise({student: reached(value) for student, value in STUDENTS.items()}, reached(0.875))


@pytest.mark.parametrize(
    ("key", "part", "teacher_line", "teacher_name"),
    [
        ("detection", "Detection", "det. teacher", "new"),
        ("search", "Search", "both teachers", "two_step_new"),
        ("search_ground_truth_boxes", "Search", "re-ID teacher", "reid_new"),
        ("calibration", "Other", None, None),
    ],
)
@pytest.mark.parametrize("higher_is_better", [True, False])
def test_a_new_metric_is_one_entry(monkeypatch, key, part, teacher_line, teacher_name, higher_is_better):
    new = Metric((key, "value"), "a new one", higher_is_better=higher_is_better)
    monkeypatch.setitem(metric_table.METRICS, "new", new)
    summary = summary_of(key, "value")
    assert {student: summary[student]["new"] for student in STUDENTS} == STUDENTS
    assert summary["teachers"].get(teacher_name) == (0.875 if teacher_name else None)
    assert "new" in parts()[part]

    lines = table_lines(summary)
    cells = [lines[student]["new"] for student in STUDENTS]
    assert cells == ["25.0", "50.0"]
    assert {line for line, shown in lines.items() if shown["new"] == "87.5"} == ({teacher_line} - {None})
    best = "kd_lut" if higher_is_better else "baseline"
    assert best_students(summary)["new"] == [best]

    head, _, *body = markdown_table(summary).splitlines()
    place = [cell.strip() for cell in head.split("|")].index("a new one")
    marked = [line.split("|")[place].strip() for line in body if line.split("|")[1].strip() in STUDENTS]
    assert marked == (["25.0", "**50.0**"] if higher_is_better else ["**25.0**", "50.0"])

    text = page("set", summary, PROTOCOL, [])
    assert "<th>a new one</th>" in text
    assert ('<td class="best">50.0</td>' in text) or not higher_is_better
    titles = re.findall(r"<th>([^<]*)</th>", text)
    line = re.search(r"<tr><td>baseline</td>(.*?)</tr>", text)
    assert line is not None
    found = re.findall(r"<td[^>]*>([^<]*)</td>", line[1])
    assert found[titles.index("a new one") - 1] == "25.0"


def test_a_new_cost_is_shown_in_its_unit_and_has_no_best(monkeypatch):
    monkeypatch.setitem(metric_table.METRICS, "bytes", Metric(("cost", "bytes"), "GB", BILLIONS))
    monkeypatch.setattr("tests.reporting.test_summary.COSTS", (*COSTS, "bytes"))
    summary = summarise({"a": metrics(0.5), "b": metrics(0.25)}, metrics(0.5))
    assert parts()["Cost of an image"] == ["parameters", "flops", "bytes", "milliseconds"]
    assert best_students(summary)["bytes"] == []


def test_the_titles_are_told_apart():
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)


def test_every_metric_is_in_what_the_evaluation_writes(prepared):
    split = prepared.split("test")
    reached = metrics_of(split, fake_detections(split)) | {"cost": dict.fromkeys(COSTS, 7.0)}
    assert all(metric_value(reached, metric.path) is not None for metric in METRICS.values())


def test_the_sentences_on_differences_use_the_titles(monkeypatch):
    monkeypatch.setitem(metric_table.METRICS, "coco_ap50", METRICS["coco_ap50"]._replace(title="another"))
    summary = summarise({"a": metrics(0.5), "b": metrics(0.25)}, metrics(0.5))
    assert gaps(summary) == ["b against a: search mAP -25.0, another -25.0 points"]


def test_a_value_by_its_path():
    assert metric_value({"a": {"b": 1}}, ("a", "b")) == 1.0
    assert metric_value({"a": None}, ("a", "b")) is None
    assert metric_value({"a": {"b": None}}, ("a", "b")) is None
    for lacking in ({}, {"a": {}}, {"a": 5}):
        with pytest.raises(KeyError):
            metric_value(lacking, ("a", "b"))


def test_a_metric_by_its_name():
    assert measured({"search": {"mAP": 0.5}}, "search_mAP") == 0.5
    for lacking in ({}, {"search": None}, {"search": {"mAP": None}}):
        with pytest.raises(KeyError):
            measured(lacking, "search_mAP")


def test_units():
    assert (PERCENT.text(0.12345), BILLIONS.text(4.567e9)) == ("12.3", "4.57")
