"""Whose embeddings a student's detections are given beside the student's own: teachers of tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.basics.errors import UserError
from pipeline.inference.teachers.colour_histogram import ColourHistogram
from pipeline.inference.teachers.crop_teacher import CropTeacher
from pipeline.inference.teachers.loading import teacher_sha256
from pipeline.inference.teachers.teacher import Teacher
from pipeline.scenes.prepared import PreparedDataSet
from stages.support.parameters import Parameters
from stages.support.paths import table_file
from stages.table_entry import ExportOptions, TableOptions, named_teacher

HISTOGRAM = "histogram"
"""The colour histogram, which needs no entry of `tables`."""


def two_step_sections(names: Sequence[str]) -> tuple[str, ...]:
    """Return the sections of params.yaml that the teachers of these names need besides."""
    return ("export_lut", *(f"tables.{name}" for name in names if name != HISTOGRAM)) if names else ()


def two_step_inputs(names: Sequence[str], parameters: Parameters) -> dict[str, Any]:
    """Return what these teachers' embeddings depend on, as JSON holds it; see `load_two_step`."""
    inputs: dict[str, Any] = {}
    for name in names:
        inputs[name] = parameters.options("export_lut", ExportOptions).model_dump(mode="json")
        if name != HISTOGRAM:
            entry = parameters.options(f"tables.{name}", TableOptions)
            inputs[name] |= entry.model_dump(mode="json")
            inputs[name]["sha256"] = teacher_sha256(entry.kind, Path(entry.teacher))
    return inputs


def load_two_step(
    names: Sequence[str], parameters: Parameters, data: PreparedDataSet, device: torch.device
) -> dict[str, Teacher]:
    """Load teachers by their names.

    Args:
        names: `HISTOGRAM`, or entries of `tables`.
        parameters: they declare `two_step_sections`.
        data: whose boxes are embedded.
        device: where the teachers run.

    Raises:
        UserError: there is no such entry, its teacher cannot be loaded, or knows the training boxes alone.
    """
    teachers: dict[str, Teacher] = {}
    for name in names:
        options = parameters.options("export_lut", ExportOptions)
        if name == HISTOGRAM:
            teachers[name] = CropTeacher([ColourHistogram()], options.batch_size, options.scene_batch_size)
            continue
        table_file(name)  # the name is part of a file's
        entry, where = parameters.options(f"tables.{name}", TableOptions), f"{parameters.path}: tables.{name}"
        if entry.kind == "features":
            raise UserError(f"{where}: a file of features has the training boxes alone, and no detections")
        teachers[name] = named_teacher(entry, options, data, device, where)
    return teachers
