"""Students more, and students less: one entry of params.yaml each, and nothing else."""

import json

import pytest

from tests.pipeline_runs.stage_graph import students

NEW, GUIDED = "kd_sharper", "kd_guided"
ENTRY = {
    "table": "artifacts/id_lut.h5",
    "detector": "models/no_detector",
    "identity": {"target": "lut", "weight": 0.5, "scale": 32.0},
}


def shown(project):
    """Which students the summary, the page and the printed table have."""
    known = {*students(), NEW, GUIDED}
    summary = json.loads((project.root / "results/summary.json").read_text())
    page = (project.root / "results/report.html").read_text()
    printed = project.run("person-search", "results").split()
    return (
        known & summary.keys(),
        {student for student in known if f"<td>{student}</td>" in page},
        known & set(printed),
    )


def test_students_more_are_an_entry_each_and_a_student_less_leaves_nothing_behind(project):
    """One of them is query-guided: its search is that of pairs. All in one test: a report takes its time."""
    entries = project.parameters()["students"]
    guided = ENTRY | {"network": {"head": "qeeps"}}
    project.set_parameter("students", entries | {NEW: ENTRY, GUIDED: guided})
    ran = project.repro().ran
    for name in (NEW, GUIDED):
        stages = [f"train_student@{name}", f"infer@{name}", f"evaluate@{name}"]
        assert [stage for stage in ran if stage.endswith(f"@{name}")] == stages
    assert len(ran) == 7
    assert ran[-1] == "report"
    assert shown(project) == ({*entries, NEW, GUIDED},) * 3
    protocol = json.loads((project.root / f"results/students/{GUIDED}/metrics.json").read_text())["protocol"]
    assert protocol["query_guided"] is True
    assert protocol["counts"]["pairs"] > 0
    assert not list((project.root / "checkpoints").glob(f"infer@{GUIDED}/*"))
    for name in ("baseline", NEW):
        assert "query_guided" not in (project.root / f"results/students/{name}/metrics.json").read_text()
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
