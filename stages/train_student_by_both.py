"""Stage `train_student_by_both`: train one row of students that both teachers teach."""

from pathlib import Path

import click

from pipeline.basics.hashing import sha256_of
from pipeline.scenes.prepared import open_prepared
from pipeline.training.student.training import train_student
from stages.support.detector_teacher import DETECTOR, teacher_detector
from stages.support.parameters import Parameters
from stages.support.running import stage
from stages.support.student import (
    PREPARED,
    check_stage,
    row_options,
    student_options,
    student_training,
    write_student,
)
from stages.support.table_teacher import TABLE, teacher_table

PARAMS = ("train_student", "students.{row}")
STAGE = "train_student_by_both"


@stage
@row_options
@click.option(
    "--table", "path", type=click.Path(path_type=Path), default=TABLE, show_default=True, help="What teaches."
)
def main(row: str, name: str | None, seed: int | None, path: Path) -> None:
    """Train a student against the table, taught by the detector teacher as well."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}", seed)
    check_stage(options, row, STAGE)
    data = open_prepared(PREPARED)
    table = teacher_table(data, options, path)
    detector = teacher_detector()
    inputs = {"table": sha256_of(path), "detector": sha256_of(DETECTOR)}
    called = name or row
    with student_training(f"{STAGE}@{called}", options, data, inputs) as (progress, checkpoints):
        network, history = train_student(
            data, options, table, progress, detector_teacher=detector, checkpoints=checkpoints
        )
        write_student(called, network, options, history)


if __name__ == "__main__":
    main()
