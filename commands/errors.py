"""How a command ends that does not end well: in one line on stderr, and with which exit code."""

from typing import Any

import click

from stages.support.errors import OneLineError, one_line_errors
from stages.support.running import show_notes

FAILED_CHECK_CODE = 1


class FailedCheckError(OneLineError):
    """A check that found something wrong."""

    exit_code = FAILED_CHECK_CODE


class CommandGroup(click.Group):
    """A group whose commands end in one line where the user made a mistake."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        show_notes()
        with one_line_errors(
            when_memory_is_short=": close other programs, or give less at once",
            when_stopped="run it again",
        ):
            return super().invoke(ctx)
