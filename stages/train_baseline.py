"""Stage `train_baseline`: train the student without a teacher (OIM)."""

from pipeline.data.prepared import open_prepared
from pipeline.errors import UserError
from pipeline.training.student import train_student
from stages.parameters import Parameters
from stages.running import ShownProgress, stage
from stages.student import PREPARED, student_options, write_student

PARAMS = ("train_student", "students.baseline")
ROW = "baseline"


@stage
def main() -> None:
    """Train the student without a teacher."""
    options = student_options(Parameters(PARAMS), "train_student", "students.baseline")
    if options.identity.needs_table:
        raise UserError(
            f"params.yaml: students.baseline: target '{options.identity.target}' needs a teacher; "
            "give it a row of its own in train_student"
        )
    with ShownProgress("train_baseline") as progress:
        network, history = train_student(open_prepared(PREPARED), options, None, progress)
    write_student(ROW, network, options, history)


if __name__ == "__main__":
    main()
