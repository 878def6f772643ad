"""What `check-data` shows of a data set: a line of counts for each split, and one for each gallery."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.basics.progress import Progress
from pipeline.datasets.checks import Findings, Inspection, apart, some
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.with_validation import WithValidation
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED, Galleries, Split

WantedGalleries = Literal["default", "all"] | Sequence[int]
"""The gallery that scores are compared on, all in the folder, or those of some sizes."""


def inspect_data_set(
    data_set: DataSetOnDisk,
    galleries: WantedGalleries = "default",
    progress: Progress | None = None,
) -> Inspection:
    """Read all of a data set, CUHK-SYSU's subsets included; of its galleries, those that are wanted.

    Args:
        data_set: the data set; nothing of it has been read.
        galleries: the sizes of the galleries to read, where the data set has several.
        progress: called while annotations are read that take long.

    Raises:
        UserError: too much is missing to read anything, or a wanted gallery is.
    """
    if isinstance(data_set, WithValidation):
        return data_set.divided_inspection(inspect_data_set(data_set.data_set, galleries, progress))
    if not isinstance(data_set, CuhkSysu):
        data_set.progress = progress
        return data_set.inspect()
    wanted = _sizes(data_set, galleries)
    data_set = CuhkSysu(data_set.root, wanted, subsets=True)
    data_set.progress = progress
    inspection = data_set.inspect()
    unread = [str(size) for size in data_set.sizes() if str(size) not in inspection.splits["test"].galleries]
    if unread:
        inspection.findings.notes.append(f"galleries not read: {', '.join(unread)} (--all-galleries)")
    return inspection


def _sizes(data_set: CuhkSysu, galleries: WantedGalleries) -> list[int] | None:
    """Return the sizes of the galleries to read; None for all."""
    if galleries == "all":
        return None
    if galleries == "default":
        return data_set.sizes() and [data_set.default_size()]
    return sorted(galleries)


def note_same_pictures(inspection: Inspection, findings: Findings) -> None:
    """Note pictures of two splits that have the same bytes and different names; reads every picture."""
    folder = inspection.images
    if folder is None:
        return
    splits = apart(inspection.splits)
    contents = [{scene.name: _digest(folder / scene.name) for scene in split.scenes} for split in splits]
    for (first, ours), (second, theirs) in combinations(zip(splits, contents, strict=True), 2):
        names = {digest: name for name, digest in theirs.items()}
        same = [
            f"{name} is {names[digest]}"
            for name, digest in ours.items()
            if digest and digest in names and name not in theirs
        ]
        findings.note_count(
            len(same), f"pictures of {first.name} are in {second.name} under another name: {some(same)}"
        )


def split_counts(split: Split) -> dict[str, str]:
    """Return one split's counts, as text by column title."""
    ids = np.concatenate([np.empty(0, np.int64), *(scene.person_ids for scene in split.scenes)])
    cameras = {scene.camera for scene in split.scenes} - {UNKNOWN_CAMERA}
    return {
        "split": split.name,
        "scenes": f"{len(split.scenes):,}",
        "boxes": f"{len(ids):,}",
        "labelled": f"{int((ids != UNLABELLED).sum()):,}",
        "unlabelled": f"{int((ids == UNLABELLED).sum()):,}",
        "identities": f"{len(split.identities):,}",
        "cameras": f"{len(cameras)}" if cameras else "-",
        "queries": f"{len(split.queries):,}" if split.queries else "-",
    }


def split_galleries(split: Split) -> list[dict[str, str]]:
    """Return a line of counts for each gallery of a split, as text by column title."""
    cameras = split.cameras
    lines = []
    for name, galleries in split.galleries.items():
        sizes = np.diff(galleries.listed_offsets) + _rest_sizes(galleries, split, cameras)
        positives = np.diff(galleries.positive_offsets)
        lines.append(
            {
                "gallery": f"{split.name} {name}{' (default)' if name == split.default_gallery else ''}",
                "scenes a query": _span(sizes),
                "with the person": _span(positives),
                "queries without a match": f"{int((positives == 0).sum()):,}",
            }
        )
    return lines


def _rest_sizes(galleries: Galleries, split: Split, cameras: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return `[Q]` how many scenes the protocol adds behind each query's list."""
    rest = np.zeros(len(galleries), dtype=np.int64)
    if galleries.rest == "none":
        return rest
    for index, query in enumerate(split.queries):
        listed = galleries.listed_scenes[slice(*galleries.listed_offsets[index : index + 2])]
        rest[index] = len(galleries.of_query(index, query.scene, cameras).scenes) - len(listed)
    return rest


def _digest(path: Path) -> bytes:
    """Return a file's SHA-256; empty where it cannot be read, which `check_images` reports."""
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
    return b""


def _span(values: npt.NDArray[np.int64]) -> str:
    """Return the smallest and the largest value as text."""
    if not len(values):
        return "-"
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
