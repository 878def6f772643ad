"""Stage `train_baseline`: train a student without a teacher (OIM)."""

import click

from pipeline.data.prepared import open_prepared
from pipeline.training.student import train_student
from stages.parameters import Parameters
from stages.resuming import resuming
from stages.running import ShownProgress, stage
from stages.student import PREPARED, check_stage, student_options, write_student

PARAMS = ("train_student", "students.{row}")
STAGE = "train_baseline"


@stage
@click.option("--row", required=True, help="Which entry of `students` in params.yaml to train.")
def main(row: str) -> None:
    """Train a student without a teacher."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}")
    check_stage(options, row, STAGE)
    data = open_prepared(PREPARED)
    inputs = {"data": data.sha256}
    name = f"{STAGE}@{row}"
    with (
        resuming(name, options, options.training, len(data.split("train").scenes), inputs) as checkpoints,
        ShownProgress(name) as progress,
    ):
        network, history = train_student(data, options, None, progress, checkpoints=checkpoints)
        write_student(row, network, options, history)


if __name__ == "__main__":
    main()
