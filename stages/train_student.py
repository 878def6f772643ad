"""Stage `train_student`: train one student of params.yaml, with the teachers that its entry names."""

import click

from pipeline.models.pretrained import pretrained_sha256
from pipeline.models.weight_files import save_weights
from pipeline.scenes.prepared import open_prepared
from pipeline.training.engine.environment import write_environment
from pipeline.training.engine.history import write_history
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.teachers import read_teachers
from pipeline.training.student.training import train_student
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, student_results, student_weights
from stages.support.resuming import resuming
from stages.support.running import ShownProgress, say, stage

PARAMS = ("network", "train_student", "students.{student}")


@stage
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
    pretrained = pretrained_sha256(options.network.backbone.weights)
    scenes, inputs = (
        len(data.split("train").scenes),
        {"data": data.sha256, **teachers.sha256, **pretrained},
    )
    with (
        resuming(f"train_student@{called}", options, options.training, scenes, inputs) as checkpoints,
        ShownProgress(f"train_student@{called}") as progress,
    ):
        network, history = train_student(data, options, teachers, progress, checkpoints)
        write_history(student_results(called) / "training.tsv", history)
        write_environment(student_results(called) / "environment.json", network)
        save_weights(student_weights(called), "person_search", options.network, network.state_dict())
    say(
        f"{student_weights(called)}: {options.network.backbone.name} student, identity target "
        f"'{options.identity.target}'{', taught by a detector' if teachers.detector else ''}, "
        f"loss {history[-1]['total']:.3f} at the end"
    )


if __name__ == "__main__":
    main()
