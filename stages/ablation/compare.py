"""Stage `compare`: put the ablation's rows side by side."""

import json
from functools import cache
from pathlib import Path

from pipeline.basics.atomic import write_atomically
from pipeline.basics.options import merged, parse_options
from pipeline.models.person_search import PersonSearchOptions
from pipeline.reporting.comparison.cost import Cost, network_cost
from pipeline.reporting.comparison.figure import comparison_figure
from pipeline.reporting.comparison.groups import compare, read_comparisons
from pipeline.reporting.comparison.runs import read_runs
from pipeline.reporting.comparison.text import comparison_text
from stages.support.parameters import PARAMETERS, Parameters
from stages.support.running import say, stage

COMPARISONS = Path("comparisons.yaml")
FIGURES = Path("results/comparison.json")
PICTURE = Path("results/comparison.png")
TABLES = Path("results/comparison.md")


@stage
def main() -> None:
    """Compare rows over seeds and queries."""
    comparison = compare(read_comparisons(COMPARISONS), lambda name: read_runs(_file_of(name)), _cost_of)
    write_atomically(FIGURES, json.dumps(comparison, indent=1, allow_nan=False) + "\n")
    write_atomically(PICTURE, comparison_figure(comparison))
    write_atomically(TABLES, comparison_text(comparison))
    say(f"{TABLES}: {len(comparison['groups'])} groups of rows, and {PICTURE}")


def _file_of(name: str) -> Path:
    """Return where the runs of `folder/row` are."""
    folder, _, row = name.partition("/")
    return Path(folder) / "results" / f"{row}.json"


@cache
def _cost_of(name: str) -> Cost:
    """Return what the network of `folder/row` costs."""
    folder, _, row = name.partition("/")
    common, own = "train_student", f"students.{row}"
    parameters = Parameters((common, own), Path(folder) / PARAMETERS)
    settings = merged(parameters.section(common), parameters.section(own))
    return network_cost(
        parse_options(PersonSearchOptions, settings.get("network", {}), parameters.where(f"{own}.network"))
    )


if __name__ == "__main__":
    main()
