"""Paired differences: a student against another at the same seed, and such pairs pooled over settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.reporting.comparison.runs import Runs, value_in
from pipeline.reporting.comparison.seeds_interval import paired_interval

PAIRED = ("search_mAP", "coco_ap50", "coco_ap70", "detection_ap", "detection_recall")
"""The metrics whose paired differences are computed."""


class Pool(Options):
    """Pairs of students whose differences are put together.

    Attributes:
        title: what the pairs have in common.
        pairs: for each student, `folder/name`, the student that it is compared with, on the same data.
        seeds: the seeds that are taken, so that no setting counts for more than another; None for all.
    """

    title: str
    seeds: list[int] | None = Field(None, min_length=1)
    pairs: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _are_pairs(self) -> "Pool":
        for student, against in self.pairs.items():
            if student == against:
                raise ValueError(f"{student} is compared with itself")
            if student.partition("/")[0] != against.partition("/")[0]:
                raise ValueError(f"{student} and {against} are of different data")
        return self


def pooled(pool: Pool, runs: Mapping[str, Runs]) -> dict[str, Any]:
    """Return the differences of a pool, as plain values for JSON.

    Args:
        pool: the pairs.
        runs: the runs of each student that the pool names.

    Returns:
        `title`; `pairs`, each with `student`, `against`, the `seeds` that are taken and both have, and the
        `differences` of each metric by these seeds; `differences`, of each metric over all pairs of seeds;
        and `by_setting`, where each pair of students counts as one sample, its mean (`paired_interval`).

    Raises:
        UserError: two students have no seed in common.
    """
    pairs = [
        _pair(student, against, _taken(pool, runs[student]), runs[against])
        for student, against in pool.pairs.items()
    ]
    differences, by_setting = {}, {}
    for metric in PAIRED:
        values = [pair["differences"][metric] for pair in pairs]
        differences[metric] = _interval([value for of_pair in values for value in of_pair])
        by_setting[metric] = _interval([sum(of_pair) / len(of_pair) for of_pair in values])
    return {"title": pool.title, "pairs": pairs, "differences": differences, "by_setting": by_setting}


def _interval(values: Sequence[float]) -> dict[str, float] | None:
    difference = paired_interval(values)
    return None if difference is None else difference._asdict()


def _taken(pool: Pool, runs: Runs) -> Runs:
    return runs if pool.seeds is None else {seed: run for seed, run in runs.items() if seed in pool.seeds}


def _pair(student: str, against: str, own: Runs, other: Runs) -> dict[str, Any]:
    seeds = [seed for seed in own if seed in other]
    if not seeds:
        raise UserError(f"{student} and {against} have no seed in common; run both with the same seeds")
    return {
        "student": student,
        "against": against,
        "seeds": seeds,
        "differences": {
            metric: [value_in(own[seed], metric) - value_in(other[seed], metric) for seed in seeds]
            for metric in PAIRED
        },
    }
