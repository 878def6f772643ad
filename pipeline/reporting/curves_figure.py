"""The picture of curves: what was reached, and how the training went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting.columns import Columns
from pipeline.reporting.style import (
    ROW_TITLES,
    TEACHER_COLOUR,
    drawable,
    drawing,
    legend_text,
    png,
    row_colour,
    row_style,
)

SIZE = (13.5, 8.0)
"""Width and height in inches."""
PERCENT = 100.0
MOST_TITLES = 4
"""So many bars have their row's title below; more have its name."""
SLANT = 20
"""In degrees."""
TEACHER_STYLE = (0, (1, 1))


@dataclass(frozen=True)
class RowCurves:
    """What is drawn of one row of the table.

    Attributes:
        metrics: what its `metrics.json` holds.
        training: `step`, `total`, `identity` and the other losses.
        precision_recall: `recall` and `precision` of its detections.
    """

    metrics: Mapping[str, Any]
    training: Columns
    precision_recall: Columns


def curves_figure(
    rows: Mapping[str, RowCurves], teachers: Mapping[str, Any], teacher_training: Mapping[str, Columns]
) -> bytes:
    """Draw six panels: three of results, three of training. Returns a PNG.

    Args:
        rows: by row, in the table's order.
        teachers: what the teachers' `metrics.json` holds.
        teacher_training: the losses of each teacher, by what to call it.
    """
    with drawing():
        figure = Figure(figsize=SIZE, facecolor="white", layout="constrained")
        figure.suptitle("Above: what was reached on the test scenes. Below: how training went.", fontsize=12)
        panels = figure.subplots(2, 3)
        _reached(panels[0, 0], rows, teachers)
        _over_gallery(panels[0, 1], rows, teachers)
        _precision_recall(panels[0, 2], rows)
        _training(panels[1, 0], rows, "identity", "each row's own target: compare shapes, not heights")
        _training(panels[1, 1], rows, "total", "weighted sum of all losses")
        _teacher_training(panels[1, 2], teacher_training)
        return png(figure)


def _reached(axes: Axes, rows: Mapping[str, RowCurves], teachers: Mapping[str, Any]) -> None:
    """Draw the headline: search mAP of each row, and of the teachers as a two-step search."""
    values = [row.metrics["search"]["mAP"] for row in rows.values()] + [teachers["search"]["mAP"]]
    colours = [row_colour(index) for index in range(len(rows))] + [TEACHER_COLOUR]
    few = len(rows) < MOST_TITLES
    names = [_title(row, "\n") if few else drawable(row) for row in rows] + ["both teachers\nin two steps"]
    bars = axes.bar(range(len(values)), np.array(values) * PERCENT, color=colours, width=0.6)
    axes.bar_label(bars, fmt="%.1f", weight="bold", fontsize=11, padding=2)
    axes.set_xticks(range(len(values)), names)
    if not few:
        axes.tick_params(axis="x", labelsize=8, labelrotation=SLANT)
    axes.grid(visible=False, axis="x")
    axes.set(title="Search: people found again", ylabel="search mAP, %", ylim=(0, PERCENT))


def _over_gallery(axes: Axes, rows: Mapping[str, RowCurves], teachers: Mapping[str, Any]) -> None:
    curves = {row: curves.metrics["search_by_gallery"] for row, curves in rows.items()}
    sizes = _sizes([*curves.values(), teachers["search_by_gallery"]])
    for index, (row, by_size) in enumerate(curves.items()):
        axes.plot(
            sizes,
            _over_sizes(by_size, sizes),
            label=legend_text(row),
            marker="o",
            color=row_colour(index),
            linestyle=row_style(index),
        )
    axes.plot(
        sizes,
        _over_sizes(teachers["search_by_gallery"], sizes),
        label="both teachers in two steps",
        marker="o",
        color=TEACHER_COLOUR,
        linestyle=TEACHER_STYLE,
    )
    axes.set(
        title="Search: the larger the gallery, the harder",
        xlabel="scenes in the gallery",
        ylabel="search mAP, %",
        ylim=(0, PERCENT),
    )
    axes.legend(loc="lower left", ncols=2)


def _precision_recall(axes: Axes, rows: Mapping[str, RowCurves]) -> None:
    for index, (row, curves) in enumerate(rows.items()):
        table, reached = curves.precision_recall, curves.metrics["detection"]
        axes.plot(
            table["recall"] * PERCENT,
            table["precision"] * PERCENT,
            label=f"{legend_text(row)}: COCO AP50 {reached['coco_ap50'] * PERCENT:.1f}, "
            f"AP70 {reached['coco_ap70'] * PERCENT:.1f}",
            color=row_colour(index),
            linestyle=row_style(index),
        )
    axes.set(
        title="Detection: people found at all",
        xlabel="recall, %",
        ylabel="precision, %",
        xlim=(0, PERCENT),
        ylim=(0, 1.02 * PERCENT),
    )
    axes.legend(loc="lower left")


def _training(axes: Axes, rows: Mapping[str, RowCurves], loss: str, note: str) -> None:
    for index, (row, curves) in enumerate(rows.items()):
        if loss in curves.training:
            axes.plot(
                curves.training["step"],
                curves.training[loss],
                label=legend_text(_title(row)),
                color=row_colour(index),
                linestyle=row_style(index),
            )
    axes.set(title=f"Training: the students' {loss} loss", xlabel="step", ylabel=f"{loss} loss")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", title=note, title_fontproperties={"size": 8})


def _teacher_training(axes: Axes, teachers: Mapping[str, Columns]) -> None:
    for name, columns, style in zip(teachers, teachers.values(), ("-", "--"), strict=False):
        axes.plot(
            columns["step"], columns["total"], label=legend_text(name), color=TEACHER_COLOUR, linestyle=style
        )
    axes.set(title="Training: the teachers' total loss", xlabel="step", ylabel="total loss")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(loc="best")


def _title(row: str, between: str = ": ") -> str:
    return f"{row}{between}{ROW_TITLES[row]}" if row in ROW_TITLES else drawable(row)


def _sizes(curves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return all gallery sizes that there are, by size, `full` last."""
    sizes = {size for by_size in curves for size in by_size}
    return sorted(sizes, key=lambda size: (not size.isdigit(), int(size) if size.isdigit() else 0, size))


def _over_sizes(by_size: Mapping[str, Any], sizes: Sequence[str]) -> list[float]:
    return [by_size[size]["mAP"] * PERCENT if size in by_size else np.nan for size in sizes]
