"""The ablation's own stages, on what the tiny pipeline made."""

import json

import numpy as np
import pytest

from pipeline.lookup_table import read_lookup_table
from pipeline.reporting.comparison.runs import read_runs
from tests.pipeline_runs.in_process import refused, run_stage

RUNS = "results/kd_lut.json"


def done(command):
    result = run_stage(command)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1
    return result.stdout


def test_tables_of_the_same_people_that_are_not_the_teachers(here):
    teachers = read_lookup_table(here / "artifacts/id_lut.h5")
    done("control_lut --control random")
    done("control_lut --control permuted")
    done("student_lut --weights models/students/baseline.safetensors")
    done("export_lut --average normalise_then_mean --table artifacts/id_lut_other.h5")
    for name in ("random", "permuted", "student", "other"):
        table = read_lookup_table(here / f"artifacts/id_lut_{name}.h5")
        assert table.features.shape == teachers.features.shape
        assert np.array_equal(table.person_ids, teachers.person_ids)
        assert (table.dataset, table.dataset_sha256) == (teachers.dataset, teachers.dataset_sha256)
        assert not np.array_equal(table.features, teachers.features)
        np.testing.assert_allclose(np.linalg.norm(table.features, axis=1), 1, atol=1e-5)
    assert read_lookup_table(here / "artifacts/id_lut.h5").features.tobytes() == teachers.features.tobytes()


def test_runs_of_a_row_are_those_of_the_pipeline(here):
    """With the row's own seed a run reaches what the row reached; another seed, something else."""
    said = done("ablate --row kd_lut --seed 1 --seed 0")
    assert said.startswith(f"{RUNS}: search mAP 0.")
    first, second = read_runs(here / RUNS)
    metrics = json.loads((here / "results/kd_lut/metrics.json").read_text())
    assert first["search"] == metrics["search"]
    assert first["detection"] == metrics["detection"]
    assert second["detection"] != first["detection"]
    assert len(first["average_precisions"]) == metrics["protocol"]["counts"]["queries"]
    assert np.mean(first["average_precisions"]) == pytest.approx(metrics["search"]["mAP"], abs=1e-5)
    assert first["environment"]["threads"] == 1
    whole = (here / RUNS).read_bytes()
    done("ablate --row kd_lut --seed 0 --seed 1")
    assert json.loads((here / RUNS).read_text()) == json.loads(whole)


def test_seeds_beside_one_another_are_those_one_after_another(here):
    done("ablate --row kd_lut --seed 1 --seed 0")
    serial = (here / RUNS).read_bytes()
    done("ablate --row kd_lut --seed 1 --seed 0 --at-once 2")
    assert (here / RUNS).read_bytes() == serial


def test_an_error_in_one_of_them_is_one_line(here):
    (here / "artifacts/id_lut.h5").write_bytes(b"no table")
    said = refused(here, "ablate --row kd_lut --seed 1 --seed 0 --at-once 2")
    assert "id_lut.h5" in said


@pytest.mark.parametrize("row", ["baseline", "kd_both"])
def test_every_kind_of_row_is_run(here, row):
    done(f"ablate --row {row} --seed 0")
    metrics = json.loads((here / f"results/{row}/metrics.json").read_text())
    (run,) = read_runs(here / f"results/{row}.json")
    assert run["search"] == metrics["search"]


def test_another_table_is_another_run(here):
    done("control_lut --control random")
    done("ablate --row kd_lut --seed 0 --table artifacts/id_lut_random.h5")
    (run,) = read_runs(here / RUNS)
    metrics = json.loads((here / "results/kd_lut/metrics.json").read_text())
    assert (
        run["search_by_gallery"] != metrics["search_by_gallery"] or run["detection"] != metrics["detection"]
    )


def test_rows_are_compared(here):
    (here / "data_0/results").mkdir(parents=True)
    for row in ("baseline", "kd_lut"):
        done(f"ablate --row {row} --seed 0 --seed 1")
        (here / f"results/{row}.json").rename(here / f"data_0/results/{row}.json")
    (here / "data_0/params.yaml").write_text((here / "params.yaml").read_text())
    (here / "comparisons.yaml").write_text(
        "about: x\ngroups:\n- title: Which?\n  against: data_0/baseline\n  against_is: plain\n"
        "  rows: {data_0/kd_lut: table}\n"
    )
    assert done("compare").startswith("results/comparison.md: 1 groups")
    assert "| table |" in (here / "results/comparison.md").read_text()
    assert (here / "results/comparison.png").read_bytes().startswith(b"\x89PNG")
    (group,) = json.loads((here / "results/comparison.json").read_text())["groups"]
    assert [row["row"] for row in group["rows"]] == ["data_0/baseline", "data_0/kd_lut"]


def test_a_row_without_runs_is_named(here):
    (here / "comparisons.yaml").write_text(
        "about: x\ngroups:\n- title: t\n  against: data_0/a\n  against_is: b\n  rows: {data_0/c: d}\n"
    )
    assert "data_0/results/a.json is missing" in refused(here, "compare")
