"""Stage `train_student`: a student that learns from a table by box, and has its size."""

import csv

import pytest
import torch
import yaml

import stages.train_student
from commands.parameter_checks import check_parameters
from pipeline.box_table import TableOrigin, writing_box_table
from pipeline.models.heads import load_student
from pipeline.scenes.box_rows import box_offsets
from stages.support.parameters import read_parameters
from tests.pipeline_runs.in_process import run_stage
from tests.pipeline_runs.tiny_parameters import tiny_parameters

DIM = 12
"""Another than the students' of params.yaml."""
ENTRY = {
    "table": "artifacts/boxes.h5",
    "detector": "models/no_detector",
    "boxes": {"target": "kl", "sampled_rows": 8},
    "network": {"embedding_dim": "table"},
}


@pytest.fixture
def train(prepared, tmp_path, monkeypatch):
    """Return a call of the stage in a project that has a table by box and one student."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(prepared.root)
    offsets = box_offsets(prepared.split("train").scenes)
    origin = TableOrigin(prepared.name, prepared.sha256, "c" * 64)
    with writing_box_table(tmp_path / "artifacts/boxes.h5", offsets, DIM, origin) as writer:
        rows = torch.randn(int(offsets[-1]), DIM, generator=torch.Generator().manual_seed(0))
        writer.append(rows.numpy())

    def run(options="", **changes):
        values = tiny_parameters() | {"students": {"one": ENTRY | changes}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
        check_parameters(read_parameters(tmp_path / "params.yaml"), tmp_path / "params.yaml")
        return run_stage(f"train_student --student one {options}")

    return run


def test_a_student_learns_by_box_and_has_the_tables_size(train, tmp_path):
    result = train()
    assert result.exit_code == 0, result.output
    assert "student, target by box 'kl', loss" in result.stdout
    network = load_student(tmp_path / "models/students/one.safetensors")
    assert network.options.embedding_dim == network.embedding.out_features == DIM
    with (tmp_path / "results/students/one/training.tsv").open() as file:
        points = list(csv.DictReader(file, delimiter="\t"))
    assert all(float(point["box_table"]) >= 0 for point in points)
    assert float(points[0]["box_table"]) > 0
    assert "identity" not in points[0]


def test_an_identity_target_beside_it_is_said(train):
    result = train(identity={"target": "oim", "weight": 0.5})
    assert "student, identity target 'oim', by box 'kl', loss" in result.stdout


@pytest.mark.parametrize("folder", ["models", "models/students", "results", "results/students/one"])
def test_a_folder_that_cannot_be_written_to_is_said_before_the_training(folder, train, tmp_path, monkeypatch):
    def not_to_be_called(*_):
        raise AssertionError("it trains")

    monkeypatch.setattr(stages.train_student, "train_with_target", not_to_be_called)
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder).write_text("no folder")
    result = train()
    assert result.exit_code == 2
    line = result.stderr.splitlines()[-1]
    assert line.endswith(f" could not be written at the end: {folder} is a file")
    assert line.startswith(f"Error: {folder}/")


def test_the_table_to_keep_is_tried_too(train, tmp_path):
    (tmp_path / "models/students/one_table.h5").mkdir(parents=True)
    result = train(identity={"target": "oim", "weight": 1.0}, options="--keep-table")
    assert result.exit_code == 2
    assert "one_table.h5 is a folder, so no file can be written there" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "models/students/one.safetensors").exists()


def test_a_student_of_another_size_is_one_line(train, tmp_path):
    result = train(network={"embedding_dim": DIM + 1})
    assert result.exit_code == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith(
        "Error: artifacts/boxes.h5 does not fit: its rows have 12 dimensions, the student's embedding 13; "
        "set `network: {embedding_dim: table}`"
    )
    assert not (tmp_path / "models").exists()
