"""Which rows are set side by side, and what comes out: figures with their spread, and differences."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from pipeline.basics.options import Options, parse_options, read_yaml
from pipeline.comparison.bootstrap import Difference, paired_bootstrap
from pipeline.comparison.runs import Run, Spread, average_precisions, spreads


class Group(Options):
    """Rows that answer one question.

    Attributes:
        title: the question.
        against: the row that the others are compared with, `folder/row`.
        rows: the others, each with what it is in a few words; `against` has its words in `against_is`.
        against_is: see `rows`.
    """

    title: str
    against: str
    against_is: str
    rows: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> "Group":
        if self.against in self.rows:
            raise ValueError(f"{self.against} is compared with itself")
        return self


class Comparisons(Options):
    """All groups, in the order in which they are shown.

    Attributes:
        about: what all of them have in common, in a sentence or two.
        groups: see `Group`.
    """

    about: str
    groups: list[Group] = Field(min_length=1)


def read_comparisons(path: Path) -> Comparisons:
    """Read a list of groups. Raises `UserError` where it is missing, no YAML, or says something unknown."""
    values = read_yaml(path, if_missing=f"{path} is missing")
    return parse_options(Comparisons, values, str(path))


def compare(comparisons: Comparisons, runs_of: Callable[[str], Sequence[Run]]) -> dict[str, Any]:
    """Return what each group shows, as plain values for JSON.

    Args:
        comparisons: the groups.
        runs_of: called with `folder/row`; the runs of that row.

    Returns:
        `about`, and `groups`: for each its `title` and `rows`. A row has its name, what it `is`, how many
        `seeds`, its `figures` (mean, deviation, values) and, but for the first, `difference`: of its search
        mAP to the first row's, with a confidence interval (see `paired_bootstrap`).
    """
    groups = []
    for group in comparisons.groups:
        first = runs_of(group.against)
        rows = [_row(group.against, group.against_is, first, None)]
        for name, what in group.rows.items():
            runs = runs_of(name)
            difference = paired_bootstrap(average_precisions(first), average_precisions(runs))
            rows.append(_row(name, what, runs, difference))
        groups.append({"title": group.title, "rows": rows})
    return {"about": comparisons.about, "groups": groups}


def _row(name: str, what: str, runs: Sequence[Run], difference: Difference | None) -> dict[str, Any]:
    figures: Mapping[str, Spread] = spreads(runs)
    return {
        "row": name,
        "is": what,
        "seeds": len(runs),
        "figures": {figure: spread._asdict() for figure, spread in figures.items()},
        "difference": None if difference is None else difference._asdict(),
    }
