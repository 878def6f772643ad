"""What detection pays for search: both metrics over a setting, one curve a kind of student."""

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from pipeline.basics.options import Options
from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.comparison.runs import Runs, spreads
from pipeline.reporting.style import STUDENT_COLOURS, STUDENT_STYLES, drawable, drawing, png

ACROSS, UP = "coco_ap50", "search_mAP"
SIZE = (6.5, 4.5)
"""Inches."""
PERCENT = 100.0


class TradeOff(Options):
    """Curves over a setting.

    Attributes:
        title: the setting, and what the curves have in common.
        curves: by what a curve is: its students, `folder/name`, along it, each with its value of the setting.
    """

    title: str
    curves: dict[str, dict[str, str]] = Field(min_length=1)

    def students(self) -> Iterator[str]:
        """Yield the names of all students."""
        for curve in self.curves.values():
            yield from curve


def trade_off(stated: TradeOff, runs: Mapping[str, Runs]) -> dict[str, Any]:
    """Return the curves as plain values for JSON.

    Returns:
        `title`; `curves`, each with what it `is` and its `points`: the student (`row`), its value of the
        setting (`at`), and by metric (`coco_ap50`, `search_mAP`) mean, deviation and values over its seeds.
    """
    curves = [
        {"is": what, "points": [_point(name, at, runs[name]) for name, at in curve.items()]}
        for what, curve in stated.curves.items()
    ]
    return {"title": stated.title, "curves": curves}


def _point(name: str, at: str, runs: Runs) -> dict[str, Any]:
    reached = spreads(runs)
    return {"row": name, "at": at, **{metric: reached[metric]._asdict() for metric in (ACROSS, UP)}}


def trade_off_figure(shown: Mapping[str, Any]) -> bytes:
    """Draw search mAP against AP50, a point a student with the deviation over its seeds. Returns a PNG."""
    with drawing():
        figure = Figure(figsize=SIZE, facecolor="white")
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        for number, curve in enumerate(shown["curves"]):
            _draw(axes, curve, number)
        axes.set_title(drawable(shown["title"]))
        axes.set_xlabel(f"{METRICS[ACROSS].title}, %")
        axes.set_ylabel(f"{METRICS[UP].title}, %")
        axes.margins(0.1)
        axes.legend()
        return png(figure)


def _draw(axes: Axes, curve: Mapping[str, Any], number: int) -> None:
    across, up = ([point[metric]["mean"] * PERCENT for point in curve["points"]] for metric in (ACROSS, UP))
    across_by, up_by = (
        [point[metric]["deviation"] * PERCENT for point in curve["points"]] for metric in (ACROSS, UP)
    )
    axes.errorbar(
        across,
        up,
        xerr=across_by,
        yerr=up_by,
        label=drawable(curve["is"]),
        color=STUDENT_COLOURS[number % len(STUDENT_COLOURS)],
        linestyle=STUDENT_STYLES[number % len(STUDENT_STYLES)],
        marker="o",
        markersize=4,
        elinewidth=0.8,
    )
    for point, x, y in zip(curve["points"], across, up, strict=True):
        axes.annotate(drawable(point["at"]), (x, y), (4, 4), textcoords="offset points", fontsize=8)
