"""The main metrics of one or several sets of detections, as a table of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from commands.tables import table_text
from pipeline.evaluation.metric_table import METRICS, metric_value

SEARCH = ("search_mAP", "search_top1", "ground_truth_boxes_mAP")
DETECTION = ("coco_ap50", "coco_ap70")


def scores_text(reached: Mapping[str, Mapping[str, Any]], names: Sequence[str], first: str = "") -> str:
    """Return metrics as a table, a line for each of `reached`; `-` where something was not measured.

    Args:
        reached: what `evaluate` gives, by what a line is called.
        names: which metrics of `METRICS`.
        first: head of the first column.
    """
    head = [first, *(f"{METRICS[name].title}, {METRICS[name].unit.name}" for name in names)]
    lines = [(who, *(_shown(metrics, name) for name in names)) for who, metrics in reached.items()]
    return table_text(lines, head, right=range(1, len(head)), indent=2)


def _shown(metrics: Mapping[str, Any], name: str) -> str:
    value = metric_value(metrics, METRICS[name].path)
    return "-" if value is None else METRICS[name].unit.text(value)
