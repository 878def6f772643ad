"""Stage `train_baseline`: train a student without a teacher (OIM)."""

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

PARAMS = ("train_student", "students.{row}")
STAGE = "train_baseline"


@stage
@row_options
def main(row: str, name: str | None, seed: int | None) -> None:
    """Train a student without a teacher."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}", seed)
    check_stage(options, row, STAGE)
    data = open_prepared(PREPARED)
    called = name or row
    with student_training(f"{STAGE}@{called}", options, data, {}) as (progress, checkpoints):
        network, history = train_student(data, options, None, progress, checkpoints=checkpoints)
        write_student(called, network, options, history)


if __name__ == "__main__":
    main()
