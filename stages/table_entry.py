"""An entry of `tables` in params.yaml: what it says, and the teacher that it names; see docs/tables.md."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from pydantic import Field, model_validator

from pipeline.basics.errors import naming
from pipeline.basics.launchers import rank
from pipeline.basics.options import Options, added_field
from pipeline.batches.views import ViewOptions
from pipeline.inference.teachers.leak import TrainedOn, leak_note
from pipeline.inference.teachers.loading import TeacherKind, load_teacher
from pipeline.inference.teachers.teacher import Teacher
from pipeline.lookup_table import Average, Level
from pipeline.scenes.prepared import PreparedDataSet

LOG = logging.getLogger("pipeline.export_lut")


class ExportOptions(Options):
    """How many crops, or whole scenes where an end-to-end network teaches, are embedded at a time."""

    batch_size: int = Field(gt=0)
    scene_batch_size: int = Field(gt=0)


class TableOptions(Options):
    """Where a table comes from; see docs/tables.md.

    Attributes:
        kind: what the teacher is: `crops`, a re-ID model of this project; `network`, a person-search network
            of any head, which sees whole scenes; `onnx` or `torchscript`, somebody else's re-ID model;
            `features`, a file that somebody else computed; `ensemble`, several models that see crops.
        teacher: its file, or its folder, from the project's root.
        average: how the embeddings of a person's boxes become the person's row; not needed where `level` is
            `box`.
        level: whether there is a row for each identity, for each box, or both.
        embedding_dim: to how many dimensions rows are brought by PCA; None leaves them as they are.
        views: further views of each scene, in which each box has a row, too; see `pipeline/batches/views.py`.
    """

    kind: TeacherKind
    teacher: str
    average: Average | None = None
    level: Level = added_field("identity")
    embedding_dim: int | None = added_field(None, gt=0)
    views: ViewOptions | None = added_field(None)

    @model_validator(mode="after")
    def _persons_rows_have_an_average(self) -> "TableOptions":
        if self.average is None and self.level != "box":
            raise ValueError(f"level '{self.level}' needs `average`: {' or '.join(get_args(Average))}")
        return self

    @model_validator(mode="after")
    def _views_are_of_boxes_that_the_teacher_sees(self) -> "TableOptions":
        if self.views is not None and self.level == "identity":
            raise ValueError("views are of boxes: set `level: box` or `both`, or leave them out")
        if self.views is not None and self.kind == "features":
            raise ValueError("a file of features knows no other views of its boxes; leave out `views`")
        return self


def named_teacher(
    entry: TableOptions, options: ExportOptions, data: PreparedDataSet, device: torch.device, where: str
) -> Teacher:
    """Load a table's teacher, and say where it may have seen the data before.

    Raises:
        UserError: it cannot be loaded, or is of another kind; the line begins with `where`.
    """
    with naming(f"{where}: no teacher of kind '{entry.kind}'"):
        teacher = load_teacher(
            entry.kind, Path(entry.teacher), data, device, options.batch_size, options.scene_batch_size
        )
    say_leak(data.names, teacher.trained_on, where)
    return teacher


def say_leak(datasets: Sequence[str], trained_on: TrainedOn, where: str) -> None:
    """Say where a teacher has seen the people of one of the data sets, or may have."""
    if rank() == 0 and (note := leak_note(datasets, trained_on)):
        LOG.warning("%s: %s", where, note)
