"""Packages that only some commands need, imported when they are."""

import importlib
from typing import Any

from pipeline.basics.errors import UserError


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
