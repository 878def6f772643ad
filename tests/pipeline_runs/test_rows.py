"""A row more, and a row less: what the README says is all that it takes, and the report has no other rows."""

import json
import re

FILES = ("metrics.json", "cost.json", "detections.h5", "training.tsv", "precision_recall.tsv")
NEW, OLD = "kd_sharper", "kd_detector"


def edit(project, change):
    path = project.root / "dvc.yaml"
    path.write_text(change(path.read_text()))


def with_row(text, row, stage):
    """dvc.yaml with a row more in four matrices and lists, as the README says."""
    for name in (stage, "infer", "evaluate"):
        text = re.sub(rf"(\n  {name}:\n(?:    .*\n)*?      row: \[[^]]*)\]", rf"\1, {row}]", text)
    text = re.sub(r"(cmd: python -m stages\.report .*)", rf"\1 --row {row}", text)
    after = "      - results/kd_both/precision_recall.tsv\n"
    return text.replace(after, after + "".join(f"      - results/{row}/{file}\n" for file in FILES))


def without_row(text, row):
    text = re.sub(rf"(row: \[.*?)(?:, {row}\b|\b{row}, )", r"\1", text)
    text = text.replace(f" --row {row}", "")
    text = re.sub(rf"      - results/{row}/.*\n", "", text)
    return re.sub(rf"    matrix:\n      row: \[{row}\]\n", "    matrix:\n      row: []\n", text)


def shown(project):
    """The rows of the summary and of the page."""
    summary = json.loads((project.root / "results/summary.json").read_text())
    page = (project.root / "results/report.html").read_text()
    rows = {"baseline", "kd_lut", "kd_both", NEW, OLD}
    return rows & summary.keys(), {row for row in rows if f"<td>{row}</td>" in page}


def test_a_row_more_runs_alone_and_a_row_less_leaves_nothing_behind(project):
    students = project.parameters()["students"]
    students[NEW] = {"identity": {"target": "lut", "weight": 0.5, "scale": 32.0}}
    del students[OLD]
    project.set_parameter("students", students)
    edit(project, lambda text: without_row(with_row(text, NEW, "train_student"), OLD))
    done = project.repro()
    assert done.ran == [f"train_student@{NEW}", f"infer@{NEW}", f"evaluate@{NEW}", "report"]
    rows = {"baseline", "kd_lut", "kd_both", NEW}
    assert shown(project) == (rows, rows)
    said = project.run("person-search", "results")
    assert NEW in said
    assert OLD not in said
