"""The report as one HTML page that needs no other file: tables, curves and searches."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from pipeline.reporting.summary import Values
from pipeline.reporting.table import MEASURED, best_students, columns, table_lines
from pipeline.reporting.text_table import TextTable

TEMPLATE = Path(__file__).with_name("page.html")


class Section(NamedTuple):
    """A part of the page: its anchor and title, a text, figures (PNGs), and tables below them."""

    anchor: str
    title: str
    text: str
    figures: Sequence[bytes]
    tables: Sequence[TextTable] = ()


RESULTS = Section("results", "Results", "", ())


def page(
    title: str, summary: Mapping[str, Values], protocol: Mapping[str, Any], sections: Sequence[Section]
) -> str:
    """Return the report as HTML.

    Args:
        title: the name of the data set.
        summary: see `summarise`.
        protocol: that of `metrics.json`; its gallery and counts are shown.
        sections: the parts below the table of results.
    """
    shown = {column: metric for column, metric in columns().items() if column != MEASURED}
    best = best_students(summary)
    lines = [
        {
            "name": name,
            "teacher": name not in summary,
            "cells": [{"text": cells[column], "best": name in best[column]} for column in shown],
        }
        for name, cells in table_lines(summary).items()
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text()).render(
        title=title,
        gallery=_gallery(protocol["gallery"]),
        counts=protocol["counts"],
        columns=[metric.title for metric in shown.values()],
        lines=lines,
        sections=[
            {
                "anchor": section.anchor,
                "title": section.title,
                "text": section.text,
                "figures": [b64encode(figure).decode() for figure in section.figures],
                "tables": [_plain(table) for table in section.tables],
            }
            for section in (RESULTS, *sections)
        ],
    )


def _gallery(name: str) -> str:
    return f"{name} scenes" if name.isdigit() else {"full": "all other scenes"}.get(name, name)


def _plain(table: TextTable) -> dict[str, Any]:
    lines = [
        [{"text": cell, "best": place in clear} for place, cell in enumerate(cells)]
        for cells, clear in zip(table.lines, table.clear, strict=True)
    ]
    return {"title": table.title, "head": table.head, "lines": lines}
