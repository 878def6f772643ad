"""Checks of where a command is run and of the files that it is given, before PyTorch is imported."""

import os
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file
from pipeline.inference.own_pictures.printable import printable

PIPELINE = Path("dvc.yaml")


def require_project(otherwise: str = "") -> None:
    """Check that the current folder is the root of a project.

    Args:
        otherwise: what can be done elsewhere; put behind the advice.

    Raises:
        UserError: there is no dvc.yaml.
    """
    if not PIPELINE.is_file():
        raise UserError(f"no {PIPELINE} here; run this in the project's root{otherwise}")


def check_weights(path: Path) -> None:
    """Check that a weight file is there. Raises what `check_is_file` raises."""
    check_is_file(path, f"no weight file at {path}; run `dvc repro` or `dvc pull` first")


def check_can_make(folder: Path, option: str) -> None:
    """Check, without making it, that a folder is there or can be made, and that files can be made in it.

    Args:
        folder: where something is to be written at the end of a long search.
        option: what the user calls it.

    Raises:
        UserError: a part of the path is no folder, or the system does not let anything be made in it.
        OSError: the system does not let it be looked at.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists() or path.is_symlink()), Path())
    what = f"{option} {printable(folder)}:"
    if not there.is_dir():
        raise UserError(f"{what} {printable(there)} is a file; give a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{what} nothing can be written to {printable(there)}; give another folder")
