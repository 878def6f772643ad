"""A student more, and a student less: one entry of params.yaml, and nothing else."""

import json

import pytest

from tests.pipeline_runs.stage_graph import students

NEW = "kd_sharper"
ENTRY = {
    "table": "artifacts/id_lut.h5",
    "detector": "models/no_detector",
    "identity": {"target": "lut", "weight": 0.5, "scale": 32.0},
}


def shown(project):
    """Which students the summary, the page and the printed table have."""
    known = {*students(), NEW}
    summary = json.loads((project.root / "results/summary.json").read_text())
    page = (project.root / "results/report.html").read_text()
    printed = project.run("person-search", "results").split()
    return (
        known & summary.keys(),
        {student for student in known if f"<td>{student}</td>" in page},
        known & set(printed),
    )


def test_a_fifth_student_is_one_entry_and_goes_with_it(project):
    entries = project.parameters()["students"]
    project.set_parameter("students", entries | {NEW: ENTRY})
    ran = project.repro().ran
    assert ran == [f"train_student@{NEW}", f"infer@{NEW}", f"evaluate@{NEW}", "report"]
    assert shown(project) == ({*entries, NEW},) * 3
    project.set_parameter("students", entries)
    assert project.repro().ran == ["report"]
    assert shown(project) == ({*entries},) * 3


def test_a_query_guided_student_is_one_entry_too(project):
    """Its search is that of pairs, and it leaves nothing unfinished behind."""
    entries = project.parameters()["students"]
    project.set_parameter("students", entries | {NEW: ENTRY | {"network": {"head": "qeeps"}}})
    assert project.repro().ran == [f"train_student@{NEW}", f"infer@{NEW}", f"evaluate@{NEW}", "report"]
    assert shown(project) == ({*entries, NEW},) * 3
    protocol = json.loads((project.root / f"results/students/{NEW}/metrics.json").read_text())["protocol"]
    assert protocol["query_guided"] is True
    assert protocol["counts"]["pairs"] > 0
    assert not list((project.root / "checkpoints").glob(f"infer@{NEW}/*"))
    assert "query_guided" not in (project.root / "results/students/baseline/metrics.json").read_text()


def test_a_student_less_leaves_nothing_behind(project):
    entries = project.parameters()["students"]
    del entries["kd_detector"]
    project.set_parameter("students", entries)
    assert project.repro().ran == ["report"]
    assert shown(project) == ({*entries},) * 3


def naming(teacher):
    """The trainings of the students that name a teacher."""
    return {f"train_student@{name}" for name, entry in students().items() if teacher in entry.values()}


@pytest.mark.parametrize(
    ("stage", "parameter", "value", "teacher"),
    [
        (
            "export_lut@id_lut",
            "tables.id_lut.average",
            "normalise_then_mean",
            "artifacts/id_lut.h5",
        ),
        ("train_detector", "train_detector.seed", 7, "models/teachers/detector.safetensors"),
    ],
)
def test_a_changed_teacher_concerns_the_students_that_name_it_alone(
    stage, parameter, value, teacher, project
):
    project.set_parameter(parameter, value)
    assert project.repro(stage).ran == [stage]
    waiting = {name for name in project.repro("--dry").ran if name.startswith("train_student@")}
    assert waiting == naming(teacher)
    assert "train_student@baseline" not in waiting
