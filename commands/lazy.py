"""Imports at the moment of need, so that neither `--help` nor an error about a path waits for PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from commands.errors import CommandGroup
from person_search.extras import own


@dataclass(frozen=True)
class LazyCommand:
    """Where a command is (`package.module:name`), and the line about it in the list of commands."""

    place: str
    help: str


def imported(place: str) -> Any:
    """Return what is at `package.module:name`, imported now. Importing PyTorch takes seconds.

    Raises:
        UserError: the packages of the extra `pipeline` are not installed.
    """
    module, _, name = place.partition(":")
    return getattr(own(module, "pipeline"), name)


class LazyGroup(CommandGroup):
    """A `CommandGroup` some of whose commands are imported when they are needed."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now if it is a lazy one."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        command: click.Command = imported(self.lazy[cmd_name].place)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing the lazy ones."""
        lines = []
        for name in self.list_commands(ctx):
            command = None if name in self.lazy else super().get_command(ctx, name)
            lines.append((name, command.get_short_help_str() if command else self.lazy[name].help))
        with formatter.section("Commands"):
            formatter.write_dl(lines)
