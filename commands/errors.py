"""One line on stderr instead of a traceback, for every command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from pydantic import ValidationError

from pipeline.basics.errors import UserError
from stages.support.running import show_notes

USER_ERROR = 2
FAILED_CHECK = 1


class CommandError(click.ClickException):
    """A user's error, printed as `Error: ...` by click."""

    exit_code = USER_ERROR


class FailedCheckError(CommandError):
    """A check that found something wrong."""

    exit_code = FAILED_CHECK


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what a user can cause into one line on stderr and exit code 2."""
    try:
        yield
    except UserError as error:
        raise CommandError(_joined(str(error))) from None
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise CommandError(_joined(f"cannot read or write {what}")) from None
    except MemoryError:
        raise CommandError("memory is short: close other programs, or give less at once") from None
    except ValidationError as error:
        first, *others = error.errors()
        key = ".".join(str(part) for part in first["loc"])
        more = f" (and {len(others)} more)" if others else ""
        raise CommandError(_joined(f"{key or error.title}: {first['msg']}{more}")) from None


class CommandGroup(click.Group):
    """A group whose commands end in one line where the user made a mistake."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        show_notes()
        with one_line_errors():
            return super().invoke(ctx)


def _joined(message: str) -> str:
    return " ".join(message.split())
