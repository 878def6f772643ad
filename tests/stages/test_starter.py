"""A stage's process ends when DVC is killed, and only then."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from stages.support.starter import SECONDS, _is_gone

STAGE = """
import os, time
from stages.support.starter import end_with_dvc
end_with_dvc()
print(os.getpid(), flush=True)
time.sleep(600)
"""
DVC = """
import os, subprocess, sys
subprocess.run(sys.argv[2:], env={**os.environ, sys.argv[1]: "train_it"}, check=False)
"""
PATIENCE = 30.0


@pytest.fixture
def start():
    """Start something in DVC's place, which starts the stage through a shell; return both processes."""
    started = []

    def start(shell, ending, variable):
        command = f"'{sys.executable}' -c '{STAGE}'{ending}"
        starter = subprocess.Popen(
            [sys.executable, "-c", DVC, variable, shell, "-c", command], stdout=subprocess.PIPE, text=True
        )
        assert starter.stdout is not None
        stage = psutil.Process(int(starter.stdout.readline()))
        started.append((starter, stage))
        return starter, stage

    yield start
    for starter, stage in started:
        starter.kill()
        if stage.is_running():
            stage.kill()  # it holds the other end of the pipe
        starter.communicate()


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "a-shell-of-ones-own"])
@pytest.mark.parametrize("ending", ["", "; true"])
def test_it_ends_with_dvc_whatever_stands_between(shell, ending, start, tmp_path):
    if "/" not in shell:
        shell = shutil.copy("/bin/sh", tmp_path / shell)
    if not Path(shell).exists():
        pytest.skip(f"no {shell} here")
    starter, stage = start(shell, ending, "DVC_STAGE")
    time.sleep(3 * SECONDS)
    assert stage.is_running()
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    psutil.wait_procs([stage], timeout=PATIENCE)
    assert not stage.is_running()


def test_it_ends_with_the_shell_between(start):
    """DVC then takes the stage for failed."""
    _starter, stage = start("/bin/sh", "; true", "DVC_STAGE")
    stage.parent().kill()
    psutil.wait_procs([stage], timeout=PATIENCE)
    assert not stage.is_running()


DEAF = """
import os, signal, sys, time
from stages.support import starter
starter.GRACE = 1.0
signal.signal(signal.SIGTERM, lambda *_: print("deaf", flush=True))
starter.end_with_parent()
print(os.getpid(), flush=True)
while True:
    time.sleep(600)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=False)"


def test_what_does_not_end_when_asked_is_killed():
    """As one that waits for ever for another process that was killed."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, DEAF], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    deaf = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    psutil.wait_procs([deaf], timeout=PATIENCE)
    assert not deaf.is_running()
    assert parent.communicate()[0] == "deaf\n"


def test_without_dvc_it_does_not(start):
    starter, stage = start("/bin/sh", "", "NOT_DVC_STAGE")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    time.sleep(3 * SECONDS)
    assert stage.is_running()


@pytest.mark.parametrize(("name", "gone"), [("systemd", True), ("dvc", False), ("python3.11", False)])
def test_dvc_that_was_gone_before_is_known_by_the_first_process(name, gone):
    first = cast(Any, SimpleNamespace(pid=1, name=lambda: name, is_running=lambda: True, status=lambda: ""))
    assert _is_gone(first) == gone


@pytest.mark.parametrize(("name", "gone"), [("systemd", True), ("dvc", False), ("slurmstepd", False)])
def test_or_by_what_takes_over_a_users_processes(name, gone):
    """On a desktop `systemd --user` does, which is not the first process."""
    above = cast(Any, SimpleNamespace(pid=700, name=lambda: name, is_running=lambda: True, status=lambda: ""))
    assert _is_gone(above) == gone


def test_dvc_is_watched_before_anything_large_is_imported():
    code = "import sys, threading, stages; print(len(threading.enumerate()), 'torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DVC_STAGE": "train_it"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "2 False"
