"""Names that a person gives, as text that can be printed in one line."""

import unicodedata
from pathlib import Path

CONTROL = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that end a line, move the cursor, turn the text's direction, or are no character."""


def printable(name: Path | str) -> str:
    r"""Return a file's name as one line of text; what cannot be printed is written as `\n` or `\xff`.

    A name on disk may be any bytes: those that are no UTF-8 come from Python as surrogates, which cannot be
    encoded, and a name may hold a line's end.
    """
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(_escaped(char) if unicodedata.category(char) in CONTROL else char for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
