"""`person-search tune`: try settings of each row on validation identities, by the same budget."""

import json
from pathlib import Path
from typing import Any

import click

from commands.trying import VALIDATION, Teachers, try_settings
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.basics.options import merged, parse_options, read_yaml
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.lookup_table import read_lookup_table
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from pipeline.training.student.training import StudentOptions
from stages.support.detector_teacher import DETECTOR, teacher_detector
from stages.support.parameters import Parameters
from stages.support.running import ShownProgress
from stages.support.table_teacher import TABLE, teacher_table

PREPARED = Path("data/prepared")
COMMON_SECTIONS = ("train_student", "infer", "evaluate")


@click.command()
@click.option(
    "--tries", type=click.Path(path_type=Path), default=Path("tuning/tries.yaml"), show_default=True
)
@click.option("--results", type=click.Path(path_type=Path), default=Path("tuning/results"), show_default=True)
@click.option("--row", "rows", multiple=True, help="Only this row; may be given several times.")
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    default=TABLE,
    show_default=True,
    help="What teaches the rows that learn from a table.",
)
def tune(tries: Path, results: Path, rows: tuple[str, ...], table: Path) -> None:
    """Try the settings listed in TRIES for each row and write what they reach on validation identities.

    Every row must list the same number of tries. A try that RESULTS already holds, from the same data and
    the same settings, is not run again. Nothing is changed in params.yaml: that is for a person to do.
    """
    wanted = _read_tries(tries)
    data = open_prepared(PREPARED)
    if not data.has(VALIDATION):
        raise UserError(f"data set '{data.name}' has no validation split to tune on")
    for row in rows or tuple(wanted):
        if row not in wanted:
            raise UserError(f"{tries}: no row '{row}'; it has {', '.join(wanted)}")
        _tune_row(row, wanted[row], data, results / f"{row}.json", table)


def _read_tries(path: Path) -> dict[str, list[dict[str, Any]]]:
    wanted = read_yaml(path, if_missing=f"no {path}; it lists for each row the settings to try")
    if not isinstance(wanted, dict) or not wanted or not all(_are_tries(tries) for tries in wanted.values()):
        raise UserError(f"{path} must hold a list of settings for each row, with at least one each")
    budgets = {row: len(tries) for row, tries in wanted.items()}
    if len(set(budgets.values())) > 1:
        raise UserError(
            f"{path}: rows have different budgets ({budgets}); a fair comparison needs equal ones"
        )
    return wanted


def _are_tries(tries: Any) -> bool:
    return isinstance(tries, list) and bool(tries) and all(isinstance(settings, dict) for settings in tries)


def _read_results(path: Path) -> list[dict[str, Any]]:
    """Return the tries that were run before; none where there is no file."""
    if not path.is_file():
        return []
    try:
        tries = json.loads(path.read_text())["tries"]
        if all({"settings", "validation", "inputs"} <= set(entry) for entry in tries):
            return list(tries)
    except (ValueError, TypeError, LookupError):
        pass
    raise UserError(f"{path} is damaged; restore it with git, or remove it to run its tries again")


def _tune_row(row: str, tries: list[dict[str, Any]], data: PreparedDataSet, out: Path, table: Path) -> None:
    parameters = Parameters((*COMMON_SECTIONS, "students.{row}"), row=row)
    inference = parse_options(InferenceOptions, parameters.section("infer"), parameters.where("infer"))
    evaluation = parse_options(
        EvaluationOptions, parameters.section("evaluate"), parameters.where("evaluate")
    )
    common = merged(parameters.section("train_student"), parameters.section(f"students.{row}"))
    known = _read_results(out)
    done = []
    for number, settings in enumerate(tries, start=1):
        where = f"try {number} of {row}"
        options = parse_options(StudentOptions, merged(common, settings), where)
        teachers = _teachers(data, options, table)
        inputs = {
            "dataset_sha256": data.sha256,
            "teacher_sha256": read_lookup_table(table).teacher_sha256 if teachers.table is not None else None,
            "detector_teacher_sha256": sha256_of(DETECTOR) if teachers.detector is not None else None,
            "options": options.model_dump(mode="json"),
        }
        if teachers.table is not None and table != TABLE:  # of the same teacher, it may say otherwise
            inputs["table_sha256"] = sha256_of(table)
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
        write_atomically(out, json.dumps({"row": row, "tries": kept}, indent=2) + "\n")
        click.echo(f"{where}: {json.dumps(settings)} -> {json.dumps(entry['validation'])}")
    best = max(done, key=lambda entry: float(entry["validation"]["search_mAP"]))
    click.echo(f"best of {row}: {json.dumps(best['settings'])} -> {json.dumps(best['validation'])}")


def _teachers(data: PreparedDataSet, options: StudentOptions, table: Path) -> Teachers:
    """Read the teachers that a try needs, and no other."""
    return Teachers(
        teacher_table(data, options, table) if options.identity.needs_table else None,
        teacher_detector() if options.detector_distillation is not None else None,
    )
