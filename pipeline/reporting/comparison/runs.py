"""The runs of an ablation, put together: mean and spread of each metric over a student's seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import damaged, read_json
from pipeline.evaluation.metric_table import METRICS, metric_value
from pipeline.reporting.comparison.run_file import QUERIES
from pipeline.scenes.scene import FloatArray

COMPARED = (
    "search_mAP",
    "search_top1",
    "ground_truth_boxes_mAP",
    "coco_ap50",
    "coco_ap70",
    "detection_ap",
    "detection_recall",
)
"""The metrics of `METRICS` that are compared, in the order in which they are shown."""
AGAIN = "make it again with `dvc repro`"
Run = Mapping[str, Any]
Runs = Mapping[int, Run]
"""The runs of one student by their seed, by rising seed."""


class Spread(NamedTuple):
    """A metric over a student's seeds: mean, deviation (of the sample; 0 for one seed), and each value."""

    mean: float
    deviation: float
    values: Sequence[float]


def read_runs(path: Path, further: Path | None = None) -> Runs:
    """Read the runs of a student.

    Args:
        path: the file of its runs.
        further: where runs with other seeds are, if there are any.

    Raises:
        UserError: the file is missing, one is damaged, or both hold the same seed.
    """
    runs = _read_file(path)
    if further is None or not further.exists():
        return runs
    more = _read_file(further)
    if both := runs.keys() & more.keys():
        raise UserError(f"{further} holds seed {min(both)}, as {path.name} does; {AGAIN}")
    return dict(sorted((runs | more).items()))


def _read_file(path: Path) -> dict[int, Run]:
    absent = f"{path} is missing; run `dvc repro` in the ablation's folder"
    runs = read_json(path, absent=absent, again=AGAIN)
    try:
        for run in runs.values():
            for metric in COMPARED:
                value_in(run, metric)
            np.asarray(run[QUERIES], dtype=float)
        by_seed: dict[int, Run] = {int(seed): dict(runs[seed]) for seed in sorted(runs, key=int)}
    except (ValueError, TypeError, LookupError, AttributeError):
        raise damaged(path, AGAIN) from None
    if not by_seed:
        raise UserError(f"{path} holds no run; {AGAIN}")
    return by_seed


def value_in(run: Run, metric: str) -> float:
    """Return the value of a metric in a run. Raises `LookupError` or `TypeError` where there is none."""
    value = metric_value(run, METRICS[metric].path)
    if value is None:
        raise LookupError(metric)
    return value


def spreads(runs: Runs) -> dict[str, Spread]:
    """Return each metric over the runs of one student."""
    result = {}
    for metric in COMPARED:
        values = [value_in(run, metric) for run in runs.values()]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        result[metric] = Spread(float(np.mean(values)), deviation, values)
    return result


def average_precisions(runs: Runs) -> FloatArray:
    """Return the average precision of each query in each run of a student, `[S, Q]`."""
    return np.array([run[QUERIES] for run in runs.values()], dtype=np.float64)
