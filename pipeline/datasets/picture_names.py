"""The names of pictures that annotations give: each is a file below the data set's folder of pictures."""

from pathlib import PurePosixPath
from unicodedata import category

UNPRINTED = ("Cc", "Cs")
"""Unicode's categories of control characters and of halves of characters."""


def name_problem(name: str) -> str | None:
    """Return what is wrong with the name of a picture within its folder, or None where nothing is."""
    path = PurePosixPath(name)
    if any(category(character) in UNPRINTED for character in name):
        return "has a control character or half a character in it"
    if "\\" in name:
        return "has a backslash in it: separate folders by '/'"
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the folder of pictures"
    if path.as_posix() != name or not path.name:
        return f"is no plain name: write '{path.as_posix()}'" if path.name else "is no name"
    return None
