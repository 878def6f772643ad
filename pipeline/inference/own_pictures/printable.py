"""File names of a user as text that prints on one line."""

import unicodedata
from pathlib import Path

CONTROL = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of characters that break a line, change the text's direction or cannot be printed."""


def printable(name: Path | str) -> str:
    r"""Return a file's name as one line of text; bytes that cannot be printed are written as `\n` or `\xff`.

    On disk a name may have any bytes, even a line's end. Python reads bytes that are not UTF-8 as surrogates,
    which cannot be encoded.
    """
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(_escaped(char) if unicodedata.category(char) in CONTROL else char for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
