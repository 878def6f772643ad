"""Reading params.yaml: a stage gets the sections that it declares, and no other."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.options import AnyOptions, merged, parse_options, read_yaml

PARAMETERS = Path("params.yaml")
STUDENTS = "students"
SECTIONS = (
    "dataset",
    "network",
    "train_detector",
    "train_reid",
    "export_lut",
    "tables",
    "train_student",
    STUDENTS,
    "infer",
    "evaluate",
)
EXTENDS = "extends"
"""Key of params.yaml that names another such file; this one then states only what differs from it."""
NETWORK = "network"
OWN_ENTRIES = ("tables", "students")
"""The sections of entries by name: a file that has one has only its own entries."""
SHARING_NETWORK = ("train_detector", "train_student")
"""The sections whose own `network` is put over the common section of that name."""


class Parameters:
    """The sections of a params.yaml that one stage reads.

    DVC reruns a stage when a section that dvc.yaml lists for it changed. So each stage declares its sections
    in a tuple `PARAMS`, a test compares that with dvc.yaml, and reading anything else is an error here.

    Args:
        declared: the stage's `PARAMS`; `students.{student}` stands for the student that the stage is run for,
            `tables.{table}` for the table.
        path: the file.
        student: what `{student}` is.
        table: what `{table}` is.

    Raises:
        UserError: the file is missing, no YAML, or has a section that nothing reads.
    """

    def __init__(
        self, declared: Iterable[str], path: Path = PARAMETERS, *, student: str = "", table: str = ""
    ) -> None:
        self.path = path
        self._declared = {name.format(student=student, table=table) for name in declared}
        self._values = read_parameters(path)

    def options(
        self,
        section: str,
        model: type[AnyOptions],
        over: str = "",
        changes: Mapping[str, Any] | None = None,
    ) -> AnyOptions:
        """Return the options that a section holds.

        Args:
            section: its name. A training's `network` is put over the common section `network`.
            model: the option class.
            over: a section that states what differs: `students.kd_lut`.
            changes: what differs from both, for a run that params.yaml does not know of.

        Raises:
            UserError: a section or a parameter is missing, unknown or wrong; the line names it.
            LookupError: the stage does not declare a section (a fault of the program).
        """
        common = {NETWORK: self.section(NETWORK)} if section in SHARING_NETWORK else {}
        values = merged(common, self.section(section))
        for differing in (self.section(over) if over else {}, changes or {}):
            values = merged(values, differing)
        return parse_options(model, values, f"{self.path}: {section}{f' with {over}' if over else ''}")

    def section(self, name: str) -> dict[str, Any]:
        """Return a section, `a.b` for one below another. Raises what `options` raises."""
        if name not in self._declared:
            raise LookupError(f"section '{name}' of {self.path} is not among the stage's PARAMS")
        value: Any = self._values
        for part in name.split(".", 1):
            if not isinstance(value, dict) or part not in value:
                raise self._missing(name)
            value = value[part]
        if not isinstance(value, dict):
            raise UserError(f"{self.path}: '{name}' must be a section, got {value!r}")
        return value

    def check_student(self, student: str, needed: Path) -> None:
        """Check that a student has an entry, or else the file that the stage reads.

        What was trained under another `--name` has its files and no entry. No value of the entry is read, so
        a stage need not declare it.

        Args:
            student: as the user gave it.
            needed: the file that the stage reads.

        Raises:
            UserError: there is neither; the line names the students that have an entry.
        """
        students = self._values.get(STUDENTS)
        if not needed.exists() and not (isinstance(students, dict) and student in students):
            raise self._missing(f"{STUDENTS}.{student}")

    def _missing(self, name: str) -> UserError:
        """Return the error for a section, or an entry of one, that is not there."""
        section, dot, entry = name.partition(".")
        entries = self._values.get(section)
        if not isinstance(entries, dict) or not dot:
            return UserError(f"{self.path}: section '{section}' is missing")
        known = ", ".join(map(str, entries))
        has = f"it has {known}" if known else f"'{section}' names none, add an entry"
        return UserError(f"{self.path}: no {section.removesuffix('s')} '{entry}'; {has}")


def read_parameters(path: Path) -> dict[str, Any]:
    """Return all sections of a params.yaml, including those of the file that it extends.

    A file that has `students` or `tables` has only its own: those of the file that it extends are left out.

    Raises:
        UserError: a file is missing or no YAML, has an unknown section, or extends itself.
    """
    return _read(path, (), f"no {path} here; run this in the project's root")


def _read(path: Path, seen: tuple[Path, ...], if_missing: str) -> dict[str, Any]:
    values = read_yaml(path, if_missing)
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold sections: {', '.join(SECTIONS)}")
    values = dict(values)
    extended = values.pop(EXTENDS, None)
    unknown = [str(key) for key in values if key not in SECTIONS]
    if unknown:
        raise UserError(f"{path}: unknown section '{unknown[0]}'; known: {', '.join(SECTIONS)}")
    if extended is None:
        return values
    if not isinstance(extended, str):
        raise UserError(f"{path}: '{EXTENDS}' must be the path of another file, got {extended!r}")
    base = path.parent / extended
    if base.is_dir():
        raise UserError(f"{path}: {EXTENDS}: {base} is a folder; name the file in it")
    if path.resolve() in seen:
        raise UserError(f"{path} extends itself")
    common = _read(base, (*seen, path.resolve()), f"{path}: {EXTENDS}: there is no file {base}")
    inherited = {name: section for name, section in common.items() if name not in {*OWN_ENTRIES} & {*values}}
    return merged(inherited, values)
