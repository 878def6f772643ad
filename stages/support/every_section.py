"""All of params.yaml checked at once, through the same option classes as the stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, merged, parse_options
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.training.detector import DetectorTrainingOptions
from pipeline.training.reid import ReidTrainingOptions
from pipeline.training.student.training import StudentOptions
from stages.export_lut import ExportOptions
from stages.prepare import DataSetOptions
from stages.support.parameters import SECTIONS

STUDENT, ROWS = "train_student", "students"
"""A row of the second is checked over the first: neither says everything alone."""
OPTIONS: Mapping[str, type[Options]] = {
    "dataset": DataSetOptions,
    "train_detector": DetectorTrainingOptions,
    "train_reid": ReidTrainingOptions,
    "export_lut": ExportOptions,
    "infer": InferenceOptions,
    "evaluate": EvaluationOptions,
}


def check_parameters(values: Mapping[str, Any], path: Path) -> None:
    """Check what a params.yaml holds.

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
        parse_options(options, values[name], f"{path}: {name}")
    for row, differing in values[ROWS].items():
        if not isinstance(differing, Mapping):
            raise UserError(f"{path}: '{ROWS}.{row}' must be a section, got {differing!r}")
        parse_options(
            StudentOptions, merged(values[STUDENT], differing), f"{path}: {STUDENT} with {ROWS}.{row}"
        )
