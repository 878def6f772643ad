"""The figure of the comparison: every student's metrics over its seeds, group by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting.comparison.text import PERCENT, TITLES
from pipeline.reporting.style import BLUE, GREY, INK, drawable, drawing, png

SHOWN = ("search_mAP", "coco_ap50", "coco_ap70")
WIDTH = 13.5
LINE_HEIGHT = 0.27
"""Inches a student."""
MARGIN = 0.6


def comparison_figure(comparison: Mapping[str, Any]) -> bytes:
    """Draw three metrics of all students, a dot a seed, a bar for mean and deviation. Returns a PNG."""
    groups = comparison["groups"]
    heights = [len(group["rows"]) + 1.6 for group in groups]
    with drawing():
        figure = Figure(figsize=(WIDTH, sum(heights) * LINE_HEIGHT + MARGIN), facecolor="white")
        figure.set_layout_engine("constrained")
        panels = figure.subplots(
            len(groups),
            len(SHOWN),
            squeeze=False,
            sharex="col",
            height_ratios=heights,
            width_ratios=(2, 1, 1),
        )
        for axes_of_group, group in zip(panels, groups, strict=True):
            for axes, metric in zip(axes_of_group, SHOWN, strict=True):
                _panel(axes, group["rows"], metric, first=metric == SHOWN[0])
            axes_of_group[0].set_title(drawable(group["title"]))
        for axes, metric in zip(panels[-1], SHOWN, strict=True):
            axes.set_xlabel(f"{TITLES[metric]}, %")
        return png(figure)


def _panel(axes: Axes, students: Sequence[Mapping[str, Any]], metric: str, *, first: bool) -> None:
    for place, student in enumerate(students):
        spread = student["figures"][metric]
        values = [value * PERCENT for value in spread["values"]]
        mean, deviation = spread["mean"] * PERCENT, spread["deviation"] * PERCENT
        colour = GREY if place == 0 else BLUE
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.35, markersize=4)
        axes.errorbar(mean, place, xerr=deviation, color=colour, marker="|", markersize=9, capsize=3)
        axes.annotate(
            f" {mean:.1f}", (max([mean + deviation, *values]), place), color=INK, va="center", fontsize=8
        )
    axes.axvline(students[0]["figures"][metric]["mean"] * PERCENT, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(len(students) - 0.4, -0.6)
    axes.margins(x=0.1)
    axes.set_yticks(range(len(students)), [drawable(student["is"]) for student in students] if first else [])
    axes.grid(visible=False, axis="y")
