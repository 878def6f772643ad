"""Checks of a whole params.yaml, with the same option classes as the stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, merged, parse_options
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.training.detector import DetectorTrainingOptions
from pipeline.training.reid import ReidTrainingOptions
from pipeline.training.student.options import StudentOptions, check_teachers
from stages.export_lut import ExportOptions
from stages.prepare import DataSetOptions
from stages.support.parameters import NETWORK, SECTIONS, SHARING_NETWORK

STUDENT, STUDENTS = "train_student", "students"
"""The section that all students share, and the section with an entry for each; neither is complete alone."""
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
    common = _with_network(values, STUDENT)
    for student, differing in values[STUDENTS].items():
        where = f"{path}: {STUDENTS}.{student}"
        if not isinstance(differing, Mapping):
            raise UserError(f"{path}: '{STUDENTS}.{student}' must be a section, got {differing!r}")
        for teacher in ("table", "detector"):
            if teacher not in differing:
                raise UserError(f"{where}: '{teacher}' is missing; DVC needs it in every student's entry")
        stated = parse_options(
            StudentOptions, merged(common, differing), f"{path}: {STUDENT} with {STUDENTS}.{student}"
        )
        check_teachers(stated, where)


def _with_network(values: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return a section; where the network is shared, the section's own is put over the common one."""
    own: Mapping[str, Any] = values[section]
    return merged({NETWORK: values[NETWORK]}, own) if section in SHARING_NETWORK else own
