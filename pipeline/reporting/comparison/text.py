"""The comparison in words: tables of it, and these as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.comparison.origin import CHANGED, FILE_COMMIT, STUDENTS, UNKNOWN
from pipeline.reporting.comparison.pooling import PAIRED
from pipeline.reporting.comparison.run_file import COMMIT, CPU
from pipeline.reporting.comparison.runs import COMPARED, TRUE_BOXES
from pipeline.reporting.text_table import TextTable

TITLES = {metric: METRICS[metric].short for metric in COMPARED}
DIFFERENCES = {
    metric: f"Δ {METRICS[metric].short}" for metric in ("search_mAP", TRUE_BOXES, "coco_ap50", "coco_ap70")
}
PAIRED_DIFFERENCES = {metric: f"Δ {METRICS[metric].short}" for metric in PAIRED}
COSTS = {"parameters": "M param.", "flops": "GFLOPs"}
"""Shown where the students of a group do not all cost the same."""
ORIGINS = {
    COMMIT: "code at commit",
    FILE_COMMIT: "file from commit",
    CPU: "CPU",
    "instructions": "instructions",
    "threads": "threads",
    "python": "Python",
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "NumPy",
}
COMMITS = (COMMIT, FILE_COMMIT)
COMMIT_DIGITS = 10
NOT_RECORDED = "not recorded"
PERCENT, MILLION, BILLION = 100.0, 1e6, 1e9

EXPLAINED = (
    "Mean and standard deviation over the seeds, in percent. Δ is the difference to the group's first "
    "student, with its 95 % interval: of search mAP, on detections and on true boxes, from a paired "
    "bootstrap over queries and seeds, of AP50 and AP70 from the spread over the seeds (Welch); bold where "
    "it excludes 0. GFLOPs: a scene of full size, with as many proposals and detections as the settings "
    "allow. Pairs of the same seed: the "
    "mean difference over the pairs, ± half the width of its 95 % interval (Student's t; each pair one "
    "sample, or the mean of each setting); bold where it excludes 0. Origins: a + behind a commit means that "
    "code or settings had changes that were not committed. Where the runs do not say their commit, the one "
    "that last changed their file stands beside it."
)
PAIRED_TITLE = "Pairs of the same seed"
BY_SETTING = "a setting one sample"
ORIGINS_TITLE = "What the runs came from"


def comparison_tables(comparison: Mapping[str, Any]) -> list[TextTable]:
    """Return one table a group, two a list of places, one of paired differences where there are some, and one
    of the origins."""
    tables = [_table(group) for group in comparison["groups"]]
    tables += [table for places in comparison.get("by_place", []) for table in _place_tables(places)]
    if comparison["pooled"]:
        tables.append(_paired_table(comparison["pooled"]))
    return [*tables, _origins_table(comparison["origins"])]


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


def _table(group: Mapping[str, Any]) -> TextTable:
    students = group["rows"]
    costs = [student["cost"] for student in students if student["cost"] is not None]
    costs_differ = any(cost != costs[0] for cost in costs)
    shown = _differences_of(students)
    head = ["", *TITLES.values(), *shown.values(), *(COSTS.values() if costs_differ else [])]
    return TextTable(
        group["title"],
        head,
        [
            [*_cells(student, shown), *(_costs(student["cost"]) if costs_differ else [])]
            for student in students
        ],
        [_clear(student["differences"], shown, 1 + len(TITLES)) for student in students],
    )


def _differences_of(students: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return the titles of the differences that are shown of a group's students.

    Older runs do not give that in searches of true boxes; it is shown where one of the students has it.
    """
    told = any(TRUE_BOXES in student["differences"] for student in students)
    return {metric: title for metric, title in DIFFERENCES.items() if told or metric != TRUE_BOXES}


def _place_tables(places: Mapping[str, Any]) -> Iterator[TextTable]:
    """Yield a table for each thing that is searched, with a column a place."""
    names = places["places"]
    for what, rows in places["searched"].items():
        lines = [[row["is"], *(_in_place(row["places"][name]) for name in names)] for row in rows]
        clear = [
            [
                column
                for column, name in enumerate(names, start=1)
                if _excludes_zero(row["places"][name].get("difference"))
            ]
            for row in rows
        ]
        head = ["", *(f"{name} ({number} queries)" for name, number in names.items())]
        yield TextTable(f"{places['title']}: search mAP, {what}", head, lines, clear)


def _in_place(reached: Mapping[str, Any]) -> str:
    difference = _difference(reached.get("difference"))
    return f"{reached['mean'] * PERCENT:.1f}{f'; Δ {difference}' if difference else ''}"


def _cells(student: Mapping[str, Any], shown: Mapping[str, str]) -> list[str]:
    return [
        student["is"],
        *(_spread(student["figures"][metric]) for metric in TITLES),
        *(_difference(student["differences"].get(metric)) for metric in shown),
    ]


def _costs(cost: Mapping[str, float] | None) -> list[str]:
    if cost is None:
        return [""] * len(COSTS)
    return [f"{cost['parameters'] / MILLION:.2f}", f"{cost['flops'] / BILLION:.2f}"]


def _paired_table(pools: Sequence[Mapping[str, Any]]) -> TextTable:
    lines = [line for pool in pools for line in _paired_lines(pool)]
    return TextTable(
        PAIRED_TITLE,
        ["", "samples", *PAIRED_DIFFERENCES.values()],
        [
            [title, samples, *(_half_width(differences[metric]) for metric in PAIRED_DIFFERENCES)]
            for title, samples, differences in lines
        ],
        [_clear(differences, PAIRED_DIFFERENCES, 2) for _title, _samples, differences in lines],
    )


def _paired_lines(pool: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield title, number of samples and differences: by pairs of seeds, then by settings if several."""
    yield pool["title"], str(sum(len(pair["seeds"]) for pair in pool["pairs"])), pool["differences"]
    if len(pool["pairs"]) > 1:
        yield f"{pool['title']}, {BY_SETTING}", str(len(pool["pairs"])), pool["by_setting"]


def _origins_table(origins: Sequence[Mapping[str, Any]]) -> TextTable:
    cells = [
        [_by_folder(origin[STUDENTS]), *(_origin(key, origin[key]) for key in ORIGINS)] for origin in origins
    ]
    return TextTable(ORIGINS_TITLE, ["", *ORIGINS.values()], cells, [[] for _ in origins])


def _by_folder(names: Sequence[str]) -> str:
    """Return names `folder/student` with each folder named once."""
    students: dict[str, list[str]] = {}
    for name in names:
        folder, _, student = name.partition("/")
        students.setdefault(folder, []).append(student)
    return "; ".join(f"{folder}: {', '.join(inside)}" for folder, inside in students.items())


def _origin(key: str, said: str | None) -> str:
    if said is None:
        return "" if key == FILE_COMMIT else NOT_RECORDED
    return ", ".join(map(_short, said.split(", "))) if key in COMMITS else said


def _short(commit: str) -> str:
    if commit == UNKNOWN:
        return commit
    return commit[:COMMIT_DIGITS] + (CHANGED if commit.endswith(CHANGED) else "")


def _clear(differences: Mapping[str, Any], shown: Mapping[str, str], start: int) -> list[int]:
    """Return the columns of the differences whose interval excludes 0; the first of them is `start`."""
    return [start + place for place, metric in enumerate(shown) if _excludes_zero(differences.get(metric))]


def _spread(metric: Mapping[str, Any]) -> str:
    mean = f"{metric['mean'] * PERCENT:.1f}"
    return f"{mean} ± {metric['deviation'] * PERCENT:.1f}" if len(metric["values"]) > 1 else mean


def _difference(difference: Mapping[str, float] | None) -> str:
    if difference is None:
        return ""
    mean, low, high = (difference[key] * PERCENT for key in ("mean", "low", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _half_width(difference: Mapping[str, float] | None) -> str:
    if difference is None:
        return ""
    mean, high = difference["mean"] * PERCENT, difference["high"] * PERCENT
    return f"{mean:+.1f} ± {high - mean:.1f}"


def _excludes_zero(difference: Mapping[str, float] | None) -> bool:
    return difference is not None and (difference["low"] > 0 or difference["high"] < 0)
