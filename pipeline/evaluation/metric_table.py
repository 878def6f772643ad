"""The table of metrics: where each one stands, its title, its unit, and which direction is better.

The summary, the tables, the page, the figures, the comparison and the tuning read it. A new metric is its
computation and one line here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

COST = "cost"
"""The key under which the content of a `cost.json` stands beside that of the `metrics.json`."""


class Unit(NamedTuple):
    """The unit in which a metric is shown.

    Attributes:
        name: what stands behind a number.
        divisor: the value of one unit: a fraction of 0.01 is one percent.
        decimals: digits behind the point.
    """

    name: str
    divisor: float
    decimals: int

    def text(self, value: float) -> str:
        """Return a value as a number of this unit, without the unit's name."""
        return f"{value / self.divisor:.{self.decimals}f}"


PERCENT = Unit("%", 0.01, 1)
MILLIONS = Unit("M", 1e6, 2)
BILLIONS = Unit("G", 1e9, 2)
MILLISECONDS = Unit("ms", 1.0, 0)

PARTS = {"search": "Search", "detection": "Detection", COST: "Cost of an image"}
"""The parts of the results table: how the first key of a metric's path begins, and the part's title."""
OTHER = "Other"


class Metric(NamedTuple):
    """One metric.

    Attributes:
        path: the keys that lead to its value in a `metrics.json`. A path that begins with `COST` leads
            into the `cost.json`.
        title: what tables and figures call it.
        unit: how its value is shown.
        higher_is_better: whether the best student is the one with the highest value.
        short_title: its title where no other metric could be meant.
    """

    path: tuple[str, ...]
    title: str
    unit: Unit = PERCENT
    higher_is_better: bool = True
    short_title: str = ""

    @property
    def short(self) -> str:
        """The short title, or the title where there is no shorter one."""
        return self.short_title or self.title

    @property
    def part(self) -> str:
        """The part of the results table that holds the metric: the title in `PARTS` for its first key."""
        return next((title for key, title in PARTS.items() if self.path[0].startswith(key)), OTHER)


METRICS: Mapping[str, Metric] = {
    "search_mAP": Metric(("search", "mAP"), "search mAP"),
    "search_top1": Metric(("search", "top1"), "top-1"),
    "search_top5": Metric(("search", "top5"), "top-5"),
    "search_top10": Metric(("search", "top10"), "top-10"),
    "ground_truth_boxes_mAP": Metric(("search_ground_truth_boxes", "mAP"), "mAP, true boxes"),
    "detection_ap": Metric(("detection", "ap"), "AP"),
    "detection_recall": Metric(("detection", "recall"), "recall"),
    "detection_ap_70": Metric(("detection_by_iou", "0.7", "ap"), "AP at 0.7"),
    "detection_recall_70": Metric(("detection_by_iou", "0.7", "recall"), "recall at 0.7"),
    "coco_ap50": Metric(("detection", "coco_ap50"), "COCO AP50", short_title="AP50"),
    "coco_ap70": Metric(("detection", "coco_ap70"), "COCO AP70", short_title="AP70"),
    "parameters": Metric((COST, "parameters"), "M param.", MILLIONS, higher_is_better=False),
    "flops": Metric((COST, "flops"), "GFLOPs", BILLIONS, higher_is_better=False),
}
"""All metrics of a student, in the order of the table, by their name in `summary.json`."""


def metric_value(metrics: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """Return the value at a path of a `metrics.json`; None where it was not measured (`null` in the file).

    Raises:
        KeyError: the metrics have no such path.
    """
    value: Any = metrics
    for key in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise KeyError(key)
        value = value[key]
    return None if value is None else float(value)


def measured(metrics: Mapping[str, Any], name: str) -> float:
    """Return a metric by its name in `METRICS`.

    Raises:
        KeyError: the metrics lack it, or it was not measured.
    """
    value = metric_value(metrics, METRICS[name].path)
    if value is None:
        raise KeyError(name)
    return value
