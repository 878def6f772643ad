"""Stage `train_student`: train one student of params.yaml, with the teachers that its entry names."""

from functools import partial

import click

from pipeline.scenes.prepared import open_prepared
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.teachers import read_teachers
from pipeline.training.student.training import train_student
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, student_results, student_weights
from stages.support.running import joint_stage, say
from stages.support.training import Outputs, run_training

PARAMS = ("network", "train_student", "students.{student}")


@joint_stage
@click.option("--student", required=True, help="Which entry of `students` in params.yaml to train.")
@click.option("--seed", type=click.IntRange(min=0), help="In place of the student's, to repeat it.")
@click.option("--name", help="What the outputs are called; by default as the student.")
def main(student: str, seed: int | None, name: str | None) -> None:
    """Train a student. A re-ID teacher is read as a table, never as a network."""
    parameters = Parameters(PARAMS, student=student)
    changes = {} if seed is None else {"seed": seed}
    options = parameters.options("train_student", StudentOptions, f"students.{student}", changes)
    data = open_prepared(PREPARED)
    teachers = read_teachers(options, data, f"{parameters.path}: students.{student}")
    called = name or student
    outputs = Outputs(
        kind="person_search",
        weights=student_weights(called),
        history=student_results(called) / "training.tsv",
        environment=student_results(called) / "environment.json",
    )
    train = partial(train_student, data, options, teachers)
    inputs = {"data": data.sha256, **teachers.sha256}
    loss = run_training(f"train_student@{called}", options, train, inputs, outputs)
    say(
        f"{outputs.weights}: {options.network.backbone.name} student, identity target "
        f"'{options.identity.target}'{', taught by a detector' if teachers.detector else ''}, "
        f"loss {loss:.3f} at the end"
    )


if __name__ == "__main__":
    main()
