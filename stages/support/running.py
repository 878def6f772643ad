"""How a stage is run: errors in one line, progress with the time left, one line about what was made."""

import logging
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from types import FrameType, TracebackType
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.basics.errors import UserError
from pipeline.basics.interruption import Interrupted

USER_ERROR_CODE = 2
SIGNAL_CODE = 128
"""Plus a signal's number: the exit code of a process that it ended."""
LINES_WITHOUT_TERMINAL = 10
DATA_PROCESS = ("DataLoader worker", "DataLoader timed out", "Too many open files")
"""What PyTorch's errors about a process that loads data start with. One comes at any moment, by a signal."""


class StageCommand(click.Command):
    """A click command that turns an error a user can cause into one line on stderr and exit code 2.

    These are `UserError`, and what the system says of files: a full disk, a folder that cannot be written to.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the stage."""
        show_notes()
        ends = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        if ends:
            signal.signal(signal.SIGTERM, _end)  # so that what is half made is removed
        try:
            return self._invoke(ctx)
        except RuntimeError as error:
            if not str(error).startswith(DATA_PROCESS):
                raise
            _fail_without_data()
        finally:
            if ends:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _invoke(self, ctx: click.Context) -> Any:
        quiet = signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # set by `stages/__init__.py`
        if quiet:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except UserError as error:
            for detail in error.details:
                click.echo(f"  {detail}", err=True)
            _fail(str(error))
        except Interrupted as interruption:
            _fail(f"{interruption}; run it again to go on from there", SIGNAL_CODE + interruption.signal)
        except (ConnectionError, EOFError):  # of pipes between processes; nothing else connects to anything
            _fail_without_data()
        except MemoryError:
            _fail("memory is short; a smaller batch_size or fewer PERSON_SEARCH_WORKERS needs less")
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            _fail(f"cannot read or write {what}")
        finally:
            if quiet:
                signal.signal(signal.SIGINT, signal.SIG_DFL)


class ShownProgress:
    """A progress bar on a terminal; elsewhere a line now and then. Use as a context manager."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._first: tuple[int, float] | None = None
        self._lines = 0

    def __enter__(self) -> "ShownProgress":
        """Show the bar."""
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._task = self._bar.add_task(self.what)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Show that `done` of `total` are done, with the newest values beside it."""
        shown = "  ".join(
            f"{name} {(values or {})[name]:.3f}" for name in ("total", "identity") if name in (values or {})
        )
        if self._first is None:
            # A training that goes on does not start at 0: the time left is judged by what is done from here.
            self._first = (done, time.monotonic())
            self._lines = done * LINES_WITHOUT_TERMINAL // total
            if self._bar is not None:
                self._bar.reset(self._task, completed=done, total=total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=f"{self.what}  {shown}")
        elif done * LINES_WITHOUT_TERMINAL // total > self._lines:
            self._lines = done * LINES_WITHOUT_TERMINAL // total
            first, started = self._first
            left = (time.monotonic() - started) / (done - first) * (total - done)
            click.echo(f"{self.what}: {done}/{total}, {left:.0f} s left  {shown}", err=True)


def stage(function: Callable[..., None]) -> click.Command:
    """Make a function the command of a stage."""
    return click.command(cls=StageCommand)(function)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(SIGNAL_CODE + number)


def _fail_without_data() -> NoReturn:
    _fail(
        "a process that loads data failed or was killed (is memory short, or `ulimit -n` low? "
        "PERSON_SEARCH_WORKERS says how many there are); run it again to go on"
    )


def _fail(line: str, code: int = USER_ERROR_CODE) -> NoReturn:
    click.echo(f"Error: {' '.join(line.split())}", err=True)
    sys.exit(code)


class _Notes(logging.Handler):
    """Prints what the library notes, a line each, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


def show_notes() -> None:
    """Print what the library notes from now on: which weights were taken, for instance.

    Where the terminal lacks a character, a `?` stands for it. Pillow's remarks on odd pictures are no news.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    notes = logging.getLogger("pipeline")
    notes.setLevel(logging.INFO)
    if not any(isinstance(handler, _Notes) for handler in notes.handlers):
        notes.addHandler(_Notes())


def say(text: str) -> None:
    """Say what a stage made, in one line."""
    click.echo(text)
