"""The ablation's own stages, on what the tiny pipeline made."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.lookup_table import read_lookup_table
from pipeline.reporting.comparison.origin import cpu_model, origin
from pipeline.reporting.comparison.runs import read_runs
from pipeline.scenes.prepared import open_prepared
from pipeline.training.student.training import train_student
from stages.ablation import ablate
from stages.ablation.training_frames import frame_file
from tests.pipeline_runs.in_process import refused, run_stage
from tests.pipeline_runs.tiny_parameters import tiny_parameters, write_parameters

RUNS = "results/kd_lut.json"


def done(command):
    result = run_stage(command)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1
    return result.stdout


def test_tables_of_the_same_people_that_are_not_the_teachers(here):
    values, teachers = tiny_parameters(), read_lookup_table(here / "artifacts/id_lut.h5")
    of_student = {"kind": "network", "teacher": "models/students/baseline.safetensors"}
    values["tables"]["id_lut_student"] = of_student | {"average": "mean_then_normalise"}
    values["tables"]["id_lut_other"] = values["tables"]["id_lut"] | {"average": "normalise_then_mean"}
    write_parameters(here, values)
    done("ablation.control_lut --control random")
    done("ablation.control_lut --control permuted")
    done("export_lut --table id_lut_student")
    done("export_lut --table id_lut_other")
    for name in ("random", "permuted", "student", "other"):
        table = read_lookup_table(here / f"artifacts/id_lut_{name}.h5")
        assert table.features.shape == teachers.features.shape
        assert np.array_equal(table.person_ids, teachers.person_ids)
        assert (table.dataset, table.dataset_sha256) == (teachers.dataset, teachers.dataset_sha256)
        assert not np.array_equal(table.features, teachers.features)
        np.testing.assert_allclose(np.linalg.norm(table.features, axis=1), 1, atol=1e-5)
    assert read_lookup_table(here / "artifacts/id_lut.h5").features.tobytes() == teachers.features.tobytes()


def test_runs_of_a_student_are_those_of_the_pipeline(here):
    """With the student's own seed a run reaches what the student reached; another seed, something else."""
    said = done("ablation.ablate --student kd_lut --seed 1 --seed 0")
    assert said.startswith(f"{RUNS}: search mAP 0.")
    first, second = read_runs(here / RUNS).values()
    metrics = json.loads((here / "results/students/kd_lut/metrics.json").read_text())
    assert first["search"] == metrics["search"]
    assert first["detection"] == metrics["detection"]
    assert second["detection"] != first["detection"]
    assert len(first["average_precisions"]) == metrics["protocol"]["counts"]["queries"]
    assert np.mean(first["average_precisions"]) == pytest.approx(metrics["search"]["mAP"], abs=1e-5)
    true_boxes = first["average_precisions_true_boxes"]
    assert len(true_boxes) == len(first["average_precisions"]) == len(first["query_scenes"])
    assert np.mean(true_boxes) == pytest.approx(metrics["search_ground_truth_boxes"]["mAP"], abs=1e-5)
    split = open_prepared(here / "data/prepared").split("test")
    assert first["query_scenes"] == [split.scenes[query.scene].name for query in split.queries]
    assert first["environment"]["threads"] == 1
    assert first["environment"]["cpu"] == cpu_model()
    assert first["environment"]["commit"] == origin()["commit"]
    whole = (here / RUNS).read_bytes()
    done("ablation.ablate --student kd_lut --seed 0 --seed 1")
    assert json.loads((here / RUNS).read_text()) == json.loads(whole)


def test_the_training_scenes_are_written_as_files(here):
    said = done("ablation.training_frames --out frames")
    data = open_prepared(here / "data/prepared")
    scenes, images = data.split("train").scenes, data.images("train")
    files = {path.relative_to(here / "frames").as_posix() for path in (here / "frames").rglob("*.jpg")}
    assert files == {frame_file(scene.name).as_posix() for scene in scenes} and len(files) == len(scenes)
    assert f"{len(scenes)} training scenes" in said
    first = here / "frames" / frame_file(scenes[0].name)
    assert first.read_bytes() == images[0].tobytes()
    assert "is not empty" in refused(here, "ablation.training_frames --out frames")


@pytest.mark.parametrize(
    ("scene", "file"),
    [
        ("a", "a.jpg"),
        ("2-prw/b.JPG", "2-prw/b.JPG"),
        ("c.png", "c.png.jpg"),
        ("../a.jpg", None),
        ("/a", None),
    ],
)
def test_where_a_training_scene_is_written(scene, file):
    if file:
        assert frame_file(scene).as_posix() == file
    else:
        with pytest.raises(UserError, match="leads out of it"):
            frame_file(scene)


def test_others_embed_what_the_student_has_detected(here):
    done("ablation.ablate --student kd_lut --seed 0 --seed 1")
    alone = (here / RUNS).read_bytes()
    result = run_stage(
        "ablation.ablate --student kd_lut --seed 0 --seed 1 --two-step histogram --two-step id_lut"
    )
    assert result.exit_code == 0, result.output
    by = {who: f"results/kd_lut_by_{who}.json" for who in ("histogram", "id_lut")}
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [RUNS, *by.values()]
    assert (here / RUNS).read_bytes() == alone
    own = read_runs(here / RUNS)
    for who, file in by.items():
        runs = read_runs(here / file)
        for seed, run in runs.items():
            assert run["embedded_by"] == who
            assert run.keys() - {"embedded_by"} == own[seed].keys()
            assert run["detection"] == own[seed]["detection"]
            assert len(run["average_precisions"]) == len(own[seed]["average_precisions"])
            assert np.mean(run["average_precisions"]) == pytest.approx(run["search"]["mAP"], abs=1e-5)
        # True boxes are the same ones, whatever a seed detects.
        assert runs[0]["search_ground_truth_boxes"] == runs[1]["search_ground_truth_boxes"]
    folder = here / "data_0/results"
    folder.mkdir(parents=True)
    for name in ("kd_lut", "kd_lut_by_histogram"):
        (here / f"results/{name}.json").rename(folder / f"{name}.json")
    (here / "data_0/params.yaml").write_text((here / "params.yaml").read_text())
    (here / "comparisons.yaml").write_text(
        "about: x\ngroups:\n- title: Which?\n  against: data_0/kd_lut_by_histogram\n  against_is: colours\n"
        "  students: {data_0/kd_lut: table}\n"
        "trade_off: {title: t, curves: {all: {data_0/kd_lut: '1'}}}\n"
    )
    done("ablation.compare")
    (group,) = json.loads((here / "results/comparison.json").read_text())["groups"]
    first, second = group["rows"]
    assert first["cost"] is None and second["cost"]["parameters"] > 0
    assert second["differences"]["search_mAP"]["low"] <= second["differences"]["search_mAP"]["high"]


def test_a_finished_seed_is_not_lost_to_what_befalls_a_later_one(here, monkeypatch):
    command = "ablation.ablate --student kd_lut --seed 0 --seed 1 --two-step histogram"
    files = [here / f"results/{name}.json" for name in ("kd_lut", "kd_lut_by_histogram")]
    assert run_stage(command).exit_code == 0
    whole = [file.read_bytes() for file in files]
    trained, seeds_that_fail = [], [1]

    def train(data, options, *rest):
        trained.append(options.seed)
        if options.seed in seeds_that_fail:
            raise UserError("no room left")
        return train_student(data, options, *rest)

    monkeypatch.setattr(ablate, "train_student", train)
    assert "no room left" in refused(here, command)
    assert trained == [0, 1]
    # With another threshold, or other teachers, it is another result.
    seeds_that_fail[:] = [0, 1]
    values = tiny_parameters()
    values["evaluate"]["search_threshold"] = 0.3
    write_parameters(here, values)
    assert "no room left" in refused(here, command)
    write_parameters(here, tiny_parameters())
    assert "no room left" in refused(here, f"{command} --two-step id_lut")
    assert trained == [0, 1, 0, 0]
    seeds_that_fail.clear()
    result = run_stage(command)
    assert result.exit_code == 0, result.output
    assert trained == [0, 1, 0, 0, 1]
    assert "ablate@kd_lut-0: was finished before" in result.stderr
    assert [file.read_bytes() for file in files] == whole
    assert not list((here / "checkpoints").rglob("*.*"))


@pytest.mark.parametrize(
    ("who", "says"), [("nobody", "no table 'nobody'"), ("features", "has the training boxes alone")]
)
def test_who_cannot_embed_detections_is_said_before_the_training(here, who, says):
    values = tiny_parameters()
    values["tables"]["features"] = values["tables"]["id_lut"] | {"kind": "features", "teacher": "f.h5"}
    write_parameters(here, values)
    assert says in refused(here, f"ablation.ablate --student kd_lut --seed 0 --two-step {who}")


def test_seeds_beside_one_another_are_those_one_after_another(here):
    done("ablation.ablate --student kd_lut --seed 1 --seed 0")
    serial = (here / RUNS).read_bytes()
    done("ablation.ablate --student kd_lut --seed 1 --seed 0 --at-once 2")
    assert (here / RUNS).read_bytes() == serial


def test_an_error_in_one_of_them_is_one_line(here):
    (here / "artifacts/id_lut.h5").write_bytes(b"no table")
    said = refused(here, "ablation.ablate --student kd_lut --seed 1 --seed 0 --at-once 2")
    assert "id_lut.h5" in said


@pytest.mark.parametrize("student", ["baseline", "kd_both"])
def test_every_kind_of_student_is_run(here, student):
    done(f"ablation.ablate --student {student} --seed 0")
    metrics = json.loads((here / f"results/students/{student}/metrics.json").read_text())
    (run,) = read_runs(here / f"results/{student}.json").values()
    assert run["search"] == metrics["search"]


def test_another_table_is_another_run(here):
    done("ablation.control_lut --control random")
    values = tiny_parameters()
    values["students"]["kd_lut"]["table"] = "artifacts/id_lut_random.h5"
    write_parameters(here, values)
    done("ablation.ablate --student kd_lut --seed 0")
    (run,) = read_runs(here / RUNS).values()
    metrics = json.loads((here / "results/students/kd_lut/metrics.json").read_text())
    assert (
        run["search_by_gallery"] != metrics["search_by_gallery"] or run["detection"] != metrics["detection"]
    )


CURVES = "trade_off: {title: t, curves: {all: {data_0/baseline: '1', data_0/kd_lut: '2'}}}\n"


def test_students_are_compared(here):
    (here / "data_0/results").mkdir(parents=True)
    for student in ("baseline", "kd_lut"):
        done(f"ablation.ablate --student {student} --seed 0 --seed 1")
        (here / f"results/{student}.json").rename(here / f"data_0/results/{student}.json")
    done("ablation.ablate --student kd_lut --further --seed 2")
    (here / "results/further").rename(here / "data_0/results/further")
    (here / "data_0/params.yaml").write_text((here / "params.yaml").read_text())
    (here / "comparisons.yaml").write_text(
        "about: x\ngroups:\n- title: Which?\n  against: data_0/baseline\n  against_is: plain\n"
        "  students: {data_0/kd_lut: table}\n"
        "pooled:\n- {title: pairs, pairs: {data_0/kd_lut: data_0/baseline}}\n" + CURVES
    )
    assert done("ablation.compare").startswith("results/comparison.md: 1 groups")
    assert "| table |" in (here / "results/comparison.md").read_text()
    for figure in ("comparison", "paired", "trade_off"):
        assert (here / f"results/{figure}.png").read_bytes().startswith(b"\x89PNG")
    comparison = json.loads((here / "results/comparison.json").read_text())
    (group,), (pool,), (origin,) = (comparison[key] for key in ("groups", "pooled", "origins"))
    assert [student["row"] for student in group["rows"]] == ["data_0/baseline", "data_0/kd_lut"]
    assert [student["seeds"] for student in group["rows"]] == [2, 3]
    assert pool["pairs"][0]["seeds"] == [0, 1]
    assert origin["students"] == ["data_0/baseline", "data_0/kd_lut"]
    assert origin["cpu"] == cpu_model()


def test_a_student_without_runs_is_named(here):
    (here / "comparisons.yaml").write_text(
        "about: x\ngroups:\n- title: t\n  against: data_0/a\n  against_is: b\n  students: {data_0/c: d}\n"
        + CURVES
    )
    assert "data_0/results/a.json is missing" in refused(here, "ablation.compare")


def test_dvc_runs_a_student_with_its_own_teachers_and_its_lock_stays_out_of_git(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    ablation = replace(project, root=project.root / "ablation")
    ablation.set_parameter("train_student.training", {"steps": 4, "warmup_steps": 2})
    project.commit()
    made = ["prepare@data_1", "crop@data_1", "train_reid@data_1", "data_1_tables@id_lut", "data_1@lut"]
    ran = ablation.repro("data_1@lut").ran
    assert ran[0] == "code"
    assert ran[1:] == made
    assert read_runs(ablation.root / "data_1/results/lut.json").keys() == {0, 1, 2}
    assert project.run("git", "status", "--porcelain").split() == ["M", "ablation/data_1/results/lut.json"]
    for path, rerun in (
        (None, []),
        ("stages/report.py", []),
        ("pipeline/losses/identity/table.py", ["data_1@lut"]),
    ):
        if path:
            with (project.root / path).open("a") as file:
                file.write("# changed\n")
        assert ablation.repro("data_1@lut").ran == ["code", *rerun]
