"""The table of results, to read: teachers on top, then the students."""

from collections.abc import Mapping

from pipeline.evaluation.metric_table import COST, METRICS, MILLISECONDS, OTHER, PARTS, Metric
from pipeline.reporting.summary import TEACHERS, Values, teacher_lines

MISSING = "-"
MEASURED = "milliseconds"
"""The one column that is not in the summary: its values are measured, and differ from run to run."""


def columns() -> dict[str, Metric]:
    """Return the columns of the table, by name: all metrics and the measured milliseconds, part by part."""
    measured = Metric((COST, MEASURED), "ms", MILLISECONDS, higher_is_better=False)
    order = [*PARTS.values(), OTHER]
    return dict(sorted({**METRICS, MEASURED: measured}.items(), key=lambda item: order.index(item[1].part)))


def parts() -> dict[str, list[str]]:
    """Return the columns of each part of the table, for a place where the whole table is too wide."""
    found: dict[str, list[str]] = {}
    for name, metric in columns().items():
        found.setdefault(metric.part, []).append(name)
    return found


def table_lines(
    summary: Mapping[str, Values], milliseconds: Mapping[str, float] | None = None
) -> dict[str, dict[str, str]]:
    """Return the lines of the table, teachers first: by title, the cell of each column.

    Args:
        summary: see `summarise`.
        milliseconds: the time of an image, by line; a line that is not there was not measured.
    """
    timed = milliseconds or {}
    shown = columns()
    return {
        title: {
            column: _cell(metric, {**values, MEASURED: timed[title]} if title in timed else values, column)
            for column, metric in shown.items()
        }
        for title, values in _lines(summary).items()
    }


def markdown_table(summary: Mapping[str, Values], milliseconds: Mapping[str, float] | None = None) -> str:
    """Return the table as Markdown, the best student of each metric in bold; costs have no best."""
    best = best_students(summary)
    titles = [metric.title for metric in columns().values()]
    lines = ["| | " + " | ".join(titles) + " |", "|---" + "|---:" * len(titles) + "|"]
    for title, cells in table_lines(summary, milliseconds).items():
        marked = [f"**{cell}**" if title in best[column] else cell for column, cell in cells.items()]
        lines.append(f"| {title} | " + " | ".join(marked) + " |")
    return "\n".join(lines) + "\n"


def best_students(summary: Mapping[str, Values]) -> dict[str, list[str]]:
    """Return for each column the students that share its best value, as the table shows it.

    A cost has no best, and a student alone is not the best.
    """
    students = [name for name in summary if name != TEACHERS]
    best: dict[str, list[str]] = {}
    for column, metric in columns().items():
        # Values that look the same in the table share the first place.
        shown = {
            name: float(_cell(metric, summary[name], column)) for name in students if column in summary[name]
        }
        marked = len(shown) > 1 and metric.part != PARTS[COST]
        top = (max if metric.higher_is_better else min)(shown.values(), default=None)
        best[column] = [name for name, value in shown.items() if value == top and marked]
    return best


def _lines(summary: Mapping[str, Values]) -> dict[str, Values]:
    teachers = summary.get(TEACHERS, {})
    lines: dict[str, Values] = {
        title: {column: teachers[key] for column, key in names.items() if key in teachers}
        for title, names in teacher_lines().items()
    }
    students = {name: values for name, values in summary.items() if name != TEACHERS}
    return {title: values for title, values in lines.items() if values} | students


def _cell(metric: Metric, values: Values, column: str) -> str:
    return metric.unit.text(values[column]) if column in values else MISSING
