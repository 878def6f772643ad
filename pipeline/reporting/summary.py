"""The results of all rows as one flat summary, and as a table to read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

TEACHERS = "teachers"
MISSING = "-"

ROW_KEYS = {
    "search_mAP": ("search", "mAP"),
    "search_top1": ("search", "top1"),
    "search_top5": ("search", "top5"),
    "search_top10": ("search", "top10"),
    "ground_truth_boxes_mAP": ("search_ground_truth_boxes", "mAP"),
    "detection_ap": ("detection", "ap"),
    "detection_recall": ("detection", "recall"),
    "coco_ap50": ("detection", "coco_ap50"),
    "coco_ap70": ("detection", "coco_ap70"),
}
"""Where in `metrics.json` each figure of a student stands."""

TEACHER_KEYS = {
    "detection_ap": ("detection", "ap"),
    "detection_recall": ("detection", "recall"),
    "coco_ap50": ("detection", "coco_ap50"),
    "coco_ap70": ("detection", "coco_ap70"),
    "reid_ground_truth_boxes_mAP": ("search_ground_truth_boxes", "mAP"),
    "reid_ground_truth_boxes_top1": ("search_ground_truth_boxes", "top1"),
    "two_step_mAP": ("search", "mAP"),
    "two_step_top1": ("search", "top1"),
}
"""The same of the two teachers, scored together as a two-step search."""

COLUMNS = {
    "search_mAP": "search mAP",
    "search_top1": "top-1",
    "search_top5": "top-5",
    "search_top10": "top-10",
    "ground_truth_boxes_mAP": "mAP, true boxes",
    "detection_ap": "det. AP",
    "detection_recall": "det. recall",
    "coco_ap50": "COCO AP50",
    "coco_ap70": "COCO AP70",
}
"""The columns of the table, by the figure that they show."""

TEACHER_ROWS = {
    "det. teacher": {key: key for key in ("detection_ap", "detection_recall", "coco_ap50", "coco_ap70")},
    "re-ID teacher": {"ground_truth_boxes_mAP": "reid_ground_truth_boxes_mAP"},
    "both teachers": {"search_mAP": "two_step_mAP", "search_top1": "two_step_top1"},
}
"""The teachers' rows: which of their figures stands in which column."""

GAPS = {"search_mAP": "search mAP", "coco_ap50": "COCO AP50"}
"""The figures whose difference between rows is told: people found again, and people found at all."""

Figures = Mapping[str, float]


def summarise(
    rows: Mapping[str, Mapping[str, Any]], teachers: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Return the figures of all rows, flat, so that `dvc metrics diff` shows them side by side.

    Args:
        rows: what `metrics.json` holds, by row, in the table's order.
        teachers: what the teachers' `metrics.json` holds.

    Returns:
        Fractions under `teachers` and under each row. A figure that was not measured is left out.

    Raises:
        UserError: a row is called `teachers`, or lacks a part of the metrics.
    """
    if TEACHERS in rows:
        raise UserError(f"a row cannot be called '{TEACHERS}'; the summary keeps the teachers' figures there")
    summary = {TEACHERS: _figures(teachers, TEACHER_KEYS, TEACHERS)}
    return summary | {name: _figures(metrics, ROW_KEYS, name) for name, metrics in rows.items()}


def table_rows(summary: Mapping[str, Figures]) -> dict[str, list[str]]:
    """Return the cells of each line of the table, in percent with one decimal, teachers first."""
    teachers = summary.get(TEACHERS, {})
    table = {
        title: {column: teachers[key] for column, key in shown.items() if key in teachers}
        for title, shown in TEACHER_ROWS.items()
    }
    lines = {title: dict(figures) for title, figures in table.items() if figures}
    lines |= {name: dict(figures) for name, figures in summary.items() if name != TEACHERS}
    return {name: [_percent(figures.get(column)) for column in COLUMNS] for name, figures in lines.items()}


def markdown_table(summary: Mapping[str, Figures]) -> str:
    """Return the table as Markdown, the best student of each column in bold."""
    best = _best_rows(summary)
    lines = ["| % | " + " | ".join(COLUMNS.values()) + " |", "|---" + "|---:" * len(COLUMNS) + "|"]
    for name, cells in table_rows(summary).items():
        shown = [
            f"**{cell}**" if name in best[column] else cell
            for column, cell in zip(COLUMNS, cells, strict=True)
        ]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def gaps(summary: Mapping[str, Figures]) -> list[str]:
    """Return a sentence for each row behind the first: how far it is from the first, in percentage points."""
    first, *others = [name for name in summary if name != TEACHERS] or [""]
    sentences = []
    for name in others:
        differences = [
            f"{label} {100 * (summary[name][key] - summary[first][key]):+.1f}"
            for key, label in GAPS.items()
            if key in summary[name] and key in summary[first]
        ]
        sentences.append(f"{name} against {first}: {', '.join(differences)} points")
    return sentences


def read_summary(path: Path) -> dict[str, dict[str, float]]:
    """Read a summary that the report stage wrote.

    Raises:
        UserError: there is none yet, or it is damaged.
    """
    if not path.is_file():
        raise UserError(f"no results yet ({path} is missing); run `dvc repro` or `make repro`")
    try:
        summary = json.loads(path.read_text())
    except ValueError:
        summary = None
    if not isinstance(summary, dict) or not all(_is_figures(figures) for figures in summary.values()):
        raise UserError(f"{path} is damaged; make it again with `dvc repro report`")
    return summary


def _figures(metrics: Mapping[str, Any], keys: Mapping[str, tuple[str, str]], row: str) -> dict[str, float]:
    figures = {}
    for name, (part, key) in keys.items():
        if part not in metrics or (metrics[part] is not None and key not in metrics[part]):
            raise UserError(f"the metrics of {row} lack {part}.{key}; run `dvc repro` to make them again")
        if metrics[part] is not None:
            figures[name] = float(metrics[part][key])
    return figures


def _is_figures(figures: object) -> bool:
    return isinstance(figures, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in figures.values()
    )


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def _best_rows(summary: Mapping[str, Figures]) -> dict[str, list[str]]:
    """Return for each column the students that share its highest figure, as the table shows it."""
    students = [name for name in summary if name != TEACHERS]
    best = {}
    for column in COLUMNS:
        shown = {name: round(summary[name][column], 3) for name in students if column in summary[name]}
        highest = max(shown.values(), default=None)
        best[column] = [name for name, value in shown.items() if value == highest and len(shown) > 1]
    return best
