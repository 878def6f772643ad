import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from matplotlib.figure import Figure

from pipeline.basics.tsv_files import read_tsv
from pipeline.evaluation.detections_file import write_detections
from pipeline.reporting.comparison.groups import Comparisons, compare
from pipeline.reporting.style import png
from pipeline.reporting.summary import summarise
from pipeline.training.engine.history import write_history
from stages.evaluate import main as evaluate_stage
from stages.report import main as report_stage
from tests.comparison.test_groups import RUNS, TEXT, like
from tests.reporting.cases import fake_detections, metrics_of, training
from tests.reporting.test_summary import COSTS

STUDENTS = ("baseline", "kd_lut")
COMPARISON = compare(Comparisons.model_validate(yaml.safe_load(TEXT)), RUNS.__getitem__, like)
COST = dict.fromkeys(COSTS, 7.0)
OUTPUTS = (
    "results/summary.json",
    "results/figures/search.png",
    "results/figures/curves.png",
    "results/report.html",
)


@pytest.fixture
def project(prepared, tmp_path, monkeypatch):
    """A project's folder in which everything before `evaluate` has run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared.root, "data/prepared")
    (tmp_path / "params.yaml").write_text("evaluate: {}\n")
    split = prepared.split("test")
    history = [dict(zip(training(), step, strict=True)) for step in zip(*training().values(), strict=True)]
    for student in STUDENTS:
        folder = tmp_path / "results/students" / student
        write_detections(fake_detections(split, right=student == "kd_lut"), folder / "detections.h5")
        write_history(folder / "training.tsv", history)
        (folder / "cost.json").write_text(json.dumps(COST))
    for name in ("detector", "reid"):
        write_history(tmp_path / f"results/teachers/{name}_training.tsv", history)
    reached = metrics_of(split, fake_detections(split))
    (tmp_path / "results/teachers/metrics.json").write_text(json.dumps(reached))
    (tmp_path / "results/teachers/cost.json").write_text(json.dumps(COST))
    figure = Figure(figsize=(1, 1))
    (tmp_path / "figure.png").write_bytes(png(figure))
    return tmp_path


def run(stage, *options):
    return CliRunner().invoke(stage, options, catch_exceptions=False)


def evaluated():
    for student in STUDENTS:
        assert run(evaluate_stage, "--student", student).exit_code == 0


def report(*students, options=()):
    """Run the stage with a params.yaml that names some students, all by default."""
    entries = {student: {} for student in students or STUDENTS}
    Path("params.yaml").write_text(yaml.safe_dump({"evaluate": {}, "students": entries}))
    return run(report_stage, *options)


def test_evaluate_writes_metrics_and_the_curve(project):
    evaluated()
    curve = read_tsv(project / "results/students/kd_lut/precision_recall.tsv")
    metrics = json.loads((project / "results/students/kd_lut/metrics.json").read_text())
    assert list(curve) == ["recall", "precision"]
    assert curve["recall"][-1] == metrics["detection"]["recall"] == 1
    assert metrics["search"]["top1"] == 1


def test_report_puts_all_students_together(project):
    evaluated()
    result = report()
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    summary = json.loads((project / "results/summary.json").read_text())

    def reached(folder):
        return json.loads((project / "results" / folder / "metrics.json").read_text()) | {"cost": COST}

    students = {student: reached(f"students/{student}") for student in STUDENTS}
    assert summary == summarise(students, reached("teachers"))
    assert list(summary) == ["teachers", *STUDENTS]
    for path in OUTPUTS[1:3]:
        assert (project / path).read_bytes().startswith(b"\x89PNG")
    page = (project / "results/report.html").read_text()
    assert page.count("<img") == 4
    assert "from baseline to kd_lut" in page


def test_a_single_student_has_no_best_and_no_worst(project):
    evaluated()
    assert report("kd_lut").exit_code == 0
    assert (project / "results/report.html").read_text().count("<img") == 2


def test_the_ablation_is_on_the_page(project):
    evaluated()
    (project / "ablation").mkdir()
    (project / "ablation/comparison.json").write_text(json.dumps(COMPARISON))
    options = ("--ablation", "ablation")
    missing = report("kd_lut", options=options)
    assert missing.exit_code == 2
    assert "comparison.png is missing" in missing.stderr
    (project / "ablation/comparison.png").write_bytes((project / "figure.png").read_bytes())
    assert report("kd_lut", options=options).exit_code == 0
    page = (project / "results/report.html").read_text()
    assert page.count("<img") == 3
    assert "<h3>Which one?</h3>" in page
    assert "<td>the second</td><td>50.0 ± 0.0</td>" in page
    assert '<td class="best">+25.0 (+25.0 to +25.0)</td>' in page
    assert COMPARISON["about"] in page


def test_no_student_can_be_called_teachers(project):
    evaluated()
    shutil.copytree(project / "results/students/kd_lut", project / "results/students/teachers")
    result = report("teachers")
    assert result.exit_code == 2
    assert "cannot be called 'teachers'" in result.stderr


@pytest.mark.parametrize(
    "path",
    [
        "results/students/kd_lut/metrics.json",
        "results/students/kd_lut/cost.json",
        "results/students/kd_lut/detections.h5",
        "results/students/kd_lut/training.tsv",
        "results/students/kd_lut/precision_recall.tsv",
        "results/teachers/metrics.json",
        "results/teachers/reid_training.tsv",
    ],
)
def test_a_damaged_or_missing_input_is_one_line_and_no_output(project, path):
    evaluated()
    (project / path).write_text("{")
    damaged = report()
    (project / path).unlink()
    missing = report()
    for result in (damaged, missing):
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert path in result.stderr
    assert not [output for output in OUTPUTS if (project / output).exists()]
