import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.basics.errors import UserError
from pipeline.datasets import processes
from pipeline.datasets.processes import AHEAD, AT_ONCE, ITEMS_PER_PROCESS, in_processes

MANY = range(3, 3 + 4 * ITEMS_PER_PROCESS)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(processes.os, "cpu_count", lambda: 2)


@pytest.mark.parametrize("indices", [range(0), range(5), MANY], ids=["none", "few", "many"])
def test_results_come_in_order(indices):
    assert list(in_processes(lambda index: index**2, indices)) == [index**2 for index in indices]


def test_many_are_shared_between_processes():
    def where(index):
        time.sleep(0.002)
        return os.getpid()

    assert len(set(in_processes(where, MANY)) - {os.getpid()}) == 2
    assert set(in_processes(where, range(5))) == {os.getpid()}


@pytest.mark.parametrize(
    "error",
    [
        UserError("scene 17 is broken"),
        UserError("2 are broken", ["a.jpg", "b.jpg"]),
        FileNotFoundError(2, "gone", "a"),
    ],
)
@pytest.mark.parametrize("count", [20, len(MANY)])
def test_the_first_error_is_raised_as_it_is(error, count):
    def fails_from_17(index):
        if index == 17:
            raise error
        if index > 17:
            raise UserError("a later one")
        return index

    with pytest.raises(type(error)) as raised:
        list(in_processes(fails_from_17, range(count)))
    assert str(raised.value) == str(error)
    assert getattr(raised.value, "filename", None) == getattr(error, "filename", None)
    assert getattr(raised.value, "details", None) == getattr(error, "details", None)


def test_no_process_outlives_a_run_that_is_given_up():
    results = in_processes(lambda _: os.getpid(), MANY)
    worker = next(results)
    assert worker != os.getpid()
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_one_that_is_killed_is_told_of_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.5)

    def dies_at_17(index):
        if index == 17:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    with pytest.raises(UserError, match="was killed"):
        list(in_processes(dies_at_17, MANY))


SENT = 100_000_000
"""Bytes: so many that a process is killed while it sends them."""


@pytest.mark.parametrize("moment", [0.05, 0.1, 0.15])
def test_one_that_is_killed_while_it_sends_is_not_waited_for(moment, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.5)

    def dies_later(index):
        if index == 17:
            threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return bytes(SENT)
        time.sleep(0.01 if index > 17 else 0)
        return index

    with pytest.raises(UserError, match="was killed"):
        list(in_processes(dies_later, MANY))


def test_no_more_results_are_computed_than_can_be_held():
    computed = multiprocessing.get_context("fork").Value("i", 0)

    def counted(index):
        with computed:
            computed.value += 1
        return index

    results = in_processes(counted, range(1000))
    next(results)
    time.sleep(0.5)
    assert computed.value <= 2 * AHEAD * AT_ONCE
    assert len(list(results)) == 999


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_asked_to_stop_stops_with_all_processes_at_once(number):
    said = subprocess.run(
        [sys.executable, "-c", STOPPED.replace("NUMBER", str(int(number)))],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert said.stdout.splitlines()[-1] == "ended"
    assert said.returncode == 9
    assert said.stderr == ""


STOPPED = """
import os, signal, sys, time
from pipeline.datasets import processes
processes.os.cpu_count = lambda: 2
signal.signal(NUMBER, lambda *_: sys.exit(9))
def slow(index):
    time.sleep(0.01 if index < 40 else 60)
    return bytes(100_000)
try:
    for number, worker in enumerate(processes.in_processes(slow, range(400))):
        if number == 20:
            os.kill(os.getpid(), NUMBER)
finally:
    assert not processes.active_children()
    print("ended", flush=True)
"""

ORPHANS = """
import os, signal, sys, time
from pipeline.datasets import processes
processes.os.cpu_count = lambda: 2
def slow(index):
    time.sleep(0.05)
    return os.getpid()
for number, worker in enumerate(processes.in_processes(slow, range(400))):
    print(worker, flush=True)
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_whose_starter_was_killed_end_without_a_word():
    said = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, check=False)
    assert said.returncode == -signal.SIGKILL
    assert said.stderr == ""  # it is theirs too: all have ended
    assert len(set(said.stdout.split())) == 2
