"""Reading a YAML file that a person wrote."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.basics.errors import UserError


def read_yaml(path: Path, if_missing: str) -> Any:
    """Return what is in a YAML file.

    Args:
        path: the file.
        if_missing: the message where there is no such file.

    Raises:
        UserError: it is missing, no text in UTF-8, or no valid YAML.
    """
    if not path.is_file():
        raise UserError(if_missing)
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
