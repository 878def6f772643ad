"""Stage `train_student_by_detector`: train one row of students that a detector teaches."""

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

PARAMS = ("train_student", "students.{row}")
STAGE = "train_student_by_detector"


@stage
@row_options
def main(row: str, name: str | None, seed: int | None) -> None:
    """Train a student taught by the detector teacher."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}", seed)
    check_stage(options, row, STAGE)
    data = open_prepared(PREPARED)
    detector = teacher_detector()
    inputs = {"detector": sha256_of(DETECTOR)}
    called = name or row
    with student_training(f"{STAGE}@{called}", options, data, inputs) as (progress, checkpoints):
        network, history = train_student(
            data, options, None, progress, detector_teacher=detector, checkpoints=checkpoints
        )
        write_student(called, network, options, history)


if __name__ == "__main__":
    main()
