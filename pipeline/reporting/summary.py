"""The results of all rows as one flat summary; `table.py` shows it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError

TEACHERS = "teachers"
COST = "cost"
"""Under which name the content of a `cost.json` stands beside that of `metrics.json`."""

ROW_KEYS = {
    "search_mAP": ("search", "mAP"),
    "search_top1": ("search", "top1"),
    "search_top5": ("search", "top5"),
    "search_top10": ("search", "top10"),
    "ground_truth_boxes_mAP": ("search_ground_truth_boxes", "mAP"),
    "detection_ap": ("detection", "ap"),
    "detection_recall": ("detection", "recall"),
    "detection_ap_70": ("detection_by_iou", "0.7", "ap"),
    "detection_recall_70": ("detection_by_iou", "0.7", "recall"),
    "coco_ap50": ("detection", "coco_ap50"),
    "coco_ap70": ("detection", "coco_ap70"),
    "parameters": (COST, "parameters"),
    "flops": (COST, "flops"),
}
"""Where in a student's `metrics.json` or `cost.json` each figure stands."""

DETECTION_KEYS = tuple(key for key, path in ROW_KEYS.items() if path[0].startswith("detection"))
TEACHER_KEYS = {
    **{key: ROW_KEYS[key] for key in DETECTION_KEYS},
    "reid_ground_truth_boxes_mAP": ("search_ground_truth_boxes", "mAP"),
    "reid_ground_truth_boxes_top1": ("search_ground_truth_boxes", "top1"),
    "two_step_mAP": ("search", "mAP"),
    "two_step_top1": ("search", "top1"),
    "two_step_top5": ("search", "top5"),
    "two_step_top10": ("search", "top10"),
    "detector_parameters": (COST, "detector_parameters"),
    "detector_flops": (COST, "detector_flops"),
    "reid_parameters": (COST, "reid_parameters"),
    "two_step_parameters": (COST, "two_step_parameters"),
    "two_step_flops": (COST, "two_step_flops"),
}
"""The same of the two teachers, scored together as a two-step search."""

GAPS = {"search_mAP": "search mAP", "coco_ap50": "COCO AP50"}
"""The figures whose difference between rows is told: people found again, and people found at all."""

Figures = Mapping[str, float]


def summarise(
    rows: Mapping[str, Mapping[str, Any]], teachers: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Return the figures of all rows, flat, so that `dvc metrics diff` shows them side by side.

    Args:
        rows: by row, in the table's order, what `metrics.json` holds, and under `cost` what `cost.json` does.
        teachers: the same of the teachers.

    Returns:
        Fractions and costs under `teachers` and under each row. A figure that was not measured is left out.

    Raises:
        UserError: a row is called `teachers`, or lacks a part of the metrics.
    """
    if TEACHERS in rows:
        raise UserError(f"a row cannot be called '{TEACHERS}'; the summary keeps the teachers' figures there")
    summary = {TEACHERS: _figures(teachers, TEACHER_KEYS, TEACHERS)}
    return summary | {name: _figures(metrics, ROW_KEYS, name) for name, metrics in rows.items()}


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


def _figures(metrics: Mapping[str, Any], keys: Mapping[str, tuple[str, ...]], row: str) -> dict[str, float]:
    figures = {}
    for name, path in keys.items():
        value: Any = metrics
        for part in path:
            if value is None:
                break
            if not isinstance(value, Mapping) or part not in value:
                raise UserError(
                    f"the metrics of {row} lack {'.'.join(path)}; run `dvc repro` to make them again"
                )
            value = value[part]
        if value is not None:
            figures[name] = float(value)
    return figures


def _is_figures(figures: object) -> bool:
    return isinstance(figures, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in figures.values()
    )
