"""Stage `train_student`: train one student of params.yaml, with the teachers that its entry names."""

import click

from pipeline.basics.hashing import sha256_of
from pipeline.basics.launchers import rank
from pipeline.lookup_table import write_lookup_table
from pipeline.models.weight_files import Origin
from pipeline.scenes.prepared import open_prepared, require_scenes
from pipeline.training.student.options import StudentOptions, with_dim_of_table
from pipeline.training.student.own_table import check_own_table, own_rows, own_table
from pipeline.training.student.teachers import read_teachers
from pipeline.training.student.training import train_with_target
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, student_results, student_table, student_weights
from stages.support.running import joint_stage, say
from stages.support.training import Outputs, training_run, write_outputs

PARAMS = ("network", "train_student", "students.{student}")


@joint_stage
@click.option("--student", required=True, help="Which entry of `students` in params.yaml to train.")
@click.option("--seed", type=click.IntRange(min=0), help="In place of the student's, to repeat it.")
@click.option("--name", help="What the outputs are called; by default as the student.")
@click.option("--keep-table", is_flag=True, help="Write the table that its identity loss ends with, too.")
def main(student: str, seed: int | None, name: str | None, keep_table: bool) -> None:
    """Train a student. A re-ID teacher is read as a table, never as a network."""
    parameters = Parameters(PARAMS, student=student)
    changes = {} if seed is None else {"seed": seed}
    options = parameters.options("train_student", StudentOptions, f"students.{student}", changes)
    data, where, called = open_prepared(PREPARED), f"{parameters.path}: students.{student}", name or student
    require_scenes(data, "a student")
    options = with_dim_of_table(options, where)
    teachers = read_teachers(options, data, where)
    if keep_table:
        check_own_table(options, where)
    outputs = Outputs(
        kind="person_search",
        weights=student_weights(called),
        history=student_results(called) / "training.tsv",
        environment=student_results(called) / "environment.json",
    )
    origin = Origin(data.name, {"data": data.sha256, **teachers.sha256})
    files = [*outputs.files, *([student_table(called)] if keep_table else [])]
    with training_run(f"train_student@{called}", options, origin.sha256, files) as (progress, checkpoints):
        network, history, identity_loss = train_with_target(data, options, teachers, progress, checkpoints)
        rows = own_rows(identity_loss, where) if keep_table else None
        if rank() == 0:
            write_outputs(outputs, options, origin, network, history)
            if rows is not None:
                table = own_table(rows, data, sha256_of(outputs.weights))
                write_lookup_table(student_table(called), table)
    say(
        f"{outputs.weights}: {options.network.backbone.name} student, {options.targets()}"
        f"{', taught by a detector' if teachers.detector else ''}, "
        f"loss {history[-1]['total']:.3f} at the end{f'; {student_table(called)}' if keep_table else ''}"
    )


if __name__ == "__main__":
    main()
