"""The table of results, to read: teachers on top, then the students."""

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.reporting.summary import DETECTION_KEYS, TEACHERS, Figures

MISSING = "-"
MILLISECONDS = "milliseconds"
"""The one figure that is not in the summary: it is measured, and differs from run to run."""


class Unit(NamedTuple):
    """How a figure is shown: how many of it make one, decimals, and whether more is better."""

    divisor: float
    decimals: int
    more_is_better: bool


PERCENT = Unit(0.01, 1, True)
MILLIONS = Unit(1e6, 2, False)
BILLIONS = Unit(1e9, 2, False)
AS_IS = Unit(1.0, 0, False)


class Column(NamedTuple):
    """A column: its title, and the unit of its figures."""

    title: str
    unit: Unit


COLUMNS = {
    "search_mAP": Column("search mAP", PERCENT),
    "search_top1": Column("top-1", PERCENT),
    "search_top5": Column("top-5", PERCENT),
    "search_top10": Column("top-10", PERCENT),
    "ground_truth_boxes_mAP": Column("mAP, true boxes", PERCENT),
    "detection_ap": Column("AP", PERCENT),
    "detection_recall": Column("recall", PERCENT),
    "detection_ap_70": Column("AP at 0.7", PERCENT),
    "detection_recall_70": Column("recall at 0.7", PERCENT),
    "coco_ap50": Column("COCO AP50", PERCENT),
    "coco_ap70": Column("COCO AP70", PERCENT),
    "parameters": Column("M param.", MILLIONS),
    "flops": Column("GFLOPs", BILLIONS),
    MILLISECONDS: Column("ms", AS_IS),
}
"""The columns, by the figure that they show."""

PARTS = {
    "Search": ("search_mAP", "search_top1", "search_top5", "search_top10", "ground_truth_boxes_mAP"),
    "Detection": (*DETECTION_KEYS,),
    "Cost of an image": ("parameters", "flops", MILLISECONDS),
}
"""The table in parts, for where it is too wide."""

TEACHER_ROWS = {
    "det. teacher": {
        **{key: key for key in DETECTION_KEYS},
        "parameters": "detector_parameters",
        "flops": "detector_flops",
    },
    "re-ID teacher": {
        "ground_truth_boxes_mAP": "reid_ground_truth_boxes_mAP",
        "parameters": "reid_parameters",
    },
    "both teachers": {
        "search_mAP": "two_step_mAP",
        "search_top1": "two_step_top1",
        "search_top5": "two_step_top5",
        "search_top10": "two_step_top10",
        "parameters": "two_step_parameters",
        "flops": "two_step_flops",
    },
}
"""The teachers' rows: which of their figures stands in which column."""


def table_rows(
    summary: Mapping[str, Figures], milliseconds: Mapping[str, float] | None = None
) -> dict[str, dict[str, str]]:
    """Return the lines of the table, teachers first: by title, the cell of each column.

    Args:
        summary: see `summarise`.
        milliseconds: what an image takes, by line; what is not there was not measured.
    """
    timed = milliseconds or {}
    shown = _lines(summary)
    return {
        name: {
            column: _cell(column, (figures | {MILLISECONDS: timed[name]} if name in timed else figures))
            for column in COLUMNS
        }
        for name, figures in shown.items()
    }


def markdown_table(summary: Mapping[str, Figures], milliseconds: Mapping[str, float] | None = None) -> str:
    """Return the table as Markdown, the best student of each column of percentages in bold."""
    best = best_rows(summary)
    titles = [column.title for column in COLUMNS.values()]
    lines = ["| | " + " | ".join(titles) + " |", "|---" + "|---:" * len(COLUMNS) + "|"]
    for name, cells in table_rows(summary, milliseconds).items():
        marked = [f"**{cell}**" if name in best[key] else cell for key, cell in cells.items()]
        lines.append(f"| {name} | " + " | ".join(marked) + " |")
    return "\n".join(lines) + "\n"


def _lines(summary: Mapping[str, Figures]) -> dict[str, dict[str, float]]:
    teachers = summary.get(TEACHERS, {})
    lines = {
        title: {column: teachers[key] for column, key in shown.items() if key in teachers}
        for title, shown in TEACHER_ROWS.items()
    }
    students = {name: dict(figures) for name, figures in summary.items() if name != TEACHERS}
    return {title: figures for title, figures in lines.items() if figures} | students


def _cell(column: str, figures: Figures) -> str:
    if column not in figures:
        return MISSING
    unit = COLUMNS[column].unit
    return f"{figures[column] / unit.divisor:.{unit.decimals}f}"


def best_rows(summary: Mapping[str, Figures]) -> dict[str, list[str]]:
    """Return for each column the students that share its best figure, as the table shows it."""
    students = [name for name in summary if name != TEACHERS]
    best: dict[str, list[str]] = {}
    for column, (_title, unit) in COLUMNS.items():
        shown = {name: float(_cell(column, summary[name])) for name in students if column in summary[name]}
        highest = max(shown.values(), default=None)
        marked = len(shown) > 1 and unit.more_is_better
        best[column] = [name for name, value in shown.items() if value == highest and marked]
    return best
