"""Signals while a training runs."""

import os
import signal

import pytest

from pipeline.basics.interruption import Interruption


@pytest.mark.parametrize(("number", "effect"), [(signal.SIGTERM, []), (signal.SIGINT, [signal.SIGINT])])
def test_the_first_is_noted_and_a_second_ctrl_c_takes_effect(number, effect):
    """A second SIGTERM may be the system's, for another thread of the same dead parent."""
    taken = []
    before = signal.signal(number, lambda received, _frame: taken.append(received))
    try:
        with Interruption() as interruption:
            assert interruption.signal is None
            os.kill(os.getpid(), number)
            assert interruption.signal == number
            assert not taken
            os.kill(os.getpid(), number)
            assert taken == effect
        os.kill(os.getpid(), number)
        assert taken == [*effect, number]
    finally:
        signal.signal(number, before)


def test_a_process_that_loads_data_is_left_to_its_training():
    with Interruption() as interruption:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7 if interruption.signal is None else 8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert interruption.signal is None
