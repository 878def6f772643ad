"""How threads wait is chosen wherever a network runs, unless the user has said it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.basics import busy_machine
from pipeline.basics.busy_machine import (
    BUSY_SPINS,
    QUIET_SPINS,
    SPIN_VARIABLE,
    SPINS,
    WAIT_VARIABLE,
    choose_waiting,
    is_busy,
)

ROOT = Path(__file__).parents[1]
PROGRAM = """
import importlib, os, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), flush=True)
            os._exit(0)  # what comes then takes seconds
sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
sys.exit("it does not import PyTorch")
"""
SLICES = """
import os, threading
from pipeline.basics import busy_machine
said = [busy_machine.has_short_slices()]
thread = threading.Thread(target=lambda: said.append(busy_machine.has_short_slices()))
thread.start()
thread.join()
print(*said, os.nice(0))
"""
ENTRIES = (
    "stages.train_detector",
    "stages.infer",
    "commands.tuning",
    "benchmarks.training",
    "tests.tiny",
)


def clean(**more):
    return {k: v for k, v in os.environ.items() if k not in (SPIN_VARIABLE, WAIT_VARIABLE)} | more


@pytest.mark.parametrize("module", ENTRIES)
def test_it_is_set_before_pytorch_is_imported(module):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, module],
        cwd=ROOT,
        env=clean(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() in map(str, (SPINS, QUIET_SPINS, BUSY_SPINS))


@pytest.mark.parametrize(
    ("slices", "busy", "spins"),
    [
        (True, True, SPINS),
        (True, False, SPINS),
        (False, True, BUSY_SPINS),
        (False, False, QUIET_SPINS),
    ],
)
def test_without_short_slices_the_load_decides(slices, busy, spins, monkeypatch):
    monkeypatch.delenv(SPIN_VARIABLE, raising=False)
    monkeypatch.delenv(WAIT_VARIABLE, raising=False)
    monkeypatch.setattr(busy_machine, "has_short_slices", lambda: slices)
    monkeypatch.setattr(busy_machine, "is_busy", lambda: busy)
    choose_waiting()
    assert os.environ[SPIN_VARIABLE] == str(spins)


def test_threads_have_the_slices_that_were_asked_for():
    """And the nice value of before. A kernel that does not know them, or another processor, says no."""
    said = subprocess.run(
        [sys.executable, "-c", SLICES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.nice(3),
    ).stdout.split()
    assert said in (["True", "True", "3"], ["False", "False", "3"])


@pytest.mark.parametrize("machine", ["riscv64", "x86_64"])
def test_a_machine_without_them_is_left_alone(machine, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(busy_machine, "SET_AND_GET", {"x86_64": (100_000, 100_001)})
    assert not busy_machine.has_short_slices()


@pytest.mark.parametrize("variable", [SPIN_VARIABLE, WAIT_VARIABLE])
def test_what_the_user_says_stays(variable, monkeypatch):
    for name in (SPIN_VARIABLE, WAIT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "active")
    choose_waiting()
    assert os.environ[variable] == "active"
    assert (variable == SPIN_VARIABLE) == (SPIN_VARIABLE in os.environ)


@pytest.mark.parametrize(
    ("running", "cores", "busy"),
    [(1, 2, False), (2, 2, True), (4, 2, True), (2, 4, False), (15, 16, False), (16, 16, True)],
)
def test_busy_is_where_fewer_cores_are_left_than_threads(running, cores, busy, monkeypatch, tmp_path):
    (tmp_path / "loadavg").write_text(f"0.1 0.2 0.3 {running}/145 4711\n")
    monkeypatch.setattr(busy_machine, "RUNNING", tmp_path / "loadavg")
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert is_busy() == busy


@pytest.mark.parametrize("content", [None, "", "0.1", "0.1 0.2 0.3 x/y"])
def test_unknown_is_not_busy(content, monkeypatch, tmp_path):
    if content is not None:
        (tmp_path / "loadavg").write_text(content)
    monkeypatch.setattr(busy_machine, "RUNNING", tmp_path / "loadavg")
    assert not is_busy()
