"""What a user can cause ends in one line on stderr and an exit code, in a stage and in a command alike."""

import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import click
from pydantic import ValidationError

from pipeline.basics.errors import UserError
from pipeline.basics.interruption import Interrupted

USER_ERROR_CODE = 2
SIGNAL_CODE = 128
"""Plus a signal's number: the exit code of a process that it ended."""
DATA_PROCESS = ("DataLoader worker", "DataLoader timed out", "Too many open files")
"""What PyTorch's errors about a process that loads data start with. One comes at any moment, by a signal."""
WITHOUT_OTHERS = "another process that works along ended or cannot be reached any more"
WITHOUT_DATA = (
    "a process that loads data failed or was killed (is memory short, or `ulimit -n` low? "
    "PERSON_SEARCH_WORKERS says how many there are); run it again to go on"
)


class OneLineError(click.ClickException):
    """An error that click prints as `Error: ...`, in one line, before it ends the program."""

    exit_code = USER_ERROR_CODE

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class _Terminated(SystemExit):
    """SIGTERM, outside of a training."""


@contextmanager
def one_line_errors(*, when_memory_is_short: str, when_stopped: str) -> Iterator[None]:
    """Turn what a user can cause into a `OneLineError`; after SIGTERM or Ctrl-C, remove what is half made.

    A user's errors are `UserError`, wrong options, and what the system says of files, memory and processes.
    After a signal the line says which one came, and the exit code is that of a program that it ended.

    Args:
        when_memory_is_short: what to do about it.
        when_stopped: what to do after a training was asked to stop.
    """
    with _ended_by_sigterm():
        try:
            with _translated(when_memory_is_short, when_stopped):
                yield
        except RuntimeError as error:  # also while another error is translated
            if str(error).startswith(DATA_PROCESS):
                raise OneLineError(WITHOUT_DATA) from None
            if type(error).__name__ == "DistBackendError" or "gloo" in str(error):
                raise OneLineError(f"{WITHOUT_OTHERS}; {when_stopped}") from None
            raise


@contextmanager
def _translated(when_memory_is_short: str, when_stopped: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        for detail in error.details:
            click.echo(f"  {detail}", err=True)
        raise OneLineError(str(error)) from None
    except Interrupted as interruption:
        _end_after(interruption.signal, f"{interruption}; {when_stopped}")
    except (_Terminated, KeyboardInterrupt) as ending:
        number = signal.SIGTERM if isinstance(ending, _Terminated) else signal.SIGINT
        _end_after(number, f"interrupted by {number.name} before it was done; run it again")
    except (ConnectionError, EOFError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            raise  # click ends the program without a word
        # Of a pipe between processes: nothing else connects to anything.
        raise OneLineError(WITHOUT_DATA) from None
    except MemoryError:
        raise OneLineError(f"memory is short{when_memory_is_short}") from None
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise OneLineError(f"cannot read or write {what}") from None
    except ValidationError as error:
        first, *others = error.errors()
        key = ".".join(str(part) for part in first["loc"])
        more = f" (and {len(others)} more)" if others else ""
        raise OneLineError(f"{key or error.title}: {first['msg']}{more}") from None


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the program as an error does, unless somebody else handles it."""
    ends = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if ends:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if ends:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated(SIGNAL_CODE + number)


def _end_after(number: int, line: str) -> NoReturn:
    """End the program after a signal. Whoever read its errors may be gone."""
    with suppress(OSError):
        OneLineError(line).show()
    sys.exit(SIGNAL_CODE + number)


def _nobody_reads() -> bool:
    """Tell whether who read this program's output, `head` for instance, is gone."""
    output = select.poll()
    try:
        output.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # no file, in a test for instance
        return False
    return any(event & select.POLLERR for _, event in output.poll(0))
