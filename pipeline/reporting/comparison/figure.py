"""The picture of the comparison: every row's figures over its seeds, group by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting.comparison.text import PERCENT, TITLES
from pipeline.reporting.style import BLUE, GREY, INK, drawable, drawing, png

SHOWN = ("search_mAP", "coco_ap50", "coco_ap70")
WIDTH = 13.5
ROW_HEIGHT = 0.27
"""Inches a row."""
MARGIN = 0.6


def comparison_figure(comparison: Mapping[str, Any]) -> bytes:
    """Draw three figures of all rows, a dot a seed, a bar for mean and deviation. Returns a PNG."""
    groups = comparison["groups"]
    heights = [len(group["rows"]) + 1.6 for group in groups]
    with drawing():
        figure = Figure(figsize=(WIDTH, sum(heights) * ROW_HEIGHT + MARGIN), facecolor="white")
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
            for axes, name in zip(axes_of_group, SHOWN, strict=True):
                _panel(axes, group["rows"], name, first=name == SHOWN[0])
            axes_of_group[0].set_title(drawable(group["title"]))
        for axes, name in zip(panels[-1], SHOWN, strict=True):
            axes.set_xlabel(f"{TITLES[name]}, %")
        return png(figure)


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, *, first: bool) -> None:
    for place, row in enumerate(rows):
        figure = row["figures"][name]
        values = [value * PERCENT for value in figure["values"]]
        mean, deviation = figure["mean"] * PERCENT, figure["deviation"] * PERCENT
        colour = GREY if place == 0 else BLUE
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.35, markersize=4)
        axes.errorbar(mean, place, xerr=deviation, color=colour, marker="|", markersize=9, capsize=3)
        axes.annotate(
            f" {mean:.1f}", (max([mean + deviation, *values]), place), color=INK, va="center", fontsize=8
        )
    axes.axvline(rows[0]["figures"][name]["mean"] * PERCENT, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.1)
    axes.set_yticks(range(len(rows)), [drawable(row["is"]) for row in rows] if first else [])
    axes.grid(visible=False, axis="y")
