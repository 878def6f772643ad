"""Numbers that a user sets in the environment."""

import os

from pipeline.basics.errors import UserError

THREADS_VARIABLE = "PERSON_SEARCH_THREADS"
CPU_THREADS = 2
"""The default on every machine, since the number changes the last bits of what is learned."""
MOST_THREADS = 1024
"""A limit far above any use: a mistyped number must not overload the machine."""


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


def cpu_threads() -> int:
    """Return the number of threads on the CPU, `PERSON_SEARCH_THREADS`; raises what `whole_number` raises."""
    return whole_number(THREADS_VARIABLE, CPU_THREADS, least=1, most=MOST_THREADS)
