"""Tables as text: aligned, and whole whatever the terminal."""

import pytest

from commands.tables import table_text


def test_columns_are_aligned():
    text = table_text([("a", "1"), ("long", "20")], ("name", "n"), right=[1], indent=2)
    assert text == "  name   n\n  a      1\n  long  20"


def test_without_a_head():
    assert table_text([("a", "1"), ("long", "20")]) == "a     1\nlong  20"


@pytest.mark.parametrize("cell", ["[bold]x[/bold]", ":smile:", "x" * 500, "[1, 2]", "人" * 100])
def test_cells_are_shown_whole_and_as_they_are(cell, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert table_text([(cell, "1")]) == f"{cell}  1"
