"""`person-search tune`: try settings of each student on validation identities, by the same budget."""

from pathlib import Path
from typing import Any

import click

from commands.lazy import imported
from commands.places import GivenPath, check_can_make, require_project
from commands.validation import require_validation
from pipeline.basics.errors import UserError
from pipeline.basics.options import read_yaml
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED

OWN = "students.{student}"
MEASURED = ("search_mAP", "ground_truth_boxes_mAP", "search_top1", "coco_ap50", "coco_ap70")
"""What a try is scored by: see `commands.trying.Outcome`."""


@click.command()
@click.option(
    "--tries", type=click.Path(path_type=Path), default=Path("tuning/tries.yaml"), show_default=True
)
@click.option("--results", type=GivenPath(path_type=Path), default=Path("tuning/results"), show_default=True)
@click.option("--student", "students", multiple=True, help="Only this one; may be given several times.")
@click.option(
    "--by",
    type=click.Choice(MEASURED),
    default=MEASURED[0],
    show_default=True,
    help="Metric of the best try. On true boxes, it does not depend on who is detected.",
)
def tune(tries: Path, results: Path, students: tuple[str, ...], by: str) -> None:
    """Try the settings listed in TRIES for each student and write what they reach on validation identities.

    Every student must list the same number of tries. A try that RESULTS already holds, from the same data
    and the same settings, is not run again. Nothing is changed in params.yaml: that is for a person to do.
    """
    wanted = _read_tries(tries)
    for student in students:
        if student not in wanted:
            raise UserError(f"{tries}: no student '{student}'; it has {', '.join(wanted)}")
    data = open_prepared(PREPARED)
    require_validation(data)
    chosen = students or tuple(wanted)
    for student in chosen:
        _check_entry(student, tries)
        check_can_make(results, f"{student}.json", "--results")
    run_tries = imported("commands.tuning:run_tries")
    for student in chosen:
        run_tries(student, wanted[student], data, results / f"{student}.json", by)


def _check_entry(student: str, tries: Path) -> None:
    """Raise `UserError` where params.yaml has no entry for a student of the tries."""
    parameters = Parameters((OWN,), student=student)
    try:
        parameters.section(OWN.format(student=student))
    except UserError as error:
        raise UserError(
            f"{error}; {tries} lists tries of '{student}': name a file of your own students with --tries, or "
            "a student that both have with --student"
        ) from None


def _read_tries(path: Path) -> dict[str, list[dict[str, Any]]]:
    if not path.exists():
        require_project(", or name a file with --tries")
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
