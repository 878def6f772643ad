"""The comparison in words: tables of it, and these as Markdown."""

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.comparison.runs import FIGURES
from pipeline.reporting.text_table import TextTable

TITLES = {
    "search_mAP": "search mAP",
    "search_top1": "top-1",
    "ground_truth_boxes_mAP": "mAP, true boxes",
    "coco_ap50": "AP50",
    "coco_ap70": "AP70",
    "detection_recall": "recall",
}
DIFFERENCES = {"search_mAP": "Δ search mAP", "coco_ap50": "Δ AP50", "coco_ap70": "Δ AP70"}
COSTS = {"parameters": "M param.", "flops": "GFLOPs"}
"""Shown where the rows of a group do not all cost the same."""
PERCENT, MILLION, BILLION = 100.0, 1e6, 1e9

EXPLAINED = (
    "Mean and standard deviation over the seeds, in percent. Δ is the difference to the group's first row, "
    "with its 95 % interval: of search mAP from a paired bootstrap over queries and seeds, of AP50 and AP70 "
    "from the spread over the seeds (Welch); bold where it excludes 0. GFLOPs: a scene of full size, with as "
    "many proposals and detections as the settings allow."
)

assert TITLES.keys() == FIGURES.keys()


def comparison_tables(comparison: Mapping[str, Any]) -> list[TextTable]:
    """Return one table a group: each figure as mean and deviation over the seeds, in percent."""
    return [_table(group) for group in comparison["groups"]]


def _table(group: Mapping[str, Any]) -> TextTable:
    rows = group["rows"]
    costs_differ = any(row["cost"] != rows[0]["cost"] for row in rows)
    head = ["", *TITLES.values(), *DIFFERENCES.values(), *(COSTS.values() if costs_differ else [])]
    return TextTable(
        group["title"],
        head,
        [[*_cells(row), *(_costs(row["cost"]) if costs_differ else [])] for row in rows],
        [_clear(row["differences"]) for row in rows],
    )


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    parts = [f"{comparison['about']} {EXPLAINED}\n"]
    for table in comparison_tables(comparison):
        lines = [table.head, ["---", *["---:"] * (len(table.head) - 1)]]
        for cells, clear in zip(table.lines, table.clear, strict=True):
            lines.append([f"**{cell}**" if place in clear else cell for place, cell in enumerate(cells)])
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"### {table.title}\n\n{text}\n")
    return "\n".join(parts)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["is"],
        *(_spread(row["figures"][name]) for name in TITLES),
        *(_difference(row["differences"].get(name)) for name in DIFFERENCES),
    ]


def _costs(cost: Mapping[str, float]) -> list[str]:
    return [f"{cost['parameters'] / MILLION:.2f}", f"{cost['flops'] / BILLION:.2f}"]


def _clear(differences: Mapping[str, Any]) -> list[int]:
    """Return in which columns stand differences that are not of chance."""
    start = 1 + len(TITLES)
    return [start + place for place, name in enumerate(DIFFERENCES) if _excludes_zero(differences.get(name))]


def _spread(figure: Mapping[str, Any]) -> str:
    mean = f"{figure['mean'] * PERCENT:.1f}"
    return f"{mean} ± {figure['deviation'] * PERCENT:.1f}" if len(figure["values"]) > 1 else mean


def _difference(difference: Mapping[str, float] | None) -> str:
    if difference is None:
        return ""
    mean, low, high = (difference[key] * PERCENT for key in ("mean", "low", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _excludes_zero(difference: Mapping[str, float] | None) -> bool:
    return difference is not None and (difference["low"] > 0 or difference["high"] < 0)
