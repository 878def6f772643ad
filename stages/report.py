"""Stage `report`: one summary of all rows of the results table, and two pictures."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from pipeline.atomic import write_atomically
from pipeline.data.prepared import PreparedDataSet, open_prepared
from pipeline.errors import UserError
from pipeline.evaluation.detections_file import read_detections
from pipeline.reporting.columns import read_columns
from pipeline.reporting.curves_figure import RowCurves, curves_figure
from pipeline.reporting.cut_out import Picture
from pipeline.reporting.search_figure import search_figure
from pipeline.reporting.shown_queries import shown_queries
from pipeline.reporting.summary import COST, summarise
from stages.running import say, stage

PREPARED = Path("data/prepared")
RESULTS = Path("results")
TEACHERS = RESULTS / "teachers"
SUMMARY = RESULTS / "summary.json"
SEARCH = RESULTS / "figures/search.png"
CURVES = RESULTS / "figures/curves.png"


@stage
@click.option("--row", "rows", multiple=True, required=True, help="A row of the table; in the table's order.")
def main(rows: tuple[str, ...]) -> None:
    """Put the rows' results together."""
    metrics = {row: _read_row(RESULTS / row) for row in rows}
    teachers = _read_row(TEACHERS)
    summary = summarise(metrics, teachers)
    curves = {row: _read_curves(row, metrics[row]) for row in rows}
    teacher_training = {
        "detector": read_columns(TEACHERS / "detector_training.tsv", "step", "total"),
        "re-ID": read_columns(TEACHERS / "reid_training.tsv", "step", "total"),
    }
    searched = _draw_search(open_prepared(PREPARED), metrics)
    drawn = curves_figure(curves, teachers, teacher_training)
    write_atomically(SUMMARY, json.dumps(summary, indent=2, allow_nan=False) + "\n")
    write_atomically(SEARCH, searched)
    write_atomically(CURVES, drawn)
    reached = ", ".join(f"{row} {summary[row]['search_mAP']:.4f}" for row in rows)
    say(f"{SUMMARY}: search mAP {reached}; pictures {SEARCH}, {CURVES}")


def _draw_search(data: PreparedDataSet, metrics: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draw searches in the gallery and at the threshold of the first row's metrics."""
    protocol = next(iter(metrics.values()))["protocol"]
    split, images = data.split(protocol["split"]), data.images(protocol["split"])
    detections = {row: read_detections(RESULTS / row / "detections.h5") for row in metrics}
    gallery, threshold = protocol["gallery"], protocol["search_threshold"]
    queries = shown_queries(split, detections, gallery, search_threshold=threshold)
    if not queries:
        raise UserError(f"the data set's {split.name} split has no queries to draw")

    def picture(scene: int) -> Picture:
        with Image.open(BytesIO(images[scene].tobytes())) as image:
            return np.asarray(image.convert("RGB"))

    return search_figure(queries, len(split.queries), gallery, picture)


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
