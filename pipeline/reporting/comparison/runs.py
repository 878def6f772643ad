"""The runs of an ablation, put together: mean and spread of each metric over a student's seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import damaged, read_json
from pipeline.evaluation.metric_table import METRICS, metric_value
from pipeline.reporting.comparison.run_file import QUERIES, QUERY_SCENES, TRUE_BOX_QUERIES
from pipeline.scenes.scene import FloatArray

TRUE_BOXES = "ground_truth_boxes_mAP"
COMPARED = (
    "search_mAP",
    "search_top1",
    TRUE_BOXES,
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
            _check_queries(run)
        by_seed: dict[int, Run] = {int(seed): dict(runs[seed]) for seed in sorted(runs, key=int)}
    except (ValueError, TypeError, LookupError, AttributeError):
        raise damaged(path, AGAIN) from None
    if not by_seed:
        raise UserError(f"{path} holds no run; {AGAIN}")
    return by_seed


def _check_queries(run: Run) -> None:
    """Raise what `_read_file` takes for damage where lists with a value a query are none, or not as long."""
    values = [np.asarray(run[name], dtype=float) for name in (QUERIES, TRUE_BOX_QUERIES) if name in run]
    scenes = [np.asarray(run[QUERY_SCENES], dtype=np.str_)] if QUERY_SCENES in run else []
    if {listed.shape for listed in (*values, *scenes)} != {(len(run[QUERIES]),)}:
        raise ValueError("lists with a value a query have one length")


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


def true_box_average_precisions(runs: Runs) -> FloatArray | None:
    """Return the same where true boxes are searched; None where a run does not say it."""
    if not all(TRUE_BOX_QUERIES in run for run in runs.values()):
        return None
    return np.array([run[TRUE_BOX_QUERIES] for run in runs.values()], dtype=np.float64)


def query_scenes(runs: Runs) -> Sequence[str] | None:
    """Return the name of each query's scene; None where a run does not say it, or they are not the same."""
    first, *others = [run.get(QUERY_SCENES) for run in runs.values()]
    return None if first is None or any(other != first for other in others) else first
