"""Stage `train_student`: train one row of students against the re-ID teacher's table."""

import click

from pipeline.data.prepared import open_prepared
from pipeline.training.student import train_student
from stages.parameters import Parameters
from stages.running import ShownProgress, stage
from stages.student import PREPARED, check_stage, student_options, write_student
from stages.table_teacher import teacher_table

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
    with ShownProgress(f"{STAGE}@{row}") as progress:
        network, history = train_student(data, options, table, progress)
    write_student(row, network, options, history)


if __name__ == "__main__":
    main()
