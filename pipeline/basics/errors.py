"""The error a user can cause: one line that says what is wrong, where, and what to do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class UserError(Exception):
    """Bad input, from a user's point of view: commands print it in one line and exit with code 2.

    The message names the thing that is wrong, where it is, and what to do about it. It is never used for
    a fault of the program itself.

    Args:
        message: the line.
        details: what the line sums up, if it sums something up; printed before it, a line each.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put before an error the place that it is about: the file, or its entry."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}", error.details) from None
