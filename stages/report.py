"""Stage `report`: a summary of all students, two figures, and a page with both and more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.json_files import read_json, write_json
from pipeline.basics.tsv_files import read_tsv
from pipeline.evaluation.detections_file import read_detections
from pipeline.evaluation.metric_table import COST
from pipeline.reporting.comparison.text import EXPLAINED, comparison_tables
from pipeline.reporting.curves_figure import StudentCurves, curves_figure
from pipeline.reporting.page import Section, page
from pipeline.reporting.searches import SPACED, Searches
from pipeline.reporting.summary import summarise
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, RESULTS, TEACHER_RESULTS, student_results
from stages.support.running import say, stage

PARAMS = ("students",)
SUMMARY = RESULTS / "summary.json"
SEARCH = RESULTS / "figures/search.png"
CURVES = RESULTS / "figures/curves.png"
PAGE = RESULTS / "report.html"


@stage
@click.option("--ablation", type=click.Path(path_type=Path), help="A folder that the stage `compare` filled.")
def main(ablation: Path | None) -> None:
    """Put the results of the students of params.yaml together, in their order there."""
    students = list(Parameters(PARAMS).section("students"))
    if not students:
        raise UserError("params.yaml: 'students' names none; add an entry")
    metrics = {student: _read_results(student_results(student)) for student in students}
    teachers = _read_results(TEACHER_RESULTS)
    summary = summarise(metrics, teachers)
    curves = {student: _read_curves(student, metrics[student]) for student in students}
    teacher_training = {
        "detector": read_tsv(TEACHER_RESULTS / "detector_training.tsv", "step", "total"),
        "re-ID": read_tsv(TEACHER_RESULTS / "reid_training.tsv", "step", "total"),
    }
    data = open_prepared(PREPARED)
    detections = {
        student: read_detections(student_results(student) / "detections.h5") for student in students
    }
    searches = Searches(data, metrics, detections)
    searched = searches.draw(searches.spaced, SPACED)
    drawn = curves_figure(curves, teachers, teacher_training)
    sections = [
        Section("curves", "Curves", "Metrics on the test scenes, and losses of the trainings.", [drawn]),
        *searches.sections(),
        *([_ablation_section(ablation)] if ablation else []),
    ]
    text = page(f"data set {data.name}", summary, metrics[students[0]]["protocol"], sections)
    write_json(SUMMARY, summary)
    write_atomically(SEARCH, searched)
    write_atomically(CURVES, drawn)
    write_atomically(PAGE, text)
    reached = ", ".join(f"{student} {summary[student]['search_mAP']:.4f}" for student in students)
    say(f"{PAGE}: search mAP {reached}; also {SUMMARY}, {SEARCH}, {CURVES}")


def _ablation_section(folder: Path) -> Section:
    comparison, figure = folder / "comparison.json", folder / "comparison.png"
    for path in (comparison, figure):
        if not path.is_file():
            raise UserError(
                f"{path} is missing; `git checkout` it, or run `dvc repro` in the ablation's folder"
            )
    compared = _read(comparison)
    said = f"{compared['about']} {EXPLAINED}"
    return Section("ablation", "Ablation", said, [figure.read_bytes()], comparison_tables(compared))


def _read_curves(student: str, metrics: Mapping[str, Any]) -> StudentCurves:
    folder = student_results(student)
    training = read_tsv(folder / "training.tsv", "step", "total")
    precision_recall = read_tsv(folder / "precision_recall.tsv", "recall", "precision")
    return StudentCurves(metrics, training, precision_recall)


def _read_results(folder: Path) -> dict[str, Any]:
    """Read the metrics and the cost of a student, or of the teachers."""
    return _read(folder / "metrics.json") | {COST: _read(folder / "cost.json")}


def _read(path: Path) -> dict[str, Any]:
    again = "make it again with `dvc repro`"
    return read_json(path, absent=f"{path} is missing; run `dvc repro`", again=again)


if __name__ == "__main__":
    main()
