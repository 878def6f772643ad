"""Checks of a whole params.yaml, with the same option classes as the stages."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, merged, parse_options
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.training.detector import DetectorTrainingOptions
from pipeline.training.reid import ReidTrainingOptions
from pipeline.training.student.options import StudentOptions, check_teachers
from stages.prepare import DataSetOptions
from stages.support.parameters import NETWORK, SECTIONS, SHARING_NETWORK
from stages.support.paths import student_weights, table_file
from stages.table_entry import ExportOptions, TableOptions

STUDENT, STUDENTS = "train_student", "students"
"""The section that all students share, and the section with an entry for each; neither is complete alone."""
TABLES = "tables"
"""The section with an entry for each table."""
OPTIONS: Mapping[str, type[Options]] = {
    "dataset": DataSetOptions,
    "train_detector": DetectorTrainingOptions,
    "train_reid": ReidTrainingOptions,
    "export_lut": ExportOptions,
    "infer": InferenceOptions,
    "evaluate": EvaluationOptions,
}


def check_parameters(values: Mapping[str, Any], path: Path) -> None:
    """Check all sections of a params.yaml.

    Args:
        values: its sections.
        path: for the message.

    Raises:
        UserError: a section is missing or unknown, or a value in one is wrong; the line names the key.
    """
    for name in values:
        if name not in SECTIONS:
            raise UserError(f"{path}: unknown section '{name}'; known: {', '.join(SECTIONS)}")
    for name in SECTIONS:
        if not isinstance(values.get(name), Mapping):
            raise UserError(f"{path}: section '{name}' is missing")
    for name, options in OPTIONS.items():
        parse_options(options, _with_network(values, name), f"{path}: {name}")
    for table, stated in _entries(values, TABLES, path):
        where = f"{path}: {TABLES}.{table}"
        _check_name(table_file, table, where)
        parse_options(TableOptions, stated, where)
    common = _with_network(values, STUDENT)
    for student, differing in _entries(values, STUDENTS, path):
        where = f"{path}: {STUDENTS}.{student}"
        _check_name(student_weights, student, where)
        for teacher in ("table", "detector"):
            if teacher not in differing:
                raise UserError(f"{where}: '{teacher}' is missing; DVC needs it in every student's entry")
        own = parse_options(
            StudentOptions, merged(common, differing), f"{path}: {STUDENT} with {STUDENTS}.{student}"
        )
        check_teachers(own, where)


def _check_name(file_of: Callable[[str], Path], name: str, where: str) -> None:
    try:
        file_of(name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _entries(values: Mapping[str, Any], section: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the entries of a section by name. Raises `UserError` where one is no section itself."""
    for name, stated in values[section].items():
        if not isinstance(stated, Mapping):
            raise UserError(f"{path}: '{section}.{name}' must be a section, got {stated!r}")
        yield str(name), stated


def _with_network(values: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return a section; where the network is shared, the section's own is put over the common one."""
    own: Mapping[str, Any] = values[section]
    return merged({NETWORK: values[NETWORK]}, own) if section in SHARING_NETWORK else own
