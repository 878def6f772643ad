"""Checks of where a command is run and of the files that it is given, before PyTorch is imported."""

import os
from pathlib import Path
from typing import Any

import click

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file
from pipeline.basics.writable import obstacle_to
from pipeline.inference.own_pictures.printable import printable

PIPELINE = Path("dvc.yaml")


class GivenPath(click.Path):
    """A path of the command line. An empty text, which Python takes for the current folder, is refused."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the path. Raises `UserError` where the text is empty."""
        if value == "":
            name = param.opts[0] if param else self.name
            raise UserError(f"{name} is empty (a shell's variable that is not set?); give a path")
        return super().convert(value, param, ctx)


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


def check_can_make(folder: Path, name: str, option: str) -> None:
    """Check that a file can be made in a folder, which is made later where it is not there.

    Args:
        folder: where something is to be written at the end of long work.
        name: of the file.
        option: what the user calls the folder.

    Raises:
        UserError: a part of the path is no folder, the file is one, or nothing can be made in the folder: see
            `obstacle_to`.
        OSError: the system does not let it be looked at.
    """
    if obstacle := obstacle_to(folder / name):
        advice = f"; {obstacle.advice}" if obstacle.advice else ""
        raise UserError(f"{option} {printable(folder)}: {printable(obstacle.reason)}{advice}")
