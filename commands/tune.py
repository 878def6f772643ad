"""`person-search tune`: try settings of each student on validation identities, by the same budget."""

import json
from pathlib import Path
from typing import Any

import click

from commands.trying import VALIDATION, try_settings
from pipeline.basics.errors import UserError
from pipeline.basics.json_files import damaged, read_json, write_json
from pipeline.basics.options import read_yaml
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.teachers import read_teachers
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress

DAMAGED = "restore it with git, or remove it to run its tries again"
COMMON_SECTIONS = ("network", "train_student", "infer", "evaluate")


@click.command()
@click.option(
    "--tries", type=click.Path(path_type=Path), default=Path("tuning/tries.yaml"), show_default=True
)
@click.option("--results", type=click.Path(path_type=Path), default=Path("tuning/results"), show_default=True)
@click.option("--student", "students", multiple=True, help="Only this one; may be given several times.")
def tune(tries: Path, results: Path, students: tuple[str, ...]) -> None:
    """Try the settings listed in TRIES for each student and write what they reach on validation identities.

    Every student must list the same number of tries. A try that RESULTS already holds, from the same data
    and the same settings, is not run again. Nothing is changed in params.yaml: that is for a person to do.
    """
    wanted = _read_tries(tries)
    data = open_prepared(PREPARED)
    if not data.has(VALIDATION):
        raise UserError(f"data set '{data.name}' has no validation split to tune on")
    for student in students or tuple(wanted):
        if student not in wanted:
            raise UserError(f"{tries}: no student '{student}'; it has {', '.join(wanted)}")
        _tune(student, wanted[student], data, results / f"{student}.json")


def _read_tries(path: Path) -> dict[str, list[dict[str, Any]]]:
    wanted = read_yaml(path, if_missing=f"no {path}; it lists for each student the settings to try")
    if not isinstance(wanted, dict) or not wanted or not all(_are_tries(tries) for tries in wanted.values()):
        raise UserError(f"{path} must hold a list of settings for each student, with at least one each")
    budgets = {student: len(tries) for student, tries in wanted.items()}
    if len(set(budgets.values())) > 1:
        raise UserError(
            f"{path}: students have different budgets ({budgets}); a fair comparison needs equal ones"
        )
    return wanted


def _are_tries(tries: Any) -> bool:
    return isinstance(tries, list) and bool(tries) and all(isinstance(settings, dict) for settings in tries)


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


def _tune(student: str, tries: list[dict[str, Any]], data: PreparedDataSet, out: Path) -> None:
    parameters = Parameters((*COMMON_SECTIONS, "students.{student}"), student=student)
    inference = parameters.options("infer", InferenceOptions)
    evaluation = parameters.options("evaluate", EvaluationOptions)
    known = _read_results(out)
    done = []
    for number, settings in enumerate(tries, start=1):
        where = f"try {number} of {student}"
        options = parameters.options("train_student", StudentOptions, f"students.{student}", settings)
        teachers = read_teachers(options, data, where)
        inputs = {
            "dataset_sha256": data.sha256,
            "teachers_sha256": dict(teachers.sha256),
            "options": options.model_dump(mode="json", exclude={"table", "detector"}),
        }
        entry = next((entry for entry in known if entry["inputs"] == inputs), None)
        if entry is None:
            with (
                ShownProgress(f"{where}: training") as training,
                ShownProgress(f"{where}: inference") as running,
            ):
                outcome = try_settings(data, options, teachers, inference, evaluation, training, running)
            entry = {"settings": settings, "validation": outcome.as_dict(), "inputs": inputs}
        done.append(entry)
        kept = done + [old for old in known if old not in done]
        write_json(out, {"student": student, "tries": kept})
        click.echo(f"{where}: {json.dumps(settings)} -> {json.dumps(entry['validation'])}")
    best = max(done, key=lambda entry: float(entry["validation"]["search_mAP"]))
    click.echo(f"best of {student}: {json.dumps(best['settings'])} -> {json.dumps(best['validation'])}")
