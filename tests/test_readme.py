"""What the README says of numbers, against the committed metrics: true to the letter."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.reporting.comparison.text import comparison_tables
from pipeline.reporting.speed import read_milliseconds
from pipeline.reporting.table import markdown_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ABLATION = "## Where the gain comes from"


def committed(path):
    """What git holds: another's own run, not yet committed, is not what this README is of."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip(f"git holds no {path} here: {shown.stderr.strip()}")
    return shown.stdout


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(section):
    """The tables of a section: the cells of each line, head first."""
    text = README.split(f"{section}\n", 1)[1].split("\n## ", 1)[0]
    return [
        [cells(line) for line in block.splitlines() if not line.startswith("|---")]
        for block in text.split("\n\n")
        if block.startswith("|")
    ]


def test_the_table_of_results_is_the_committed_one(tmp_path):
    summary = json.loads(committed("results/summary.json"))
    (tmp_path / "speed.json").write_text(committed("results/speed.json"))
    milliseconds, _machine = read_milliseconds(tmp_path / "speed.json", summary)
    assert markdown_table(summary, milliseconds) in README, (
        "README is out of date: person-search results --markdown"
    )


def test_the_tables_of_the_ablation_are_of_the_committed_one():
    comparison = json.loads(committed("ablation/results/comparison.json"))
    groups = {
        frozenset(cells[0] for cells in table.lines): (table.head, table.lines, table.clear)
        for table in comparison_tables(comparison)
    }
    shown = tables(ABLATION)
    assert shown
    for head, *lines in shown:
        (group,) = [group for names, group in groups.items() if names >= {line[0] for line in lines}]
        titles, rows, clear = group
        places = [titles.index(title) for title in head]
        expected = {
            row[0]: [f"**{row[place]}**" if place in marked else row[place] for place in places]
            for row, marked in zip(rows, clear, strict=True)
        }
        for line in lines:
            assert line == expected[line[0]]
