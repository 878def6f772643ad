"""A training that was stopped and went on is, bit for bit, one that never stopped."""

import os
import signal

import pytest
import torch

from pipeline.basics.interruption import Interrupted
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.losses.detector_distillation import DetectorDistillationOptions
from pipeline.models.detector import Detector
from pipeline.training.detector import train_detector
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.reid import train_reid
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student
from tests.tiny import detector_options, silent
from tests.training.test_trainings import (
    detector_training_options,
    of_full_width,
    reid_training_options,
    student_options,
    teacher_table,
    with_head,
)

STEPS = 8
KINDS = (
    "detector",
    "reid",
    "oim",
    "lut_ema",
    "by_detector",
    "channels_last",
    "bf16",
    "sgd",
    "seqnet",
    "qeeps",
)


@pytest.fixture(scope="module")
def crops(prepared, tmp_path_factory):
    return prepare(LabelledCrops(prepared, "train"), tmp_path_factory.mktemp("c") / "crops", silent)


@pytest.fixture
def run(prepared, crops):
    """Train a kind of network: `run(kind, report, checkpoints)` returns its weights and history."""

    def start(kind, report=silent, checkpoints=None):
        length = {"steps": STEPS, "warmup_steps": 3, "schedule": "one_cycle"}
        if kind == "detector":
            network, history = train_detector(
                prepared, detector_training_options(**length), report, checkpoints
            )
        elif kind == "reid":
            network, history = train_reid(crops, reid_training_options(**length), report, checkpoints)
        else:
            special = {
                "channels_last": {"channels_last": True},
                "bf16": {"precision": "bf16-mixed"},
                "sgd": {"optimizer": "sgd", "schedule": "step", "decay_steps": [5]},
            }.get(kind, {})
            options = student_options("lut_ema" if kind == "lut_ema" else "oim", **(length | special))
            if kind in ("seqnet", "qeeps"):
                options = with_head(options, kind)
            if kind == "channels_last":
                options = of_full_width(options)
            teacher = None
            if kind == "by_detector":
                torch.manual_seed(3)
                teacher = Detector(detector_options()).eval()
                options = options.model_copy(update={"detector_distillation": DetectorDistillationOptions()})
            network, history = train_student(
                prepared, options, Teachers(teacher_table(), teacher), report, checkpoints
            )
        return network.state_dict(), history

    return start


def stop_at(step, number=signal.SIGTERM):
    """Return a report that sends this process a signal after a step."""

    def report(done, *_values):
        if done == step:
            os.kill(os.getpid(), number)

    return report


def same(first, second):
    (weights, history), (other_weights, other_history) = first, second
    assert weights.keys() == other_weights.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, other_weights[name]), name
    assert history == other_history


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_twice_and_gone_on_is_never_stopped(kind, run, tmp_path):
    whole = run(kind)
    checkpoints = Checkpoints(tmp_path, steps=100)
    for step in (3, 5):
        with pytest.raises(Interrupted) as stopped:
            run(kind, stop_at(step), checkpoints)
        assert stopped.value.step == step
        torch.manual_seed(step)  # whatever happens in between
    same(whole, run(kind, checkpoints=checkpoints))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_it_may_go_on_with_other_workers(run, tmp_path, monkeypatch, workers):
    whole = run("oim")
    with pytest.raises(Interrupted):
        run("oim", stop_at(4, signal.SIGINT), Checkpoints(tmp_path, steps=100))
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", workers)
    same(whole, run("oim", checkpoints=Checkpoints(tmp_path, steps=100)))


def test_a_killed_training_goes_on_from_its_last_checkpoint(run, tmp_path):
    class Killed(BaseException):
        """Ends the training as a kill does: nothing is written any more."""

    def die(done, *_values):
        if done == 7:
            raise Killed

    whole = run("oim")
    with pytest.raises(Killed):
        run("oim", die, Checkpoints(tmp_path, steps=3))
    seen = []
    gone_on = run("oim", lambda done, *_: seen.append(done), Checkpoints(tmp_path, steps=3))
    assert seen == [7, 8]
    same(whole, gone_on)


def test_a_damaged_checkpoint_costs_steps_and_nothing_else(run, tmp_path):
    checkpoints = Checkpoints(tmp_path, steps=2)
    with pytest.raises(Interrupted):
        run("oim", stop_at(5), checkpoints)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="is damaged"):
        gone_on = run("oim", checkpoints=checkpoints)
    same(run("oim"), gone_on)


def test_a_training_whose_last_step_was_kept_has_nothing_left_to_do(run, tmp_path):
    checkpoints = Checkpoints(tmp_path, steps=STEPS)
    whole = run("detector", checkpoints=checkpoints)
    seen = []
    same(whole, run("detector", lambda *values: seen.append(values), checkpoints))
    assert not seen


def test_a_full_disk_leaves_the_checkpoint_before(run, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, steps=2)
    write = Checkpoints.write

    def full(self, step, state):
        if step == 4:
            raise OSError(28, "No space left on device", str(self.folder))
        write(self, step, state)

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.raises(OSError, match="No space left"):
        run("oim", checkpoints=checkpoints)
    monkeypatch.setattr(Checkpoints, "write", write)
    assert checkpoints.newest().step == 2
    same(run("oim"), run("oim", checkpoints=checkpoints))
