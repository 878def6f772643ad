import json
import shutil

import pytest
import yaml
from click.testing import CliRunner
from matplotlib.figure import Figure

from pipeline.evaluation.detections_file import write_detections
from pipeline.reporting.columns import read_columns
from pipeline.reporting.comparison.groups import Comparisons, compare
from pipeline.reporting.style import png
from pipeline.reporting.summary import summarise
from pipeline.training.engine.history import write_history
from stages.evaluate import main as evaluate_stage
from stages.report import main as report_stage
from tests.comparison.test_groups import RUNS, TEXT, like
from tests.reporting.cases import fake_detections, metrics_of, training
from tests.reporting.test_summary import COSTS

ROWS = ("baseline", "kd_lut")
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
    history = [dict(zip(training(), row, strict=True)) for row in zip(*training().values(), strict=True)]
    for row in ROWS:
        write_detections(
            fake_detections(split, right=row == "kd_lut"), tmp_path / f"results/{row}/detections.h5"
        )
        write_history(tmp_path / f"results/{row}/training.tsv", history)
        (tmp_path / f"results/{row}/cost.json").write_text(json.dumps(COST))
    for name in ("detector", "reid"):
        write_history(tmp_path / f"results/teachers/{name}_training.tsv", history)
    reached = metrics_of(split, fake_detections(split))
    (tmp_path / "results/teachers/metrics.json").write_text(json.dumps(reached))
    (tmp_path / "results/teachers/cost.json").write_text(json.dumps(COST))
    figure = Figure(figsize=(1, 1))
    (tmp_path / "picture.png").write_bytes(png(figure))
    return tmp_path


def run(stage, *options):
    return CliRunner().invoke(stage, options, catch_exceptions=False)


def evaluated():
    for row in ROWS:
        assert run(evaluate_stage, "--row", row).exit_code == 0


def report():
    return run(report_stage, *(part for row in ROWS for part in ("--row", row)))


def test_evaluate_writes_metrics_and_the_curve(project):
    evaluated()
    curve = read_columns(project / "results/kd_lut/precision_recall.tsv")
    metrics = json.loads((project / "results/kd_lut/metrics.json").read_text())
    assert list(curve) == ["recall", "precision"]
    assert curve["recall"][-1] == metrics["detection"]["recall"] == 1
    assert metrics["search"]["top1"] == 1


def test_report_puts_all_rows_together(project):
    evaluated()
    result = report()
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    summary = json.loads((project / "results/summary.json").read_text())

    def reached(row):
        return json.loads((project / f"results/{row}/metrics.json").read_text()) | {"cost": COST}

    assert summary == summarise({row: reached(row) for row in ROWS}, reached("teachers"))
    assert list(summary) == ["teachers", *ROWS]
    for path in OUTPUTS[1:3]:
        assert (project / path).read_bytes().startswith(b"\x89PNG")
    page = (project / "results/report.html").read_text()
    assert page.count("<img") == 4
    assert "from baseline to kd_lut" in page


def test_a_single_row_has_no_best_and_no_worst(project):
    evaluated()
    assert run(report_stage, "--row", "kd_lut").exit_code == 0
    assert (project / "results/report.html").read_text().count("<img") == 2


def test_the_ablation_is_on_the_page(project):
    evaluated()
    (project / "ablation").mkdir()
    (project / "ablation/comparison.json").write_text(json.dumps(COMPARISON))
    options = ("--row", "kd_lut", "--ablation", "ablation")
    missing = run(report_stage, *options)
    assert missing.exit_code == 2
    assert "comparison.png is missing" in missing.stderr
    (project / "ablation/comparison.png").write_bytes((project / "picture.png").read_bytes())
    assert run(report_stage, *options).exit_code == 0
    page = (project / "results/report.html").read_text()
    assert page.count("<img") == 3
    assert "<h3>Which one?</h3>" in page
    assert "<td>the second</td><td>50.0 ± 0.0</td>" in page
    assert '<td class="best">+25.0 (+25.0 to +25.0)</td>' in page
    assert "Two rows, and a third." in page


def test_no_row_can_be_called_teachers(project):
    evaluated()
    result = run(report_stage, "--row", "teachers")
    assert result.exit_code == 2
    assert "cannot be called 'teachers'" in result.stderr


@pytest.mark.parametrize(
    "path",
    [
        "results/kd_lut/metrics.json",
        "results/kd_lut/cost.json",
        "results/kd_lut/detections.h5",
        "results/kd_lut/training.tsv",
        "results/kd_lut/precision_recall.tsv",
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
