"""Stages of several processes: whichever is killed or asked to stop, none lives on, and nothing is lost."""

import json
import os
import signal
import socket

import pytest

from stages.support.errors import USER_ERROR_CODE
from tests.pipeline_runs.project import PATIENCE, wait_for

STEPS = 40
OFTEN = {"PERSON_SEARCH_CHECKPOINT_STEPS": "4"}

ONE_SEED = ("python", "-m", "stages.ablation.ablate", "--student", "kd_lut", "--seed", "0")
IN_TURN = (*ONE_SEED, "--seed", "1")
SEEDS = (*IN_TURN, "--at-once", "2")
RUNS = "results/kd_lut.json"

TRAINING = ("python", "-m", "stages.train_student", "--student", "kd_lut")
TWO = {"PERSON_SEARCH_DEVICE": "cpu", "PERSON_SEARCH_DEVICES": "2"}
WRITTEN = ("models/students/kd_lut.safetensors", "results/students/kd_lut/training.tsv")


def longer(finished, folder):
    """Return a copy of the project whose students train longer."""
    project = finished.copy(folder)
    project.set_parameter("train_student.training.steps", STEPS)
    return project


def contents(project, paths):
    return [(project.root / path).read_bytes() for path in paths]


@pytest.fixture(scope="module")
def seeds(finished, tmp_path_factory):
    """A project in which two seeds are yet to be run, and what their run writes."""
    folder = tmp_path_factory.mktemp("seeds")
    whole = longer(finished, folder / "whole")
    whole.run(*IN_TURN)
    return longer(finished, folder / "project"), contents(whole, [RUNS])


@pytest.fixture(scope="module")
def two_devices(finished, tmp_path_factory):
    """A project in which two processes are yet to train a network together, and what they write."""
    folder = tmp_path_factory.mktemp("two_devices")
    whole = longer(finished, folder / "whole")
    whole.run(*TRAINING, **TWO)
    return longer(finished, folder / "project"), contents(whole, WRITTEN)


def states(project):
    return list((project.root / "checkpoints").rglob("step-*.safetensors"))


def kill_first(project, _group):
    os.kill(min(project.processes()), signal.SIGKILL)


def ask_first(project, _group):
    os.kill(min(project.processes()), signal.SIGTERM)


def ask_last(project, _group):
    os.kill(max(project.processes()), signal.SIGTERM)


def interrupt(_project, group):
    os.killpg(group, signal.SIGINT)


@pytest.mark.parametrize("befall", [kill_first, ask_first, interrupt])
def test_seeds_beside_one_another_end_with_what_started_them(befall, seeds, tmp_path):
    before, wanted = seeds
    project = before.copy(tmp_path / "project")
    started = project.start(*SEEDS, **OFTEN)
    both = [project.root / f"checkpoints/ablate@kd_lut-{seed}" for seed in (0, 1)]
    wait_for(lambda: all(list(folder.rglob("step-*.safetensors")) for folder in both))
    befall(project, started.pid)
    said, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode != 0
    assert "Traceback" not in said
    wait_for(lambda: not project.processes())
    assert not (project.root / RUNS).exists()
    assert all(list(folder.rglob("step-*.safetensors")) for folder in both)
    if befall is kill_first:  # what it left is less than what the others leave, and enough to go on from
        assert "going on after step" in project.run(*SEEDS)
        assert contents(project, [RUNS]) == wanted
        assert not states(project)


@pytest.mark.parametrize("befall", [kill_first, ask_last])
def test_processes_that_train_together_end_together_and_go_on(befall, two_devices, tmp_path):
    before, wanted = two_devices
    project = before.copy(tmp_path / "project")
    for path in WRITTEN:
        (project.root / path).unlink()
    started = project.start(*TRAINING, **TWO, **OFTEN)
    wait_for(lambda: len(states(project)) >= 2)
    befall(project, started.pid)
    said, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode != 0
    assert "Traceback" not in said
    if befall is not kill_first:
        assert said.count("run it again to go on from there") == 2
    wait_for(lambda: not project.processes())
    assert not any((project.root / path).exists() for path in WRITTEN)
    assert states(project)
    if befall is ask_last:  # the nodes of torchrun below go on after a kill
        assert "going on after step" in project.run(*TRAINING, **TWO)
        assert contents(project, WRITTEN) == wanted
        assert not states(project)


SHARED = {
    ("infer", "--student", "kd_lut"): "results/students/kd_lut/detections.h5",
    ("evaluate_teachers",): "results/teachers/metrics.json",
    ("export_lut", "--table", "id_lut"): "artifacts/id_lut.h5",
    ("export_lut", "--table", "from_student"): "artifacts/from_student.h5",
}
"""Stages whose scenes or crops several devices share, and what they write."""


def test_inference_on_two_devices_writes_what_one_does_and_once(project):
    teacher = "models/students/baseline.safetensors"
    entry = {"kind": "network", "teacher": teacher, "average": "mean_then_normalise"}
    project.set_parameter("tables.from_student", entry)
    project.run("python", "-m", "stages.export_lut", "--table", "from_student")
    wanted = contents(project, SHARED.values())
    for path in SHARED.values():
        (project.root / path).unlink()
    for (name, *more), path in SHARED.items():
        said = project.run("python", "-m", f"stages.{name}", *more, **TWO)
        assert said.count(f"{path}: ") == 1
        assert "2 devices" in said
    assert contents(project, SHARED.values()) == wanted


def test_an_ablation_on_two_devices_writes_once_and_reaches_nearly_the_same(seeds, tmp_path):
    before, (one_device,) = seeds
    project = before.copy(tmp_path / "project")
    said = project.run(*ONE_SEED, **TWO)
    assert said.count(f"{RUNS}: ") == 1
    runs, wanted = json.loads((project.root / RUNS).read_text()), json.loads(one_device)
    assert list(runs) == ["0"]
    assert runs["0"]["search"]["mAP"] == pytest.approx(wanted["0"]["search"]["mAP"], abs=0.02)
    said = project.run(*SEEDS, exit_code=USER_ERROR_CODE, **TWO)
    assert "leave --at-once at 1" in said


def nodes():
    """Return the commands of two machines that train together, on a port of their own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    together = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={port}")
    torchrun = ("python", "-m", "torch.distributed.run", *together)
    return [(*torchrun, f"--node-rank={node}", *TRAINING[1:]) for node in range(2)]


def test_nodes_of_torchrun_end_together_and_go_on(two_devices, tmp_path):
    before, wanted = two_devices
    project = before.copy(tmp_path / "project")
    for path in WRITTEN:
        (project.root / path).unlink()
    cpu = {"PERSON_SEARCH_DEVICE": "cpu"}
    started = [project.start(*command, **cpu, **OFTEN) for command in nodes()]
    wait_for(lambda: len(states(project)) >= 2)
    os.kill(max(project.trainers()), signal.SIGKILL)
    for process in started:
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
    wait_for(lambda: not project.processes())
    assert not any((project.root / path).exists() for path in WRITTEN)
    started = [project.start(*command, **cpu) for command in nodes()]
    said = ""
    for process in started:
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, text
        said += text
    assert said.count("going on after step") == 1
    assert said.count("started by torchrun") == 1
    assert said.count("loss") == said.count("at the end") == 1
    assert contents(project, WRITTEN) == wanted
    assert not states(project)
