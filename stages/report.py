"""Stage `report`: one summary of all rows of the results table, two pictures, and a page with everything."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.evaluation.detections_file import read_detections
from pipeline.reporting.columns import read_columns
from pipeline.reporting.comparison.text import EXPLAINED, comparison_tables
from pipeline.reporting.curves_figure import RowCurves, curves_figure
from pipeline.reporting.page import Section, page
from pipeline.reporting.searches import SPACED, Searches
from pipeline.reporting.summary import COST, summarise
from pipeline.scenes.prepared import open_prepared
from stages.support.running import say, stage

PREPARED = Path("data/prepared")
RESULTS = Path("results")
TEACHERS = RESULTS / "teachers"
SUMMARY = RESULTS / "summary.json"
SEARCH = RESULTS / "figures/search.png"
CURVES = RESULTS / "figures/curves.png"
PAGE = RESULTS / "report.html"


@stage
@click.option("--row", "rows", multiple=True, required=True, help="A row of the table; in the table's order.")
@click.option("--ablation", type=click.Path(path_type=Path), help="A folder that the stage `compare` filled.")
def main(rows: tuple[str, ...], ablation: Path | None) -> None:
    """Put the rows' results together."""
    metrics = {row: _read_row(RESULTS / row) for row in rows}
    teachers = _read_row(TEACHERS)
    summary = summarise(metrics, teachers)
    curves = {row: _read_curves(row, metrics[row]) for row in rows}
    teacher_training = {
        "detector": read_columns(TEACHERS / "detector_training.tsv", "step", "total"),
        "re-ID": read_columns(TEACHERS / "reid_training.tsv", "step", "total"),
    }
    data = open_prepared(PREPARED)
    detections = {row: read_detections(RESULTS / row / "detections.h5") for row in rows}
    searches = Searches(data, metrics, detections)
    searched = searches.draw(searches.spaced, SPACED)
    drawn = curves_figure(curves, teachers, teacher_training)
    sections = [
        Section("curves", "Curves", "What was reached on the test scenes, and how training went.", [drawn]),
        *searches.sections(),
        *([_ablation_section(ablation)] if ablation else []),
    ]
    text = page(f"data set {data.name}", summary, metrics[rows[0]]["protocol"], sections)
    write_atomically(SUMMARY, json.dumps(summary, indent=2, allow_nan=False) + "\n")
    write_atomically(SEARCH, searched)
    write_atomically(CURVES, drawn)
    write_atomically(PAGE, text)
    reached = ", ".join(f"{row} {summary[row]['search_mAP']:.4f}" for row in rows)
    say(f"{PAGE}: search mAP {reached}; also {SUMMARY}, {SEARCH}, {CURVES}")


def _ablation_section(folder: Path) -> Section:
    comparison, picture = folder / "comparison.json", folder / "comparison.png"
    for path in (comparison, picture):
        if not path.is_file():
            raise UserError(
                f"{path} is missing; `git checkout` it, or run `dvc repro` in the ablation's folder"
            )
    compared = _read_json(comparison)
    said = f"{compared['about']} {EXPLAINED}"
    return Section("ablation", "Ablation", said, [picture.read_bytes()], comparison_tables(compared))


def _read_curves(row: str, metrics: Mapping[str, Any]) -> RowCurves:
    training = read_columns(RESULTS / row / "training.tsv", "step", "total")
    precision_recall = read_columns(RESULTS / row / "precision_recall.tsv", "recall", "precision")
    return RowCurves(metrics, training, precision_recall)


def _read_row(folder: Path) -> dict[str, Any]:
    """Read what a row reached and what it costs."""
    return _read_json(folder / "metrics.json") | {COST: _read_json(folder / "cost.json")}


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} is missing; run `dvc repro`")
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; make it again with `dvc repro`")
    return content


if __name__ == "__main__":
    main()
