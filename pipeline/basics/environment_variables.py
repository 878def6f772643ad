"""Numbers that a user sets in the environment."""

import os

from pipeline.basics.errors import UserError


def whole_number(variable: str, default: int, least: int, most: int) -> int:
    """Return the whole number that a variable of the environment holds, the default where it is not set.

    Raises:
        UserError: it holds something else, or a number below `least` or above `most`.
    """
    text = os.environ.get(variable, str(default))
    # The length first: Python converts no text of thousands of digits.
    if (
        not (text.isascii() and text.isdecimal())
        or len(text) > len(str(most))
        or not least <= int(text) <= most
    ):
        raise UserError(f"{variable}={text[:40]}: it must be a whole number from {least} to {most}")
    return int(text)
