"""The report as one HTML page that needs nothing else: tables, curves and searches."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from pipeline.reporting.summary import Figures
from pipeline.reporting.table import COLUMNS, MILLISECONDS, best_rows, table_rows
from pipeline.reporting.text_table import TextTable

TEMPLATE = Path(__file__).with_name("page.html")


class Section(NamedTuple):
    """A part of the page: its anchor and title, what is to be said, PNGs, and tables below them."""

    anchor: str
    title: str
    text: str
    pictures: Sequence[bytes]
    tables: Sequence[TextTable] = ()


RESULTS = Section("results", "Results", "", ())


def page(
    title: str, summary: Mapping[str, Figures], protocol: Mapping[str, Any], sections: Sequence[Section]
) -> str:
    """Return the page.

    Args:
        title: what the results are of.
        summary: see `summarise`.
        protocol: as in `metrics.json`: the gallery and the counts.
        sections: what follows the table.
    """
    columns = [column for column in COLUMNS if column != MILLISECONDS]
    best = best_rows(summary)
    lines = [
        {
            "name": name,
            "teacher": name not in summary,
            "cells": [{"text": cells[column], "best": name in best[column]} for column in columns],
        }
        for name, cells in table_rows(summary).items()
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text()).render(
        title=title,
        gallery=_gallery(protocol["gallery"]),
        counts=protocol["counts"],
        columns=[COLUMNS[column].title for column in columns],
        lines=lines,
        sections=[
            {
                "anchor": section.anchor,
                "title": section.title,
                "text": section.text,
                "pictures": [b64encode(picture).decode() for picture in section.pictures],
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
