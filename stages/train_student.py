"""Stage `train_student`: train one row of students against the re-ID teacher's table."""

from pathlib import Path

import click

from pipeline.basics.hashing import sha256_of
from pipeline.scenes.prepared import open_prepared
from pipeline.training.student.training import train_student
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
STAGE = "train_student"


@stage
@row_options
@click.option(
    "--table", "path", type=click.Path(path_type=Path), default=TABLE, show_default=True, help="What teaches."
)
def main(row: str, name: str | None, seed: int | None, path: Path) -> None:
    """Train a student against the table. The table is read, never the re-ID teacher."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}", seed)
    check_stage(options, row, STAGE)
    data = open_prepared(PREPARED)
    table = teacher_table(data, options, path)
    inputs = {"table": sha256_of(path)}
    called = name or row
    with student_training(f"{STAGE}@{called}", options, data, inputs) as (progress, checkpoints):
        network, history = train_student(data, options, table, progress, checkpoints=checkpoints)
        write_student(called, network, options, history)


if __name__ == "__main__":
    main()
