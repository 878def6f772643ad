"""The runs of an ablation, put together: mean and spread of each row over its seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.reporting.comparison.run_file import QUERIES
from pipeline.scenes.scene import FloatArray

FIGURES = {
    "search_mAP": ("search", "mAP"),
    "search_top1": ("search", "top1"),
    "ground_truth_boxes_mAP": ("search_ground_truth_boxes", "mAP"),
    "coco_ap50": ("detection", "coco_ap50"),
    "coco_ap70": ("detection", "coco_ap70"),
    "detection_recall": ("detection", "recall"),
}
"""Where in a run each figure stands."""
Run = Mapping[str, Any]


class Spread(NamedTuple):
    """A figure over the seeds of a row: mean, deviation (of the sample; 0 for one seed), and each value."""

    mean: float
    deviation: float
    values: Sequence[float]


def read_runs(path: Path) -> list[Run]:
    """Read the runs of a row, by rising seed. Raises `UserError` where the file is missing or damaged."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run `dvc repro` in the ablation's folder")
    try:
        runs = json.loads(path.read_text())
        for run in runs.values():
            for part, key in FIGURES.values():
                float(run[part][key])
            np.asarray(run[QUERIES], dtype=float)
        by_seed: list[Run] = [dict(runs[seed]) for seed in sorted(runs, key=int)]
    except (ValueError, TypeError, LookupError, AttributeError):
        raise UserError(f"{path} is damaged; make it again with `dvc repro`") from None
    if not by_seed:
        raise UserError(f"{path} holds no run; make it again with `dvc repro`")
    return by_seed


def spreads(runs: Sequence[Run]) -> dict[str, Spread]:
    """Return each figure over the runs of one row."""
    result = {}
    for name, (part, key) in FIGURES.items():
        values = [float(run[part][key]) for run in runs]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        result[name] = Spread(float(np.mean(values)), deviation, values)
    return result


def average_precisions(runs: Sequence[Run]) -> FloatArray:
    """Return the average precision of each query in each run of a row, `[S, Q]`."""
    return np.array([run[QUERIES] for run in runs], dtype=np.float64)
