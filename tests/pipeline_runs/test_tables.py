"""Students that teach students: by a table of their embeddings, and by the table that they learned along."""

import numpy as np
import pytest

from pipeline.basics.hashing import sha256_of
from pipeline.lookup_table import KEPT, read_lookup_table
from stages.support.paths import student_table, student_weights
from tests.pipeline_runs.in_process import contents, refused, run_stage
from tests.pipeline_runs.stage_graph import students
from tests.pipeline_runs.tiny_parameters import tiny_parameters, write_parameters

NOBODY = {"table": "artifacts/no_table", "detector": "models/no_detector"}
LARGE = NOBODY | {
    "identity": {"target": "oim", "weight": 0.5, "scale": 16.0},
    "network": {"backbone": {"width": 1.0}},
}
SMALL = NOBODY | {
    "table": "artifacts/from_large.h5",
    "identity": {"target": "lut", "weight": 0.5, "scale": 16.0},
}
FROM_LARGE = {
    "kind": "network",
    "teacher": "models/students/large.safetensors",
    "average": "mean_then_normalise",
}
CHAIN = ["train_student@large", "export_lut@from_large", "train_student@small"]
KEEPING = "train_student --student baseline --name own --keep-table"


@pytest.fixture
def chain(project):
    """A project with two entries more of students, and one of tables; nothing of them was run."""
    project.set_parameter("students", project.parameters()["students"] | {"large": LARGE, "small": SMALL})
    project.set_parameter("tables.from_large", FROM_LARGE)
    return project


def test_a_large_student_teaches_a_small_one_and_the_crop_teacher_concerns_neither(chain):
    assert chain.repro("train_student@small").ran == CHAIN
    table = read_lookup_table(chain.root / "artifacts/from_large.h5")
    assert table.teacher_sha256 == sha256_of(chain.root / "models/students/large.safetensors")
    crops = read_lookup_table(chain.root / "artifacts/id_lut.h5")
    assert table.features.shape == crops.features.shape
    np.testing.assert_array_equal(table.counts, crops.counts)

    chain.set_parameter("train_reid.seed", 7)
    assert chain.repro("export_lut").ran == ["train_reid", "export_lut@id_lut"]  # the group: all tables
    waiting = set(chain.repro("--dry", "train_student").ran)
    by_crops = {name for name, entry in students().items() if entry["table"] == "artifacts/id_lut.h5"}
    assert waiting == {f"train_student@{name}" for name in by_crops}
    assert not chain.repro("train_student@small").ran

    chain.set_parameter("students.large.seed", 7)
    assert chain.repro("train_student@small").ran == CHAIN


def test_a_table_that_a_student_makes_for_itself_is_refused_by_dvc(chain):
    chain.set_parameter("students.large.table", "artifacts/from_large.h5")
    said = chain.run("dvc", "repro", "train_student@small", exit_code=255)
    assert "both a dependency and an output in stages: " in said
    assert {"train_student@large", "export_lut@from_large"} == {
        *said.strip(".\n").partition("stages: ")[2].split(", ")
    }


def test_a_table_that_nothing_makes_is_named_by_dvc(chain):
    chain.set_parameter("students.small.table", "artifacts/x.h5")
    said = chain.run("dvc", "repro", "train_student@small", exit_code=255)
    assert "artifacts/x.h5" in said


def longer(folder, **changes):
    """Let the students train so long that everybody is in a batch."""
    values = tiny_parameters()
    values["train_student"]["training"] |= {"steps": 40} | changes
    write_parameters(folder, values)
    return values


def test_a_students_own_table_is_kept_beside_its_weights_and_teaches_another(here):
    values = longer(here)
    assert run_stage(KEEPING.replace(" --keep-table", " --seed 0")).exit_code == 0
    weights = (here / student_weights("own")).read_bytes()
    assert not (here / student_table("own")).exists()
    result = run_stage(KEEPING)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("at the end; models/students/own_table.h5\n")
    assert (here / student_weights("own")).read_bytes() == weights
    table = read_lookup_table(here / student_table("own"))
    assert table.teacher_sha256 == sha256_of(here / student_weights("own"))
    content = (here / student_table("own")).read_bytes()
    assert run_stage(KEEPING).exit_code == 0
    assert (here / student_table("own")).read_bytes() == content
    values["students"]["kd_lut"]["table"] = str(student_table("own"))
    write_parameters(here, values)
    assert run_stage("train_student --student kd_lut").exit_code == 0


def test_a_table_with_empty_rows_is_refused_and_the_training_is_not_lost(here):
    longer(here, steps=1, warmup_steps=1, batch_size=1)
    line = refused(here, KEEPING)
    assert "students.baseline: its table cannot be kept: " in line
    assert "of 8 people have no row" in line
    result = run_stage(KEEPING.removesuffix(" --keep-table"))
    assert result.exit_code == 0
    assert "going on after step 1" in result.stderr


def test_a_student_that_learns_no_table_has_none_to_keep(here):
    before = contents(here)
    assert "'lut' learns no table that could be kept" in refused(
        here, "train_student --student kd_lut --keep-table"
    )
    assert contents(here) == before


@pytest.mark.parametrize("name", ["a/b", "../id_lut", "a.b", "", "/tmp/x"])
def test_a_table_named_like_a_path_is_refused(here, name):
    values = tiny_parameters()
    values["tables"][name] = values["tables"]["id_lut"]
    write_parameters(here, values)
    assert "a table's name is that of its files" in refused(here, f"export_lut --table={name}")


def test_messages_know_a_table_that_was_kept_by_its_name():
    assert str(student_table("large")) == f"models/students/large{KEPT}"
