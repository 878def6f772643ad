"""How a stage ends that does not end well: in one line, with what was half made removed."""

import os
import signal

import pytest
from click.testing import CliRunner

from stages.support.running import stage

LOST = "Error: a process that loads data failed or was killed"


def run(what):
    """Run a stage that does something; what it has open is closed in any case."""
    closed = []

    @stage
    def command():
        try:
            what()
        finally:
            closed.append(True)

    result = CliRunner().invoke(command, [])
    assert closed
    return result


def fail(error):
    def do():
        raise error

    return do


def by_two_errors():
    """As PyTorch does: its signal comes while the first error is on its way."""
    try:
        raise ConnectionResetError(104, "Connection reset by peer")
    finally:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")


@pytest.mark.parametrize(
    "what",
    [
        fail(ConnectionResetError(104, "Connection reset by peer")),
        fail(RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")),
        by_two_errors,
    ],
)
def test_a_data_process_that_was_killed_is_one_line(what):
    result = run(what)
    assert result.exit_code == 2
    assert result.stderr.startswith(LOST)
    assert len(result.stderr.splitlines()) == 1


def test_another_error_of_the_program_is_not_hidden():
    assert isinstance(run(fail(RuntimeError("a fault"))).exception, RuntimeError)


def test_sigterm_closes_what_is_open_and_does_what_it_did_before():
    before = signal.getsignal(signal.SIGTERM)
    result = run(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert result.exit_code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
