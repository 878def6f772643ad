"""The metrics of all students and teachers as one flat summary, `summary.json`; `table.py` shows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import damaged, read_json
from pipeline.evaluation.metric_table import COST, METRICS, metric_value

TEACHERS = "teachers"
DETECTOR_LINE, REID_LINE, BOTH_LINE = "det. teacher", "re-ID teacher", "both teachers"
"""The teachers' lines of the table."""
TEACHERS_ONLY = {"reid_ground_truth_boxes_top1": ("search_ground_truth_boxes", "top1")}
"""In the teachers' summary, but in no line of the table."""
GAPS = ("search_mAP", "coco_ap50")
"""The metrics whose difference between students is told: people found again, and people found at all."""
POINTS = 100

Values = Mapping[str, float]
"""The value of each metric, by the metric's name in the summary."""


def summarise(
    students: Mapping[str, Mapping[str, Any]], teachers: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Return the metrics of all students, flat, so that `dvc metrics diff` shows them side by side.

    Args:
        students: by name, in the table's order, the content of `metrics.json`, and under `COST` that of
            `cost.json`.
        teachers: the same for the two teachers, scored together as a two-step search.

    Returns:
        Fractions and costs under `teachers` and under each student. Metrics without a value are left out.

    Raises:
        UserError: a student is called `teachers`, or lacks a part of the metrics.
    """
    if TEACHERS in students:
        raise UserError(
            f"a student cannot be called '{TEACHERS}'; the summary keeps the teachers' metrics there"
        )
    own = {name: metric.path for name, metric in METRICS.items()}
    return {
        TEACHERS: _values(teachers, _teacher_paths(), TEACHERS),
        **{name: _values(metrics, own, name) for name, metrics in students.items()},
    }


def teacher_lines() -> dict[str, dict[str, str]]:
    """Return the teachers' lines of the table: by title, for each metric its name in the teachers' summary.

    The detector has the metrics of detection, the re-ID model those of a search in ground-truth boxes, and
    both together, in two steps, those of a search.
    """
    detection = {name: name for name in METRICS if METRICS[name].path[0].startswith("detection")}
    true_boxes = {
        name: f"reid_{name}" for name in METRICS if METRICS[name].path[0] == "search_ground_truth_boxes"
    }
    search = {
        name: f"two_step_{name.removeprefix('search_')}"
        for name in METRICS
        if METRICS[name].path[0] == "search"
    }
    return {
        DETECTOR_LINE: detection | {"parameters": "detector_parameters", "flops": "detector_flops"},
        REID_LINE: true_boxes | {"parameters": "reid_parameters"},
        BOTH_LINE: search | {"parameters": "two_step_parameters", "flops": "two_step_flops"},
    }


def gaps(summary: Mapping[str, Values]) -> list[str]:
    """Return a sentence for each student but the first: its distance to the first, in percentage points."""
    first, *others = [name for name in summary if name != TEACHERS] or [""]
    sentences = []
    for name in others:
        differences = [
            f"{METRICS[metric].title} {POINTS * (summary[name][metric] - summary[first][metric]):+.1f}"
            for metric in GAPS
            if metric in summary[name] and metric in summary[first]
        ]
        sentences.append(f"{name} against {first}: {', '.join(differences)} points")
    return sentences


def read_summary(path: Path) -> dict[str, dict[str, float]]:
    """Read a summary that the report stage wrote.

    Raises:
        UserError: there is none yet, or it is damaged.
    """
    again = "make it again with `dvc repro report`"
    absent = f"no results yet ({path} is missing); run `dvc repro` or `make repro`"
    summary = read_json(path, absent=absent, again=again)
    if not all(_are_values(values) for values in summary.values()):
        raise damaged(path, again)
    return summary


def _teacher_paths() -> dict[str, tuple[str, ...]]:
    """Return the path of each metric in the teachers' summary, costs last."""
    paths: dict[str, tuple[str, ...]] = {}
    costs: dict[str, tuple[str, ...]] = {}
    for title, names in teacher_lines().items():
        for metric, key in names.items():
            if METRICS[metric].path[0] == COST:
                costs[key] = (COST, key)
            else:
                paths[key] = METRICS[metric].path
        if title == REID_LINE:
            paths |= TEACHERS_ONLY
    return paths | costs


def _values(metrics: Mapping[str, Any], paths: Mapping[str, tuple[str, ...]], owner: str) -> dict[str, float]:
    values = {}
    for name, path in paths.items():
        try:
            value = metric_value(metrics, path)
        except KeyError:
            raise UserError(
                f"the metrics of {owner} lack {'.'.join(path)}; run `dvc repro` to make them again"
            ) from None
        if value is not None:
            values[name] = value
    return values


def _are_values(values: object) -> bool:
    return isinstance(values, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values.values()
    )
