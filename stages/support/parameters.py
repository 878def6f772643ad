"""Reading params.yaml: a stage gets the sections that it declares, and no other."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.options import read_yaml

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
    """The sections of a params.yaml that one stage reads.

    DVC reruns a stage when a section that dvc.yaml lists for it changed. So each stage declares its sections
    in a tuple `PARAMS`, a test compares that with dvc.yaml, and reading anything else is an error here.

    Args:
        declared: the stage's `PARAMS`; `students.{row}` stands for the row that the stage is run for.
        path: the file.
        row: what `{row}` is.

    Raises:
        UserError: the file is missing, no YAML, or has a section that nothing reads.
    """

    def __init__(self, declared: Iterable[str], path: Path = PARAMETERS, *, row: str = "") -> None:
        self.path = path
        self._declared = {name.format(row=row) for name in declared}
        self._values = read_parameters(path)

    def section(self, name: str) -> dict[str, Any]:
        """Return a section, `a.b` for one below another.

        Raises:
            UserError: it is not there.
            LookupError: the stage does not declare it (a fault of the program).
        """
        if name not in self._declared:
            raise LookupError(f"section '{name}' of {self.path} is not among the stage's PARAMS")
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


def read_parameters(path: Path) -> dict[str, Any]:
    """Return all sections of a params.yaml. Raises `UserError` as `Parameters` does."""
    values = read_yaml(path, if_missing=f"no {path} here; run this in the project's root")
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold sections: {', '.join(SECTIONS)}")
    unknown = [str(key) for key in values if key not in SECTIONS]
    if unknown:
        raise UserError(f"{path}: unknown section '{unknown[0]}'; known: {', '.join(SECTIONS)}")
    return values
