"""The one format that everything behind `prepare` reads, whatever the data set."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.checks import require, scene_problems
from pipeline.data.dataset import DataSet
from pipeline.data.jpeg import check_jpeg
from pipeline.data.scene import UNLABELLED, Split
from pipeline.data.shards import RESTORE, ImageShards, read_annotations, write_annotations, write_images
from pipeline.errors import UserError

FORMAT_VERSION = 1
SCENES_PER_SHARD = 1000
MANIFEST = "manifest.json"

Report = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


@dataclass(frozen=True)
class PreparedDataSet:
    """A prepared data set on disk.

    Attributes:
        root: its folder.
        name: the data set that it was made from.
        sha256: fingerprint of everything in it.
        manifest: counts and files of each split.
    """

    root: Path
    name: str
    sha256: str
    manifest: Mapping[str, Any]

    def split(self, name: str) -> Split:
        """Read a split's annotations. Raises `UserError` where there is no such split, or it is damaged."""
        entry = self._of(name)["annotations"]
        path = self.root / entry["file"]
        if path.is_file() and _file_entry(path) != entry:
            raise UserError(f"{path} is not the file that {MANIFEST} names; {RESTORE}")
        return read_annotations(path)

    def images(self, name: str) -> ImageShards:
        """Open a split's pictures."""
        return ImageShards([self.root / shard["file"] for shard in self._of(name)["images"]])

    def has(self, name: str) -> bool:
        """Tell whether there is a split of that name."""
        return name in self.manifest["splits"]

    def _of(self, name: str) -> Mapping[str, Any]:
        splits: Mapping[str, Mapping[str, Any]] = self.manifest["splits"]
        if name not in splits:
            raise UserError(f"data set '{self.name}' has no split '{name}'; it has {', '.join(splits)}")
        return splits[name]


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
                images = []
                for index in range(start, min(start + SCENES_PER_SHARD, len(split.scenes))):
                    images.append(_checked_image(dataset, split, name, index))
                    done += 1
                    report(done, total)
                path = beside / f"{name}-images-{shard:05d}.h5"
                write_images(path, images)
                shards.append(_file_entry(path))
            annotations = beside / f"{name}.h5"
            write_annotations(annotations, split)
            entries[name] = {
                "annotations": _file_entry(annotations),
                "images": shards,
                "counts": counts(split),
            }
        manifest = {
            "format_version": FORMAT_VERSION,
            "dataset": dataset.name,
            "dataset_sha256": _fingerprint(dataset.name, entries),
            "splits": entries,
        }
        (beside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        shutil.rmtree(root, ignore_errors=True)
        beside.rename(root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return open_prepared(root)


def open_prepared(root: Path) -> PreparedDataSet:
    """Open a prepared data set. Raises `UserError` where there is none, or of another version."""
    path = root / MANIFEST
    if not path.is_file():
        raise UserError(f"no prepared data set in {root} ({MANIFEST} is missing); run `dvc repro prepare`")
    try:
        manifest = json.loads(path.read_text())
        version, name, sha256 = manifest["format_version"], manifest["dataset"], manifest["dataset_sha256"]
        sound = sha256 == _fingerprint(name, manifest["splits"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is damaged; {RESTORE}") from None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path}: format {version}, this program reads {FORMAT_VERSION}; run `dvc repro prepare`"
        )
    if not sound:
        raise UserError(f"{path} is damaged: its parts do not make its dataset_sha256; {RESTORE}")
    return PreparedDataSet(root, name, sha256, manifest)


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


def _file_entry(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _fingerprint(name: str, entries: Mapping[str, Any]) -> str:
    content = json.dumps([name, entries], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
