"""Stage `train_student`: train one row of students against the re-ID teacher's table."""

import click

from pipeline.data.prepared import open_prepared
from pipeline.hashing import sha256_of
from pipeline.training.student import train_student
from stages.parameters import Parameters
from stages.resuming import resuming
from stages.running import ShownProgress, stage
from stages.student import PREPARED, check_stage, student_options, write_student
from stages.table_teacher import TABLE, teacher_table

PARAMS = ("train_student", "students.{row}")
STAGE = "train_student"


@stage
@click.option("--row", required=True, help="Which entry of `students` in params.yaml to train.")
def main(row: str) -> None:
    """Train a student against the table. The table is read, never the re-ID teacher."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}")
    check_stage(options, row, STAGE)
    data = open_prepared(PREPARED)
    table = teacher_table(data, options)
    inputs = {"data": data.sha256, "table": sha256_of(TABLE)}
    name = f"{STAGE}@{row}"
    with (
        resuming(name, options, options.training, len(data.split("train").scenes), inputs) as checkpoints,
        ShownProgress(name) as progress,
    ):
        network, history = train_student(data, options, table, progress, checkpoints=checkpoints)
        write_student(row, network, options, history)


if __name__ == "__main__":
    main()
