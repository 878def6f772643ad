"""The tries of one student: each is trained and scored once, and kept in a file."""

import json
from pathlib import Path
from typing import Any

import click

from commands.trying import try_settings
from pipeline.basics.json_files import damaged, read_json, write_json
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.student.options import StudentOptions, with_dim_of_table
from pipeline.training.student.teachers import read_teachers
from stages.support.parameters import Parameters
from stages.support.running import ShownProgress

DAMAGED = "restore it with git, or remove it to run its tries again"
COMMON_SECTIONS = ("network", "train_student", "infer", "evaluate")


def run_tries(student: str, tries: list[dict[str, Any]], data: PreparedDataSet, out: Path, by: str) -> None:
    """Run the tries of a student that a file does not hold yet, write all to it, and say which is the best.

    Args:
        student: of params.yaml.
        tries: what each changes in the student's settings.
        data: a data set with a validation split.
        out: the file.
        by: the metric that the best has most of. A try whose entry lacks it is run again.

    Raises:
        UserError: params.yaml has no such student, or a setting or the file is wrong.
    """
    parameters = Parameters((*COMMON_SECTIONS, "students.{student}"), student=student)
    inference = parameters.options("infer", InferenceOptions)
    evaluation = parameters.options("evaluate", EvaluationOptions)
    known = _read_results(out)
    done = []
    for number, settings in enumerate(tries, start=1):
        where = f"try {number} of {student}"
        options = parameters.options("train_student", StudentOptions, f"students.{student}", settings)
        options = with_dim_of_table(options, where)
        teachers = read_teachers(options, data, where)
        inputs = {
            "dataset_sha256": data.sha256,
            "teachers_sha256": dict(teachers.sha256),
            "options": options.model_dump(mode="json", exclude={"table", "detector"}),
        }
        entry = next(
            (entry for entry in known if entry["inputs"] == inputs and by in entry["validation"]), None
        )
        if entry is None:
            with (
                ShownProgress(f"{where}: training") as training,
                ShownProgress(f"{where}: inference") as running,
            ):
                outcome = try_settings(data, options, teachers, inference, evaluation, training, running)
            entry = {"settings": settings, "validation": outcome.as_dict(), "inputs": inputs}
        done.append(entry)
        kept = done + [old for old in known if old["inputs"] not in [new["inputs"] for new in done]]
        write_json(out, {"student": student, "tries": kept})
        click.echo(f"{where}: {json.dumps(settings)} -> {json.dumps(entry['validation'])}")
    best = max(done, key=lambda entry: float(entry["validation"][by]))
    click.echo(
        f"best of {student} by {by}: {json.dumps(best['settings'])} -> {json.dumps(best['validation'])}"
    )


def _read_results(path: Path) -> list[dict[str, Any]]:
    """Return the tries that were run before; none where there is no file."""
    if not path.exists():
        return []
    tries = read_json(path, absent="", again=DAMAGED).get("tries")
    if not isinstance(tries, list) or not all(map(_is_result, tries)):
        raise damaged(path, DAMAGED)
    return tries


def _is_result(entry: Any) -> bool:
    return isinstance(entry, dict) and {"settings", "validation", "inputs"} <= entry.keys()
