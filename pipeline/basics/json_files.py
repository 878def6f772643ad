"""JSON files: written whole or not at all, the same bytes for the same content; read with one-line errors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file

INDENT = 2


def json_text(content: Mapping[str, Any], indent: int = INDENT) -> str:
    """Return content as a JSON file holds it. Raises `ValueError` where a number is NaN or infinite."""
    return json.dumps(content, indent=indent, allow_nan=False) + "\n"


def write_json(path: Path, content: Mapping[str, Any], indent: int = INDENT) -> None:
    """Write content as JSON.

    Args:
        path: the file; its folder is made.
        content: texts, numbers, lists and mappings; no NaN, no infinity.
        indent: spaces a level.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    write_atomically(path, json_text(content, indent))


def read_json(path: Path, *, absent: str, again: str) -> dict[str, Any]:
    """Return the mapping that a JSON file holds.

    Args:
        path: the file.
        absent: the whole line where there is none.
        again: what to do about a damaged one: "make it again with `dvc repro`".

    Raises:
        UserError: there is no such file, or it holds no JSON, NaN, or something else than a mapping.
        OSError: the system does not let it be read.
    """
    check_is_file(path, absent)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise damaged(path, again)
    return content


def damaged(path: Path, again: str) -> UserError:
    """Return the error of a file whose content is not what it should be.

    Args:
        path: the file.
        again: what to do about it.
    """
    return UserError(f"{path} is damaged; {again}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
