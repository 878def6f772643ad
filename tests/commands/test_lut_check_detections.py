"""`person-search lut check --detections`: student, teacher and histogram on the same boxes."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from commands.main import main
from pipeline.evaluation.detections_file import write_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections
from pipeline.models.person_search import PersonSearchNetwork
from tests.stages.features_files import features_file
from tests.teachers.models import write_onnx
from tests.tiny import search_options, silent

DUMP = "student.h5"


@pytest.fixture(scope="module")
def found(prepared):
    torch.manual_seed(0)
    network = PersonSearchNetwork(search_options()).eval()
    return search_detections(
        network,
        prepared.split("test"),
        prepared.images("test"),
        InferenceOptions(batch_size=2, context_threshold=0.5),
        device=torch.device("cpu"),
        progress=silent,
    )


@pytest.fixture
def here(tmp_path, monkeypatch, found):
    monkeypatch.chdir(tmp_path)
    write_onnx(tmp_path / "model.onnx")
    write_detections(found, tmp_path / DUMP)
    enter(tmp_path, "onnx", "model.onnx")
    return tmp_path


def enter(folder, kind, teacher):
    values = {
        "export_lut": {"batch_size": 4, "scene_batch_size": 2},
        "tables": {"t": {"kind": kind, "teacher": teacher, "average": "mean_then_normalise"}},
        "infer": {"batch_size": 2, "context_threshold": 0.5},
        "evaluate": {"gallery_sizes": [50], "search_threshold": 0.0},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


def check(*arguments):
    return CliRunner().invoke(main, ["lut", "check", "t", *map(str, arguments)])


def cells(result):
    """Return the printed numbers: search mAP, top-1 and mAP at true boxes, by who embeds."""
    lines = result.stdout.splitlines()[2:]
    return {line[:28].strip(): tuple(map(float, line[28:].split())) for line in lines}


def test_the_same_boxes_embedded_by_three(here, found, prepared):
    result = check("--detections", DUMP, "--data", prepared.root)
    assert result.exit_code == 0, result.output
    assert "these are the test people" in result.stderr
    assert result.stdout.startswith("test of 'tiny': 4 people, 15 boxes\n")
    assert "search mAP, %  top-1, %  mAP, true boxes, %" in result.stdout
    reached = cells(result)
    assert list(reached) == [DUMP, "t (onnx)", "colour histogram"]
    own = evaluate(prepared.split("test"), found, EvaluationOptions(search_threshold=0.0), "tiny")
    assert reached[DUMP][0] == pytest.approx(100 * own["search"]["mAP"], abs=0.06)
    assert reached[DUMP][2] == pytest.approx(100 * own["search_ground_truth_boxes"]["mAP"], abs=0.06)
    assert reached["colour histogram"][2] == 100.0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--detections", DUMP, "--split", "val"), "are of the test scenes: leave `--split val` out"),
        (("--detections", "nowhere.h5"), "nowhere.h5"),
        (("--detections", "other.h5"), "other.h5: detections: query 0 is taken from 'other.jpg'"),
        (
            ("--detections", "box.h5"),
            "box.h5 is a table (`person-search lut box.h5` shows it), not a",
        ),
        (("--detections", "identity.h5"), "identity.h5 is a table"),
    ],
)
def test_other_detections_are_one_line(arguments, says, here, found, prepared):
    other = replace(found, query_names=np.array(["other.jpg"] * 3))
    write_detections(other, here / "other.h5")
    for level, rows in (("box", "box_features"), ("identity", "features")):
        with h5py.File(here / f"{level}.h5", "w") as file:
            file[rows] = np.zeros((3, 4))
            file.attrs["format_version"] = 2 if level == "box" else 1
    result = check(*arguments, "--data", prepared.root)
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1 and says in lines[0]
    assert not result.stdout


def test_a_file_of_features_knows_no_detections(here, prepared):
    features_file(here / "f.npz", prepared)
    enter(here, "features", "f.npz")
    result = check("--detections", DUMP, "--data", prepared.root)
    assert result.exit_code == 2
    assert "the features of f.npz are those of the training boxes" in result.stderr
