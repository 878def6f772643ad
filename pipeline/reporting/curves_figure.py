"""The figure of curves: the metrics that were reached, and the losses of the trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.basics.tsv_files import Columns
from pipeline.evaluation.metric_table import METRICS, measured
from pipeline.reporting.style import (
    STUDENT_TITLES,
    TEACHER_COLOUR,
    drawable,
    drawing,
    legend_text,
    png,
    student_colour,
    student_style,
)

SIZE = (13.5, 8.0)
"""Width and height in inches."""
PERCENT = 100.0
MOST_TITLES = 4
"""Fewer students than this have their title below their bar; more have only their name there."""
SLANT = 20
"""In degrees."""
TEACHER_STYLE = (0, (1, 1))
SEARCH_MAP, LOOSE, STRICT = "search_mAP", "coco_ap50", "coco_ap70"
"""The metrics that are drawn, by their name in `METRICS`."""
SEARCH_LABEL = f"{METRICS[SEARCH_MAP].title}, {METRICS[SEARCH_MAP].unit.name}"


@dataclass(frozen=True)
class StudentCurves:
    """The values of one student that are drawn.

    Attributes:
        metrics: the content of its `metrics.json`.
        training: `step`, `total`, `identity` and the other losses.
        precision_recall: `recall` and `precision` of its detections.
    """

    metrics: Mapping[str, Any]
    training: Columns
    precision_recall: Columns


def curves_figure(
    students: Mapping[str, StudentCurves],
    teachers: Mapping[str, Any],
    teacher_training: Mapping[str, Columns],
) -> bytes:
    """Draw six panels: three of results, three of training. Returns a PNG.

    Args:
        students: by name, in the table's order.
        teachers: the content of the teachers' `metrics.json`.
        teacher_training: the losses of each teacher, by the name to show.
    """
    with drawing():
        figure = Figure(figsize=SIZE, facecolor="white", layout="constrained")
        figure.suptitle("Above: what was reached on the test scenes. Below: how training went.", fontsize=12)
        panels = figure.subplots(2, 3)
        _reached(panels[0, 0], students, teachers)
        _over_gallery(panels[0, 1], students, teachers)
        _precision_recall(panels[0, 2], students)
        _training(panels[1, 0], students, "identity", "each row's own target: compare shapes, not heights")
        _training(panels[1, 1], students, "total", "weighted sum of all losses")
        _teacher_training(panels[1, 2], teacher_training)
        return png(figure)


def _reached(axes: Axes, students: Mapping[str, StudentCurves], teachers: Mapping[str, Any]) -> None:
    """Draw the main metric: search mAP of each student, and of the teachers as a two-step search."""
    reached = [*(student.metrics for student in students.values()), teachers]
    values = np.array([measured(metrics, SEARCH_MAP) for metrics in reached]) * PERCENT
    colours = [student_colour(index) for index in range(len(students))] + [TEACHER_COLOUR]
    few = len(students) < MOST_TITLES
    names = [_title(name, "\n") if few else drawable(name) for name in students]
    bars = axes.bar(range(len(values)), values, color=colours, width=0.6)
    axes.bar_label(bars, fmt="%.1f", weight="bold", fontsize=11, padding=2)
    axes.set_xticks(range(len(values)), [*names, "both teachers\nin two steps"])
    if not few:
        axes.tick_params(axis="x", labelsize=8, labelrotation=SLANT)
    axes.grid(visible=False, axis="x")
    axes.set(title="Search: people found again", ylabel=SEARCH_LABEL, ylim=(0, PERCENT))


def _over_gallery(axes: Axes, students: Mapping[str, StudentCurves], teachers: Mapping[str, Any]) -> None:
    curves = {name: student.metrics["search_by_gallery"] for name, student in students.items()}
    sizes = _sizes([*curves.values(), teachers["search_by_gallery"]])
    for index, (name, by_size) in enumerate(curves.items()):
        axes.plot(
            sizes,
            _over_sizes(by_size, sizes),
            label=legend_text(name),
            marker="o",
            color=student_colour(index),
            linestyle=student_style(index),
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
        ylabel=SEARCH_LABEL,
        ylim=(0, PERCENT),
    )
    axes.legend(loc="lower left", ncols=2)


def _precision_recall(axes: Axes, students: Mapping[str, StudentCurves]) -> None:
    for index, (name, student) in enumerate(students.items()):
        curve = student.precision_recall
        loose, strict = (measured(student.metrics, metric) * PERCENT for metric in (LOOSE, STRICT))
        axes.plot(
            curve["recall"] * PERCENT,
            curve["precision"] * PERCENT,
            label=f"{legend_text(name)}: {METRICS[LOOSE].title} {loose:.1f}, "
            f"{METRICS[STRICT].short} {strict:.1f}",
            color=student_colour(index),
            linestyle=student_style(index),
        )
    axes.set(
        title="Detection: people found at all",
        xlabel="recall, %",
        ylabel="precision, %",
        xlim=(0, PERCENT),
        ylim=(0, 1.02 * PERCENT),
    )
    axes.legend(loc="lower left")


def _training(axes: Axes, students: Mapping[str, StudentCurves], loss: str, note: str) -> None:
    for index, (name, student) in enumerate(students.items()):
        if loss in student.training:
            axes.plot(
                student.training["step"],
                student.training[loss],
                label=legend_text(_title(name)),
                color=student_colour(index),
                linestyle=student_style(index),
            )
    axes.set(title=f"Training: the students' {loss} loss", xlabel="step", ylabel=f"{loss} loss")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    if axes.lines:  # students that learn by box alone have no identity loss
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


def _title(student: str, between: str = ": ") -> str:
    return f"{student}{between}{STUDENT_TITLES[student]}" if student in STUDENT_TITLES else drawable(student)


def _sizes(curves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the gallery sizes of all curves, smallest first, `full` last."""
    sizes = {size for by_size in curves for size in by_size}
    return sorted(sizes, key=lambda size: (not size.isdigit(), int(size) if size.isdigit() else 0, size))


def _over_sizes(by_size: Mapping[str, Any], sizes: Sequence[str]) -> list[float]:
    return [by_size[size]["mAP"] * PERCENT if size in by_size else np.nan for size in sizes]
