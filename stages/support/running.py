"""How a stage is run: errors in one line, progress with the time left, one line about what was made."""

import logging
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from types import TracebackType
from typing import Any

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

from pipeline.basics.launchers import rank
from stages.support.errors import one_line_errors

LINES_WITHOUT_TERMINAL = 10


class StageCommand(click.Command):
    """A click command that ends in one line where the user made a mistake: see `one_line_errors`.

    Attributes:
        together: whether all processes that a launcher has started run it, or the first alone.
    """

    together = False

    def invoke(self, ctx: click.Context) -> Any:
        """Run the stage."""
        show_notes()
        if not self.together and rank() > 0:
            return None
        with one_line_errors(
            when_memory_is_short="; a smaller batch_size or fewer PERSON_SEARCH_WORKERS needs less",
            when_stopped="run it again to go on from there",
        ):
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        """Run it so that Ctrl-C can be handled, which `stages/__init__.py` has kept from being so far."""
        quiet = signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        if quiet:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        finally:
            if quiet:
                signal.signal(signal.SIGINT, signal.SIG_DFL)


class ShownProgress:
    """A progress bar on a terminal; elsewhere a line now and then. Use as a context manager.

    Args:
        what: what is done; it stands before the bar and may be changed in between.
        only_on_terminal: show nothing elsewhere.
    """

    def __init__(self, what: str, only_on_terminal: bool = False) -> None:
        self.what = what
        self._silent = only_on_terminal or rank() > 0
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._first: tuple[int, float] | None = None
        self._lines = 0

    def __enter__(self) -> "ShownProgress":
        """Show the bar."""
        if self._console.is_terminal and rank() == 0:
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

    def begin(self, what: str) -> None:
        """Show the progress of something else from now on."""
        self.what, self._first, self._lines = what, None, 0

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
        elif not self._silent and done * LINES_WITHOUT_TERMINAL // total > self._lines:
            self._lines = done * LINES_WITHOUT_TERMINAL // total
            first, started = self._first
            left = (time.monotonic() - started) / (done - first) * (total - done)
            click.echo(f"{self.what}: {done}/{total}, {left:.0f} s left  {shown}", err=True)


class JointCommand(StageCommand):
    """The same for a stage that several devices run together."""

    together = True


def stage(function: Callable[..., None]) -> click.Command:
    """Make a function the command of a stage."""
    return click.command(cls=StageCommand)(function)


def joint_stage(function: Callable[..., None]) -> click.Command:
    """Make a function the command of a stage that several devices run together."""
    return click.command(cls=JointCommand)(function)


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
    """Say what a stage made, in one line; of processes that work together, only the first does."""
    if rank() == 0:
        click.echo(text)
