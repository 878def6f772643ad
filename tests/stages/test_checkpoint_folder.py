"""Which checkpoints a stage takes for its own."""

import errno
import fcntl
import multiprocessing
import os
import sys
import time
import types

import pytest

import pipeline.training.engine.loop
from pipeline.basics.errors import UserError
from stages.support import own_folder as module
from stages.support.checkpoint_folder import resuming
from stages.support.own_folder import OTHERS_KEPT, fingerprint
from tests.training.test_trainings import student_options

INPUTS = {"data": "aa", "table": "bb"}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def enter(inputs=None, options=None, stage="train_student@kd_lut"):
    chosen = options or student_options()
    return resuming(stage, chosen, inputs or INPUTS)


def leave_a_state(**changes):
    """Be killed after a checkpoint."""
    with pytest.raises(KeyboardInterrupt), enter(**changes) as checkpoints:
        checkpoints.write(5, {"inputs": changes.get("inputs", INPUTS)})
        raise KeyboardInterrupt


def test_a_state_is_found_again_and_gone_when_all_is_written(capsys, tmp_path):
    leave_a_state()
    with enter() as checkpoints:
        assert checkpoints.newest() == (5, {"inputs": INPUTS})
        assert "train_student@kd_lut: going on after step 5" in capsys.readouterr().err
    with enter() as checkpoints:
        assert checkpoints.newest() is None
    assert not [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": INPUTS | {"data": "cc"}},
        {"inputs": INPUTS | {"table": "cc"}},
        {"options": student_options(seed=1)},
        {"options": student_options(steps=99)},
        {"options": student_options("oim")},
        {"stage": "train_student@other"},
    ],
)
def test_a_state_of_something_else_is_not_taken(changes):
    leave_a_state()
    with enter(**changes) as checkpoints:
        assert checkpoints.newest() is None
    with enter() as checkpoints:
        assert checkpoints.newest().step == 5


def test_a_state_of_other_code_or_another_library_is_not_taken(monkeypatch, tmp_path):
    before = fingerprint("stage", student_options(), INPUTS)
    assert fingerprint("stage", student_options(), INPUTS) == before
    monkeypatch.setattr(module.torchvision, "__version__", "0.0")
    other_library = fingerprint("stage", student_options(), INPUTS)
    (tmp_path / "changed.py").write_text("")
    monkeypatch.setattr(pipeline.training.engine.loop, "__file__", str(tmp_path / "changed.py"))
    assert len({before, other_library, fingerprint("stage", student_options(), INPUTS)}) == 3


def test_only_code_that_the_training_has_loaded_is_its_own(monkeypatch, tmp_path):
    before = fingerprint("stage", student_options(), INPUTS)
    (tmp_path / "other.py").write_text("")
    other = types.ModuleType("other")
    other.__file__ = str(tmp_path / "other.py")
    monkeypatch.setitem(sys.modules, "another_project.other", other)
    assert fingerprint("stage", student_options(), INPUTS) == before
    monkeypatch.setitem(sys.modules, "pipeline.other", other)
    assert fingerprint("stage", student_options(), INPUTS) != before


@pytest.mark.parametrize("variable", ["PERSON_SEARCH_DEVICES", "PERSON_SEARCH_THREADS"])
def test_a_state_of_more_devices_or_threads_is_not_taken(variable, monkeypatch):
    leave_a_state()
    monkeypatch.setenv(variable, "3")
    with enter() as checkpoints:
        assert checkpoints.newest() is None


def test_old_states_of_other_inputs_do_not_pile_up(tmp_path):
    for number in range(OTHERS_KEPT + 3):
        leave_a_state(inputs={"data": str(number)})
        time.sleep(0.01)
    stage = tmp_path / "checkpoints/train_student@kd_lut"
    assert len(list(stage.iterdir())) == OTHERS_KEPT + 1
    with enter(inputs={"data": str(OTHERS_KEPT + 2)}) as checkpoints:
        assert checkpoints.newest().step == 5


def _train(entered, leave):
    with enter():
        entered.set()
        leave.wait(20)


def test_one_trainer_a_stage_and_the_lock_of_a_dead_one_is_free():
    context = multiprocessing.get_context("fork")
    entered, leave = context.Event(), context.Event()
    other = context.Process(target=_train, args=(entered, leave))
    other.start()
    assert entered.wait(20)
    try:
        with pytest.raises(UserError, match=r"another process is running train_student@kd_lut"), enter():
            pass
        with enter(stage="train_student@kd_both"):
            pass
    finally:
        other.kill()
        other.join()
    with enter():
        pass


def test_a_system_without_processes_left_is_not_another_training():
    with pytest.raises(BlockingIOError, match="fork"), enter():
        raise BlockingIOError(11, "fork: Resource temporarily unavailable")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_on_a_disk_without_locks_it_trains_and_says_so(number, monkeypatch, capsys):
    def refused(_opened, _operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with enter() as checkpoints:
        assert checkpoints.newest() is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train_student@kd_lut: the disk of checkpoints/train_student@kd_lut has no locks")


def test_another_failure_of_the_lock_names_the_folder(monkeypatch):
    def refused(_opened, _operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(OSError, match="Input/output") as error, enter():
        pass
    assert error.value.filename == "checkpoints/train_student@kd_lut"


@pytest.mark.parametrize("variable", ["PERSON_SEARCH_CHECKPOINT_STEPS", "PERSON_SEARCH_CHECKPOINT_SECONDS"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "often", "9" * 5000])
def test_a_wrong_interval_is_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=variable), enter():
        pass


def test_the_folder_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("PERSON_SEARCH_CHECKPOINT_DIR", str(tmp_path / "scratch"))
    leave_a_state()
    assert list((tmp_path / "scratch").rglob("step-*.safetensors"))
    assert not (tmp_path / "checkpoints").exists()


def test_an_empty_variable_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PERSON_SEARCH_CHECKPOINT_DIR", "")
    leave_a_state()
    assert list((tmp_path / "checkpoints").rglob("step-*.safetensors"))
