"""The project's params.yaml, made so small that the whole pipeline runs in a minute."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from commands.parameter_checks import check_parameters
from pipeline.basics.options import merged

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 96, 144
EMBEDDING = 16

_TRAINING = {"steps": 4, "batch_size": 2, "warmup_steps": 2}
_NETWORK = {
    "backbone": {"name": "tiny", "width": 0.5},
    "short_side": HEIGHT,
    "long_side": WIDTH,
    "rpn": {
        "anchor_sizes": [24, 40],
        "sampled_anchors": 32,
        "pre_nms_train": 60,
        "post_nms_train": 30,
        "pre_nms_test": 60,
        "post_nms_test": 20,
    },
    "roi": {"pooled_height": 6, "pooled_width": 4, "sampled_rois": 12, "detections_per_image": 10},
}
_SMALLER = {
    "dataset": {
        "name": "synthetic",
        "synthetic": {
            "image_height": HEIGHT,
            "image_width": WIDTH,
            "train_identities": 8,
            "validation_identities": 4,
            "test_identities": 8,
            "appearances": 3,
            "train_unlabelled": 4,
            "validation_unlabelled": 2,
            "test_unlabelled": 4,
            "gallery_sizes": [4, 6],
            "default_gallery": 6,
            # Noise makes PNGs large, and the report's figures are encoded again until they fit.
            "jpeg_quality": 10,
        },
    },
    "network": _NETWORK,
    "train_detector": {"training": _TRAINING},
    "train_reid": {
        "network": {
            "backbone": {"name": "tiny", "width": 0.5},
            "embedding_dim": EMBEDDING,
            "crop_height": 32,
            "crop_width": 16,
        },
        "crops_per_identity": 2,
        "training": _TRAINING | {"batch_size": 4},
    },
    "train_student": {"network": {"embedding_dim": EMBEDDING}, "training": _TRAINING},
}


def tiny_parameters() -> dict[str, Any]:
    """Return all sections of the project's params.yaml: a tiny data set, tiny networks, few steps."""
    return copy.deepcopy(_read_once())


@cache
def _read_once() -> dict[str, Any]:
    values = merged(yaml.safe_load((ROOT / "params.yaml").read_text()), _SMALLER)
    for student in values["students"].values():
        student.pop("training", None)
        student.pop("network", None)
    check_parameters(values, Path("params.yaml"))
    return values


def write_parameters(folder: Path, values: dict[str, Any]) -> None:
    """Write a params.yaml."""
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
