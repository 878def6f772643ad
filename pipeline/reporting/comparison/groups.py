"""Which students are set side by side, and what comes out: metrics with their spread, and differences."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from pipeline.basics.options import Options, parse_options, read_yaml
from pipeline.reporting.comparison.bootstrap import Difference, paired_bootstrap
from pipeline.reporting.comparison.cost import Cost
from pipeline.reporting.comparison.origin import run_origins
from pipeline.reporting.comparison.places import Places, by_place, check_same_queries
from pipeline.reporting.comparison.pooling import Pool, pooled
from pipeline.reporting.comparison.run_file import EMBEDDED_BY
from pipeline.reporting.comparison.runs import (
    TRUE_BOXES,
    Runs,
    average_precisions,
    spreads,
    true_box_average_precisions,
)
from pipeline.reporting.comparison.seeds_interval import seeds_interval
from pipeline.reporting.comparison.trade_off import TradeOff, trade_off

OF_SEEDS = ("coco_ap50", "coco_ap70")
"""The metrics with one value a training, and none a query, whose difference is told."""


class Group(Options):
    """Students that answer one question.

    Attributes:
        title: the question.
        against: the student that the others are compared with, `folder/name`.
        students: the others, each with what it is in a few words; `against_is` has those of `against`.
        against_is: see `students`.
    """

    title: str
    against: str
    against_is: str
    students: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> "Group":
        if self.against in self.students:
            raise ValueError(f"{self.against} is compared with itself")
        return self


class Comparisons(Options):
    """All that is compared, in the order in which it is shown.

    Attributes:
        about: what all students have in common, in a sentence or two.
        groups: see `Group`.
        pooled: see `Pool`.
        by_place: see `Places`.
        trade_off: see `TradeOff`; None for no such curves.
    """

    about: str
    groups: list[Group] = Field(min_length=1)
    pooled: list[Pool] = Field(default_factory=list)
    by_place: list[Places] = Field(default_factory=list)
    trade_off: TradeOff | None = None

    def students(self) -> Iterator[str]:
        """Yield the names of all students, each once, in the order in which they are shown."""
        in_groups = (name for group in self.groups for name in (group.against, *group.students))
        in_pools = (name for pool in self.pooled for pair in pool.pairs.items() for name in pair)
        in_places = (name for places in self.by_place for name in places.names())
        on_curves = self.trade_off.students() if self.trade_off else ()
        yield from dict.fromkeys((*in_groups, *in_pools, *in_places, *on_curves))


def read_comparisons(path: Path) -> Comparisons:
    """Read what is compared. Raises `UserError` where it is missing, no YAML, or says something unknown."""
    values = read_yaml(path, if_missing=f"{path} is missing")
    return parse_options(Comparisons, values, str(path))


def compare(
    comparisons: Comparisons,
    runs_of: Callable[[str], Runs],
    cost_of: Callable[[str], Cost],
    file_commit_of: Callable[[str], str | None] = lambda _name: None,
) -> dict[str, Any]:
    """Return what is shown, as plain values for JSON.

    Args:
        comparisons: what is compared.
        runs_of: called with `folder/name`; the runs of that student.
        cost_of: called with `folder/name`; what its network costs.
        file_commit_of: called with `folder/name` of a student whose runs do not say their commit; the commit
            of the file of the runs, or None.

    Returns:
        `about`.
        `groups`: for each its `title` and its students (`rows`). A student has its name (`row`), what it
        `is`, how many `seeds`, its `cost` (None where others embedded its detections), its metrics
        (`figures`: mean, deviation, values) and, but for the first, `differences` to the metrics of the first
        student, each with a confidence interval: of search mAP over queries and seeds (`paired_bootstrap`),
        of `ground_truth_boxes_mAP` likewise (left out where runs of one do not say it by query), of
        `coco_ap50` and `coco_ap70` over seeds (`seeds_interval`; None for a single seed).
        `pooled`: see `pooling.pooled`.
        `by_place`: see `places.by_place`; left out where none is stated.
        `trade_off`: see `trade_off.trade_off`; left out where none is stated.
        `origins`: see `run_origins`.
    """
    runs = {name: runs_of(name) for name in comparisons.students()}
    of_network = cache(cost_of)

    def cost(name: str) -> Cost | None:
        return None if any(EMBEDDED_BY in run for run in runs[name].values()) else of_network(name)

    places = [by_place(stated, runs) for stated in comparisons.by_place]
    return {
        "about": comparisons.about,
        "groups": [_group(group, runs, cost) for group in comparisons.groups],
        "pooled": [pooled(pool, runs) for pool in comparisons.pooled],
        **({"by_place": places} if places else {}),
        **({"trade_off": trade_off(comparisons.trade_off, runs)} if comparisons.trade_off else {}),
        "origins": run_origins({name: [*of.values()] for name, of in runs.items()}, file_commit_of),
    }


def _group(group: Group, runs: Mapping[str, Runs], cost_of: Callable[[str], Cost | None]) -> dict[str, Any]:
    check_same_queries([group.against, *group.students], runs)
    first = runs[group.against]
    students = [_student(group.against, group.against_is, first, {}, cost_of(group.against))]
    for name, what in group.students.items():
        differences = _differences(first, runs[name])
        students.append(_student(name, what, runs[name], differences, cost_of(name)))
    return {"title": group.title, "rows": students}


def _differences(first: Runs, second: Runs) -> dict[str, Difference | None]:
    one, other = spreads(first), spreads(second)
    true_boxes = true_box_average_precisions(first), true_box_average_precisions(second)
    searched = {}
    if true_boxes[0] is not None and true_boxes[1] is not None:
        searched = {TRUE_BOXES: paired_bootstrap(true_boxes[0], true_boxes[1])}
    return {
        "search_mAP": paired_bootstrap(average_precisions(first), average_precisions(second)),
        **searched,
        **{metric: seeds_interval(one[metric].values, other[metric].values) for metric in OF_SEEDS},
    }


def _student(
    name: str, what: str, runs: Runs, differences: Mapping[str, Difference | None], cost: Cost | None
) -> dict[str, Any]:
    return {
        "row": name,
        "is": what,
        "seeds": len(runs),
        "cost": None if cost is None else cost._asdict(),
        "figures": {metric: spread._asdict() for metric, spread in spreads(runs).items()},
        "differences": {
            metric: None if difference is None else difference._asdict()
            for metric, difference in differences.items()
        },
    }
