"""`dvc repro` in a copy of the project: what it makes, and what runs again when something changes."""

import json
import shutil

import pytest

from pipeline.evaluation.detections_file import read_detections
from pipeline.evaluation.metrics import SEARCH_KEYS
from pipeline.lookup_table import check_fits, read_lookup_table
from pipeline.scenes.prepared import open_prepared
from stages.support.paths import TABLE as TABLE_FILE
from tests.pipeline_runs.in_process import run_stage
from tests.pipeline_runs.project import new_project, repro_of
from tests.pipeline_runs.stage_graph import and_behind, nodes, students
from tests.pipeline_runs.tiny_parameters import EMBEDDING

TABLE = str(TABLE_FILE)

STUDENTS = students()
TAUGHT_BY_TABLE = {
    f"train_student@{student}" for student, entry in STUDENTS.items() if entry["table"] == TABLE
}
KD_LUT = {"train_student@kd_lut", "infer@kd_lut", "evaluate@kd_lut", "report"}
BY_DETECTOR = {
    *(f"{stage}@{row}" for stage in ("infer", "evaluate") for row in ("kd_detector", "kd_both")),
    "train_student@kd_detector",
    "train_student@kd_both",
}
BASELINE = {"infer@baseline", "evaluate@baseline", "report"}
DETECTION_KEYS = {"ap", "recall", "ap_labelled", "recall_labelled", "coco_ap50", "coco_ap70"}
PROTOCOL_KEYS = {"dataset", "split", "gallery", "detection_threshold", "search_threshold", "counts"}


@pytest.fixture(scope="module")
def unchanged(finished, tmp_path_factory):
    """A copy of the finished project whose params.yaml is changed and put back, and nothing else."""
    return finished.copy(tmp_path_factory.mktemp("unchanged") / "project")


def outputs():
    return [path for node in nodes().values() for path in node.makes]


def test_every_output_is_there(finished):
    for path in outputs():
        assert (finished.root / path).exists(), path


def test_the_stages_import_the_copys_code(finished):
    command = "import pipeline, stages.support.parameters as s; print(pipeline.__file__); print(s.__file__)"
    said = finished.run("python", "-c", command)
    assert said.splitlines() == [
        str(finished.root / "pipeline/__init__.py"),
        str(finished.root / "stages/support/parameters.py"),
    ]


@pytest.mark.parametrize("row", [*(f"students/{student}" for student in STUDENTS), "teachers"])
def test_metrics_hold_what_is_agreed(finished, row):
    metrics = json.loads((finished.root / f"results/{row}/metrics.json").read_text())
    assert set(metrics["search"]) == set(SEARCH_KEYS)
    assert "full" in metrics["search_by_gallery"]
    for reached in (*metrics["search_by_gallery"].values(), metrics["search_ground_truth_boxes"]):
        assert set(reached) == set(SEARCH_KEYS)
    assert set(metrics["detection"]) == DETECTION_KEYS
    assert set(metrics["protocol"]) >= PROTOCOL_KEYS
    fractions = [value for part in ("search", "detection") for value in metrics[part].values()]
    assert all(0 <= value <= 1 for value in fractions)


def test_table_and_detections_fit_the_data(finished):
    data = open_prepared(finished.root / "data/prepared")
    path = finished.root / "artifacts/id_lut.h5"
    identities = data.manifest["splits"]["train"]["counts"]["identities"]
    check_fits(read_lookup_table(path), path, data.name, data.sha256, identities, EMBEDDING)
    names = [scene.name for scene in data.split("test").scenes]
    for row in STUDENTS:
        detections = read_detections(finished.root / f"results/students/{row}/detections.h5")
        assert list(detections.gallery_names) == names


def test_the_summary_has_all_rows(finished):
    summary = json.loads((finished.root / "results/summary.json").read_text())
    assert list(summary) == ["teachers", *STUDENTS]


def test_a_second_repro_runs_nothing(project):
    again = project.repro()
    assert not again.ran
    assert set(again.skipped) == set(nodes())
    assert not project.run("git", "status", "--porcelain")


def test_another_run_from_nothing_gives_the_same_lock_file(finished, made, tmp_path, monkeypatch):
    """The other run is one without DVC, in another folder, all of it in one process."""
    other = new_project(tmp_path / "other", finished.home, finished.warm)
    for folder in ("data", "models", "artifacts", "results"):
        shutil.copytree(made / folder, other.root / folder, dirs_exist_ok=True)
    monkeypatch.chdir(other.root)
    assert run_stage(nodes()["report"].command).exit_code == 0
    other.run("dvc", "commit", "--force", "--quiet")
    assert other.lock() == finished.lock()


def test_an_experiment_with_a_rows_setting_runs_that_row_alone(project):
    """It stops before `report`, which takes its time; the dry run says that only that is left."""
    before = {path: (project.root / path).read_bytes() for path in outputs() if "baseline" in path}
    said = project.run("dvc", "exp", "run", "-S", "students.kd_lut.identity.scale=7.3", "evaluate@kd_lut")
    assert repro_of(said).ran == ["train_student@kd_lut", "infer@kd_lut", "evaluate@kd_lut"]
    assert project.repro("--dry").ran == ["report"]
    assert project.parameters()["students"]["kd_lut"]["identity"]["scale"] == 7.3
    assert before == {path: (project.root / path).read_bytes() for path in before}


def test_a_new_average_of_the_table_leaves_the_baseline_alone(project):
    before = project.parameters()["tables"]["id_lut"]["average"]
    (other,) = {"mean_then_normalise", "normalise_then_mean"} - {before}
    project.set_parameter("tables.id_lut.average", other)
    assert project.repro("export_lut").ran == ["export_lut@id_lut"]
    assert project.repro("--single-item", "train_student@kd_lut").ran == ["train_student@kd_lut"]
    first = set(project.repro("--dry").ran)
    waiting = TAUGHT_BY_TABLE - {"train_student@kd_lut"}
    assert waiting | {"infer@kd_lut"} <= first <= and_behind(waiting | {"infer@kd_lut"})
    assert not [name for name in first if "baseline" in name]
    project.set_parameter("tables.id_lut.average", before)
    assert not project.repro("train_student@kd_lut").ran  # both are in the run cache


@pytest.mark.parametrize(
    ("parameter", "value", "stages"),
    [
        ("dataset.synthetic.seed", 4711, set(nodes())),
        ("students.kd_lut.identity.weight", 0.37, KD_LUT),
        ("students.baseline.identity.weight", 0.37, {"train_student@baseline", *BASELINE}),
        (
            "train_detector.loss_weights",
            {"rpn_box": 0.9},
            {"train_detector", "evaluate_teachers", *BY_DETECTOR, "report"},
        ),
        (
            "evaluate.search_threshold",
            0.37,
            {"evaluate_teachers", *(f"evaluate@{row}" for row in STUDENTS), "report"},
        ),
    ],
)
def test_a_parameter_concerns_these_stages_alone(unchanged, parameter, value, stages):
    """A dry run tells what runs first, and the graph what that may change."""
    before = (unchanged.root / "params.yaml").read_text()
    unchanged.set_parameter(parameter, value)
    first = unchanged.repro("--dry").ran
    (unchanged.root / "params.yaml").write_text(before)
    assert first
    assert and_behind(first) == stages
