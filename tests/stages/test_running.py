"""How a stage or a command ends that does not end well: in one line, with what was half made removed."""

import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from commands.errors import CommandGroup
from pipeline.basics.errors import UserError
from pipeline.basics.interruption import Interrupted
from stages.support.running import stage

LOST = "Error: a process that loads data failed or was killed"


def as_stage(function):
    return stage(function), []


def as_command(function):
    group = CommandGroup("main")
    group.add_command(click.command("do")(function))
    return group, ["do"]


@pytest.fixture(params=[as_stage, as_command], ids=["stage", "command"])
def run(request):
    """Run something as a stage or as a command; what it has open is closed in any case."""

    def run(what):
        closed = []

        def command():
            try:
                what()
            finally:
                closed.append(True)

        result = CliRunner().invoke(*request.param(command))
        assert closed
        return result

    return run


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
        fail(EOFError()),
        fail(RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")),
        by_two_errors,
    ],
)
def test_a_data_process_that_was_killed_is_one_line(what, run):
    result = run(what)
    assert result.exit_code == 2
    assert result.stderr.startswith(LOST)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("a.jpg is\nbroken"), 2, "Error: a.jpg is broken\n"),
        (UserError("2 are broken", ["a.jpg", "b.jpg"]), 2, "  a.jpg\n  b.jpg\nError: 2 are broken\n"),
        (PermissionError(13, "Permission denied", "a.h5"), 2, "cannot read or write a.h5: Permission denied"),
        (OSError("no disk"), 2, "Error: cannot read or write no disk\n"),
        (MemoryError(), 2, "Error: memory is short"),
        (Interrupted(signal.SIGINT, 7), 130, "Error: stopped by SIGINT after step 7; run it again"),
    ],
)
def test_what_a_user_can_cause_is_one_line(error, code, said, run):
    result = run(fail(error))
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_another_error_of_the_program_is_not_hidden(run):
    assert isinstance(run(fail(RuntimeError("a fault"))).exception, RuntimeError)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_what_is_open_and_is_said_in_one_line(number, run):
    before = signal.getsignal(number)
    result = run(lambda: os.kill(os.getpid(), number))
    assert result.exit_code == 128 + number
    assert result.stderr == f"Error: interrupted by {number.name} before it was done; run it again\n"
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_exit_code_stays_where_nobody_reads_the_line(number, run, monkeypatch):
    def broken(*_arguments, **_named):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("stages.support.errors.OneLineError.show", broken)
    assert run(lambda: os.kill(os.getpid(), number)).exit_code == 128 + number


TALKS = """
from commands.errors import CommandGroup
import click
main = CommandGroup("main")
@main.command()
def talk():
    for number in range(100_000):
        click.echo(number)
main()
"""


def test_output_that_nobody_reads_on_is_no_error():
    command = f"{sys.executable} -c '{TALKS}' talk | head -1"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (said.stdout, said.stderr) == ("0\n", "")
