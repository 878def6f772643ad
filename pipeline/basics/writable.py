"""Whether a file can be written, asked before the long work that makes it."""

from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import NamedTuple

from pipeline.basics.errors import UserError

TRIED = ".person-search-"
"""What the name of a file or folder starts with that is made only to see whether it can be."""


class Obstacle(NamedTuple):
    """Why a file cannot be written, and what to do about it, which may be nothing."""

    reason: str
    advice: str = ""


def obstacle_to(path: Path) -> Obstacle | None:
    """Return why a file could not be written; None where it could. Its folder need not be there yet.

    The system is asked by making something else there, which is removed at once: permissions do not say all.

    Raises:
        OSError: the system does not let it be looked at.
    """
    folder = path.parent
    there = next((part for part in (folder, *folder.parents) if part.exists() or part.is_symlink()), Path())
    if not there.is_dir():
        return Obstacle(f"{there} is a file", "give a folder")
    if path.is_dir():
        return Obstacle(f"{path} is a folder, so no file can be written there")
    try:
        if there == folder:
            NamedTemporaryFile(dir=there, prefix=TRIED).close()
        else:
            TemporaryDirectory(dir=there, prefix=TRIED).cleanup()
    except OSError as error:
        return Obstacle(f"nothing can be written to {there} ({error.strerror})", "give another folder")
    return None


def check_can_write(*paths: Path) -> None:
    """Check that files can be written. Raises what `obstacle_to` raises, and `UserError` where one cannot."""
    for path in paths:
        if obstacle := obstacle_to(path):
            raise UserError(f"{path} could not be written at the end: {obstacle.reason}")
