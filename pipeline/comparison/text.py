"""The comparison as Markdown tables."""

from collections.abc import Mapping
from typing import Any

from pipeline.comparison.runs import FIGURES

TITLES = {
    "search_mAP": "search mAP",
    "search_top1": "top-1",
    "ground_truth_boxes_mAP": "mAP, true boxes",
    "coco_ap50": "AP50",
    "coco_ap70": "AP70",
    "detection_recall": "recall",
}
PERCENT = 100.0

assert TITLES.keys() == FIGURES.keys()


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return one table a group: each figure as mean and deviation over the seeds, in percent."""
    parts = [
        "Mean and standard deviation over the seeds, in percent. The difference is that of search mAP to the "
        "group's first row, with its 95 % interval from a paired bootstrap over queries and seeds; **bold** "
        "where it excludes 0.\n"
    ]
    for group in comparison["groups"]:
        head = ["", *TITLES.values(), "difference"]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        lines += [
            [row["is"], *(_spread(row["figures"][name]) for name in TITLES), _difference(row["difference"])]
            for row in group["rows"]
        ]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"### {group['title']}\n\n{table}\n")
    return "\n".join(parts)


def _spread(figure: Mapping[str, Any]) -> str:
    mean = f"{figure['mean'] * PERCENT:.1f}"
    return f"{mean} ± {figure['deviation'] * PERCENT:.1f}" if len(figure["values"]) > 1 else mean


def _difference(difference: Mapping[str, float] | None) -> str:
    if difference is None:
        return ""
    mean, low, high = (difference[key] * PERCENT for key in ("mean", "low", "high"))
    text = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text
