"""A params.yaml that is wrong: each stage refuses it in one line that names the key, and changes no file."""

import os
import subprocess
import sys

import pytest

from tests.pipeline_runs.in_process import contents, refused
from tests.pipeline_runs.stage_graph import STAGES, students
from tests.pipeline_runs.tiny_parameters import ROOT, tiny_parameters, write_parameters

COMMANDS = {
    "prepare": "dataset",
    "train_detector": "train_detector",
    "train_reid": "train_reid",
    "export_lut --table id_lut": "export_lut",
    "train_student --student baseline": "train_student",
    "train_student --student kd_lut": "train_student",
    "train_student --student kd_detector": "train_student",
    "train_student --student kd_both": "train_student",
    "infer --student kd_lut": "infer",
    "evaluate --student kd_lut": "evaluate",
    "evaluate_teachers": "evaluate",
}
"""Every stage that reads params.yaml, and a section that it reads."""

EXPORT, KD_LUT = "export_lut --table id_lut", "train_student --student kd_lut"
STUDENT_FILE = "models/students/kd_lut.safetensors"

every_command = pytest.mark.parametrize("command", COMMANDS)


def put(values, path, value):
    *above, key = path.split(".")
    for name in above:
        values = values[name]
    values[key] = value


def test_no_stage_is_left_out():
    assert {command.split()[0] for command in COMMANDS} == {
        name for name, stage in STAGES.items() if stage.get("params") and name != "report"
    }


@every_command
def test_no_file(here, command):
    (here / "params.yaml").unlink()
    assert "no params.yaml here" in refused(here, command)


@every_command
def test_no_yaml(here, command):
    (here / "params.yaml").write_text("dataset: {name: synthetic\nevaluate: [")
    assert "params.yaml is no valid YAML" in refused(here, command)


@every_command
def test_unknown_section(here, command):
    write_parameters(here, tiny_parameters() | {"trian_reid": {}})
    assert "unknown section 'trian_reid'" in refused(here, command)


@pytest.mark.parametrize(("command", "section"), COMMANDS.items())
def test_missing_section(here, command, section):
    values = tiny_parameters()
    del values[section]
    write_parameters(here, values)
    assert f"section '{section}' is missing" in refused(here, command)


@pytest.mark.parametrize(("command", "section"), COMMANDS.items())
def test_section_that_is_none(here, command, section):
    write_parameters(here, tiny_parameters() | {section: None})
    assert f"'{section}' must be a section" in refused(here, command)


@pytest.mark.parametrize(("command", "section"), COMMANDS.items())
def test_unknown_parameter(here, command, section):
    values = tiny_parameters()
    values[section]["stesp"] = 4
    write_parameters(here, values)
    assert "unknown parameter 'stesp'; known here: " in refused(here, command)


@pytest.mark.parametrize(
    ("command", "path", "value", "key"),
    [
        ("prepare", "dataset.name", "prv", "name"),
        ("prepare", "dataset.root", 3, "root"),
        ("prepare", "dataset.synthetic.seed", "0", "synthetic.seed"),
        ("prepare", "dataset.synthetic.person_height", [0.5, 0.3], "person_height"),
        ("prepare", "dataset.synthetic.train_identities", 0, "synthetic.train_identities"),
        ("train_detector", "train_detector.training.steps", "many", "training.steps"),
        ("train_detector", "train_detector.training.steps", True, "training.steps"),
        ("train_detector", "train_detector.training.steps", 4.0, "training.steps"),
        ("train_detector", "train_detector.training.learning_rate", "fast", "training.learning_rate"),
        ("train_detector", "train_detector.training.learning_rate", float("nan"), "training.learning_rate"),
        ("train_detector", "train_detector.training.learning_rate", float("inf"), "training.learning_rate"),
        ("train_detector", "network.rpn.anchor_sizes", [], "network.rpn.anchor_sizes"),
        ("train_detector", "network.backbone", "tiny", "network.backbone"),
        ("train_detector", "network.backbone.name", "vgg", "network.backbone.name"),
        ("train_reid", "train_reid.training.batch_size", -2, "training.batch_size"),
        ("train_reid", "train_reid.training.batch_size", 3, "batch_size 3"),
        (EXPORT, "export_lut.scene_batch_size", 0, "scene_batch_size"),
        (EXPORT, "tables.id_lut.average", "median", "average"),
        (EXPORT, "tables.id_lut.kind", "scenes", "Input should be 'crops', 'network', 'onnx'"),
        (EXPORT, "tables.id_lut.teacher", None, "teacher"),
        (EXPORT, "tables.id_lut", "models/teachers/reid.safetensors", "'tables.id_lut' must be a section"),
        (EXPORT, "tables", {}, "no table 'id_lut'; 'tables' names none, add an entry"),
        (EXPORT, "tables.id_lut.kind", "network", "holds a network of kind 'reid', not 'person_search'"),
        (EXPORT, "tables.id_lut.teacher", STUDENT_FILE, "a network of kind 'person_search', not 'reid'"),
        (
            EXPORT,
            "tables.id_lut.teacher",
            "models/gone",
            "tables.id_lut: no teacher of kind 'crops': no weight",
        ),
        (KD_LUT, "students.kd_lut.table", "artifacts/x.h5", "params.yaml needs an entry 'x' in `tables`"),
        (KD_LUT, "students.kd_lut.table", "models/students/x_table.h5", "train_student --keep-table"),
        ("train_student --student baseline", "students.baseline.identity.momentum", 1.5, "identity.momentum"),
        (
            "train_student --student baseline",
            "students.baseline.identity",
            {"target": "lut", "weight": 0.5},
            "needs a table",
        ),
        (
            "train_student --student baseline",
            "students.baseline.identity.target",
            "lut",
            "'identity.momentum' has no effect: the target 'lut'",
        ),
        (
            "train_student --student kd_lut",
            "students.kd_lut.absent_pairs",
            0.5,
            "'absent_pairs' has no effect",
        ),
        (
            "ablation.ablate --student kd_lut --seed 0",
            "students.kd_lut.loss_weights",
            {"second_box": 2.0},
            "'loss_weights.second_box' has no effect",
        ),
        ("train_student --student kd_lut", "students.kd_lut.identity.target", "oim", "learns from no table"),
        (
            "train_student --student kd_lut",
            "students.kd_lut.detector_distillation",
            {},
            "detector_distillation needs a detector teacher",
        ),
        (
            "train_student --student kd_detector",
            "students.kd_detector.detector_distillation",
            None,
            "nothing is learned from models/teachers/detector.safetensors",
        ),
        (
            "train_student --student kd_both",
            "students.kd_both.detector_distillation.hints",
            0.5,
            "detector_distillation.hints",
        ),
        (
            "train_student --student kd_both",
            "train_student.network.rpn",
            {"aspect_ratios": [1.0]},
            "network.rpn.aspect_ratios",
        ),
        ("train_student --student kd_lut", "students.kd_lut.identity.weight", "0.2", "identity.weight"),
        ("train_student --student kd_lut", "students.kd_lut.identity.weight", None, "identity.weight"),
        ("train_student --student kd_lut", "students.kd_lut.identity.weihgt", 0.2, "identity.weihgt"),
        ("train_student --student kd_lut", "students.kd_lut.identity.target", "LUT", "identity.target"),
        ("train_student --student kd_lut", "students.kd_lut", 3, "students.kd_lut"),
        ("train_student --student kd_lut", "students", {}, "no student 'kd_lut'"),
        ("infer --student kd_lut", "infer.batch_size", 0, "batch_size"),
        ("evaluate --student kd_lut", "evaluate.search_threshold", 50, "search_threshold"),
        ("evaluate --student kd_lut", "evaluate.cbgm", "yes", "cbgm"),
        ("evaluate --student kd_lut", "evaluate.gallery_sizes", [7], "7"),
        ("evaluate_teachers", "infer.context_threshold", "half", "context_threshold"),
    ],
)
def test_wrong_value(here, command, path, value, key):
    values = tiny_parameters()
    put(values, path, value)
    write_parameters(here, values)
    assert key in refused(here, command)


@pytest.mark.parametrize(
    "command", ["train_student --student nobody", "ablation.ablate --student nobody --seed 0"]
)
def test_unknown_row(here, command):
    assert f"params.yaml: no student 'nobody'; it has {', '.join(students())}" in refused(here, command)


@pytest.mark.parametrize(
    ("stage", "path", "value"),
    [("evaluate", "evaluate.search_threshold", "0.5"), ("train_detector", "train_detector.seed", -1)],
)
def test_as_a_program(here, stage, path, value):
    """Nothing else is said either: no warning of a library, and no traceback."""
    values = tiny_parameters()
    put(values, path, value)
    write_parameters(here, values)
    before = contents(here)
    options = ["--student", "kd_lut"] if stage == "evaluate" else []
    result = subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *options],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(f"Error: params.yaml: {path.split('.')[0]}: ")
    assert len(result.stderr.splitlines()) == 1
    assert not result.stdout
    assert contents(here) == before
