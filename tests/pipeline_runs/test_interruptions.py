"""A training that is killed: nobody trains on, nothing is half written, and it ends as if nothing was."""

import os
import signal

import pytest

from tests.pipeline_runs.project import PATIENCE, wait_for

STAGE = "train_student@baseline"
WEIGHTS = "models/students/baseline.safetensors"
CURVES = "results/students/baseline/training.tsv"
STEPS = 24
CHANGED = "trainer"
"""After this kill, trainings with another setting and with other data are tried as well."""
OFTEN = {"PERSON_SEARCH_CHECKPOINT_STEPS": "4"}


@pytest.fixture(scope="module")
def longer(finished, tmp_path_factory):
    """A copy of the project whose students train longer; not to be changed. And what its baseline becomes."""
    project = finished.copy(tmp_path_factory.mktemp("longer") / "project")
    project.set_parameter("train_student.training.steps", STEPS)
    whole = project.copy(tmp_path_factory.mktemp("whole") / "project")
    whole.repro("--single-item", STAGE)
    return project, outputs_of(whole)


def outputs_of(project):
    return [(project.root / path).read_bytes() for path in (WEIGHTS, CURVES)]


def another_start_is_from_nothing(project, wanted, parameter, value):
    """A state of other settings, or of other data, is never taken up."""
    project.set_parameter(parameter, value)
    said = project.run("dvc", "repro", STAGE)
    assert "going on" not in said
    assert outputs_of(project) != wanted


@pytest.mark.parametrize("killed", ["trainer", "dvc", "ctrl-c"])
def test_a_killed_training_goes_on_where_it_was(killed, longer, tmp_path):
    before, wanted = longer
    project = before.copy(tmp_path / "project")
    # This shell stays between DVC and the trainer, and outlives DVC.
    shell = {"SHELL": "/bin/sh"} if killed == "dvc" else {}
    dvc = project.start("dvc", "repro", "--single-item", STAGE, **OFTEN, **shell)
    wait_for(lambda: list((project.root / "checkpoints").rglob("step-*.safetensors")))
    if killed == "trainer":
        os.kill(project.trainers()[0], signal.SIGKILL)
    elif killed == "ctrl-c":
        os.killpg(dvc.pid, signal.SIGINT)
    else:
        dvc.kill()
    said, _ = dvc.communicate(timeout=PATIENCE)
    assert dvc.returncode != 0
    # Its data process may have been about to give it something.
    assert "Traceback" not in said or killed == "trainer"
    wait_for(lambda: not project.trainers())
    assert not [path for path in (WEIGHTS, CURVES) if (project.root / path).exists()]
    if killed == CHANGED:
        for parameter, value in (
            ("students.baseline.identity.weight", 0.37),
            ("dataset.synthetic.seed", 4711),
        ):
            another_start_is_from_nothing(project.copy(tmp_path / parameter), wanted, parameter, value)
    said = project.run("dvc", "repro", "--single-item", STAGE)
    assert f"{STAGE}: going on after step" in said
    assert outputs_of(project) == wanted
    assert not list((project.root / "checkpoints").rglob("*.*"))
