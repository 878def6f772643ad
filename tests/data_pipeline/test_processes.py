import os
import time

import pytest

from pipeline.basics.errors import UserError
from pipeline.data import processes
from pipeline.data.processes import ITEMS_PER_PROCESS, in_processes

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


@pytest.mark.parametrize("error", [UserError("scene 17 is broken"), FileNotFoundError(2, "gone", "a.jpg")])
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


def test_no_process_outlives_a_run_that_is_given_up():
    results = in_processes(lambda _: os.getpid(), MANY)
    worker = next(results)
    assert worker != os.getpid()
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
