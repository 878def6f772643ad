"""The figure of paired differences: each pool's mean with its interval, metric by metric."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting.comparison.text import PAIRED_DIFFERENCES, PERCENT
from pipeline.reporting.style import BLUE, GREY, INK, drawable, drawing, png

SHOWN = ("search_mAP", "coco_ap50", "detection_ap")
WIDTH = 11.5
LINE_HEIGHT = 0.24
"""Inches a pool."""
MARGIN = 0.8


def paired_figure(pools: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the differences of all pools (`pooling.pooled`), blue where the interval excludes 0.

    A pool of a single pair has no interval, and its line stays empty. Returns a PNG.
    """
    with drawing():
        figure = Figure(figsize=(WIDTH, len(pools) * LINE_HEIGHT + MARGIN), facecolor="white")
        figure.set_layout_engine("constrained")
        panels = figure.subplots(1, len(SHOWN), squeeze=False)[0]
        for axes, metric in zip(panels, SHOWN, strict=True):
            _panel(axes, [pool["differences"][metric] for pool in pools])
            axes.set_xlabel(f"{PAIRED_DIFFERENCES[metric]}, points")
            axes.set_yticks(range(len(pools)), [])
        panels[0].set_yticks(range(len(pools)), [drawable(pool["title"]) for pool in pools])
        return png(figure)


def _panel(axes: Axes, differences: Sequence[Mapping[str, float] | None]) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, difference in enumerate(differences):
        if difference is None:
            continue
        mean, low, high = (PERCENT * difference[key] for key in ("mean", "low", "high"))
        colour = BLUE if low > 0 or high < 0 else GREY
        axes.errorbar(
            mean, place, xerr=[[mean - low], [high - mean]], color=colour, marker="o", markersize=4, capsize=3
        )
        axes.annotate(f" {mean:+.1f}", (high, place), color=INK, va="center", fontsize=8)
    axes.set_ylim(len(differences) - 0.4, -0.6)
    axes.margins(x=0.14)
    axes.grid(visible=False, axis="y")
