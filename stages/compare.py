"""Stage `compare`: put the ablation's rows side by side."""

import json
from pathlib import Path

from pipeline.basics.atomic import write_atomically
from pipeline.comparison.figure import comparison_figure
from pipeline.comparison.groups import compare, read_comparisons
from pipeline.comparison.runs import read_runs
from pipeline.comparison.text import comparison_text
from stages.support.running import say, stage

COMPARISONS = Path("comparisons.yaml")
FIGURES = Path("results/comparison.json")
PICTURE = Path("results/comparison.png")
TABLES = Path("results/comparison.md")


@stage
def main() -> None:
    """Compare rows over seeds and queries."""
    comparison = compare(read_comparisons(COMPARISONS), lambda name: read_runs(_file_of(name)))
    write_atomically(FIGURES, json.dumps(comparison, indent=1, allow_nan=False) + "\n")
    write_atomically(PICTURE, comparison_figure(comparison))
    write_atomically(TABLES, comparison_text(comparison))
    say(f"{TABLES}: {len(comparison['groups'])} groups of rows, and {PICTURE}")


def _file_of(name: str) -> Path:
    """Return where the runs of `folder/row` are."""
    folder, _, row = name.partition("/")
    return Path(folder) / "results" / f"{row}.json"


if __name__ == "__main__":
    main()
