"""Which rows are set side by side, and what comes out: figures with their spread, and differences."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from pipeline.basics.options import Options, parse_options, read_yaml
from pipeline.reporting.comparison.bootstrap import Difference, paired_bootstrap
from pipeline.reporting.comparison.cost import Cost
from pipeline.reporting.comparison.runs import Run, Spread, average_precisions, spreads
from pipeline.reporting.comparison.seeds_interval import seeds_interval

OF_SEEDS = ("coco_ap50", "coco_ap70")
"""The figures that have one value a training, and none a query, whose difference is told."""


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


def compare(
    comparisons: Comparisons, runs_of: Callable[[str], Sequence[Run]], cost_of: Callable[[str], Cost]
) -> dict[str, Any]:
    """Return what each group shows, as plain values for JSON.

    Args:
        comparisons: the groups.
        runs_of: called with `folder/row`; the runs of that row.
        cost_of: called with `folder/row`; what its network costs.

    Returns:
        `about`, and `groups`: for each its `title` and `rows`. A row has its name, what it `is`, how many
        `seeds`, its `cost`, its `figures` (mean, deviation, values) and, but for the first, `differences` to
        the first row's figures, each with a confidence interval: of search mAP over queries and seeds
        (`paired_bootstrap`), of `coco_ap50` and `coco_ap70` over seeds (`seeds_interval`; None for a single
        seed).
    """
    groups = []
    for group in comparisons.groups:
        first = runs_of(group.against)
        rows = [_row(group.against, group.against_is, first, {}, cost_of(group.against))]
        for name, what in group.rows.items():
            runs = runs_of(name)
            rows.append(_row(name, what, runs, _differences(first, runs), cost_of(name)))
        groups.append({"title": group.title, "rows": rows})
    return {"about": comparisons.about, "groups": groups}


def _differences(first: Sequence[Run], second: Sequence[Run]) -> dict[str, Difference | None]:
    one, other = spreads(first), spreads(second)
    return {
        "search_mAP": paired_bootstrap(average_precisions(first), average_precisions(second)),
        **{name: seeds_interval(one[name].values, other[name].values) for name in OF_SEEDS},
    }


def _row(
    name: str, what: str, runs: Sequence[Run], differences: Mapping[str, Difference | None], cost: Cost
) -> dict[str, Any]:
    figures: Mapping[str, Spread] = spreads(runs)
    return {
        "row": name,
        "is": what,
        "seeds": len(runs),
        "cost": cost._asdict(),
        "figures": {figure: spread._asdict() for figure, spread in figures.items()},
        "differences": {
            figure: None if difference is None else difference._asdict()
            for figure, difference in differences.items()
        },
    }
