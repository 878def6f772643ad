"""Packages that only some commands need, imported when they are."""

import importlib
from typing import Any

from pipeline.basics.errors import UserError

OWN = ("commands", "person_search", "pipeline", "stages")
"""The packages of this project."""


def needed(module: str, install: str) -> Any:
    """Return a module.

    Args:
        module: its name.
        install: the command that installs it.

    Raises:
        UserError: it is not installed; the message says how it is.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is there, and lacks something itself
        raise UserError(f"{error.name} is not installed, which this needs: {install}") from None


def own(module: str, extra: str) -> Any:
    """Return a module of this project that needs packages of an extra.

    Args:
        module: its name.
        extra: of pyproject.toml.

    Raises:
        UserError: a package is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OWN:
            raise
        raise UserError(
            f"{error.name} is not installed, which this needs: pip install '.[{extra}]'"
        ) from None
