"""Reading params.yaml."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError

PARAMETERS = Path("params.yaml")
SECTIONS = (
    "dataset",
    "train_detector",
    "train_reid",
    "export_lut",
    "train_student",
    "infer",
    "evaluate",
    "students",
)


class Parameters:
    """The sections of a params.yaml."""

    def __init__(self, path: Path = PARAMETERS) -> None:
        if not path.is_file():
            raise UserError(f"no {path} here; run this in the project's root")
        try:
            values = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise UserError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise UserError(f"{path} must hold sections: {', '.join(SECTIONS)}")
        unknown = [str(key) for key in values if key not in SECTIONS]
        if unknown:
            raise UserError(f"{path}: unknown section '{unknown[0]}'; known: {', '.join(SECTIONS)}")
        self.path = path
        self._values: dict[str, Any] = values

    def section(self, name: str) -> dict[str, Any]:
        """Return a section, `a.b` for one below another. Raises `UserError` where it is not there."""
        value: Any = self._values
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise UserError(f"{self.path}: section '{name}' is missing")
            value = value[part]
        if not isinstance(value, dict):
            raise UserError(f"{self.path}: '{name}' must be a section, got {value!r}")
        return value

    def where(self, name: str) -> str:
        """Return what to call a section in a message."""
        return f"{self.path}: {name}"
