"""Packing a data set into the one format that everything behind `prepare` reads; `prepared.py` reads it."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.checks import require, scene_problems
from pipeline.data.jpeg import check_jpeg
from pipeline.data.prepared import (
    FORMAT_VERSION,
    MANIFEST,
    PreparedDataSet,
    file_entry,
    fingerprint,
    open_prepared,
)
from pipeline.data.processes import in_processes
from pipeline.data.scene import UNLABELLED, Split
from pipeline.data.sets.dataset import DataSet
from pipeline.data.shards import write_annotations, write_images

SCENES_PER_SHARD = 1000

Report = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


def prepare(dataset: DataSet, root: Path, report: Report) -> PreparedDataSet:
    """Pack a data set into shards, beside first and then in place.

    Args:
        dataset: where annotations and pictures come from.
        root: folder to make; one that is there is replaced when all went well.
        report: progress over all pictures.

    Raises:
        UserError: an annotation or a picture is bad. Nothing is left behind then.
    """
    beside = root.with_name(f".{root.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        splits = dataset.splits()
        total = sum(len(split.scenes) for split in splits.values())
        done = 0
        entries = {}
        for name, split in splits.items():
            shards = []
            for shard, start in enumerate(range(0, len(split.scenes), SCENES_PER_SHARD)):
                indices = range(start, min(start + SCENES_PER_SHARD, len(split.scenes)))
                images = []
                for image in in_processes(partial(_checked_image, dataset, split, name), indices):
                    images.append(image)
                    done += 1
                    report(done, total)
                path = beside / f"{name}-images-{shard:05d}.h5"
                write_images(path, images)
                shards.append(file_entry(path))
            annotations = beside / f"{name}.h5"
            write_annotations(annotations, split)
            entries[name] = {
                "annotations": file_entry(annotations),
                "images": shards,
                "counts": counts(split),
            }
        manifest = {
            "format_version": FORMAT_VERSION,
            "dataset": dataset.name,
            "dataset_sha256": fingerprint(dataset.name, entries),
            "splits": entries,
        }
        (beside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        shutil.rmtree(root, ignore_errors=True)
        beside.rename(root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return open_prepared(root)


def counts(split: Split) -> dict[str, int]:
    """Count scenes, boxes, labelled and unlabelled boxes, identities, cameras and queries."""
    labelled = sum(int((scene.person_ids != UNLABELLED).sum()) for scene in split.scenes)
    boxes = sum(len(scene.boxes) for scene in split.scenes)
    return {
        "scenes": len(split.scenes),
        "boxes": boxes,
        "labelled": labelled,
        "unlabelled": boxes - labelled,
        "identities": len(split.identities),
        "cameras": len(np.unique(split.cameras)),
        "queries": len(split.queries),
    }


def _checked_image(dataset: DataSet, split: Split, name: str, index: int) -> bytes:
    encoded = dataset.image_bytes(name, index)
    scene = split.scenes[index]
    require(scene_problems(scene, len(split.identities), check_jpeg(encoded, scene.name)))
    return encoded
