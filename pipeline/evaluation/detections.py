"""The output of a person-search model on a test set: boxes, scores and features, as flat arrays."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError

Array = npt.NDArray[Any]
BOX_AND_SCORE = 5
MATRIX = 2


@dataclass(frozen=True)
class Detections:
    """Detections on every gallery scene and features of every query.

    Features are compared by their dot products. These are cosine similarities where features have length 1.
    Floats may have any width; each array keeps its own.

    Attributes:
        gallery_names: `[G]` image file names, each once, in any order.
        gallery_counts: `[G]` the number of detections in each image.
        gallery_dets: `[N, 5]` x1 y1 x2 y2 score, in pixels of the stored image, image after image.
        gallery_feats: `[N, D]`.
        query_names: `[Q]` image file name of each query, in the data set's order of queries.
        query_pids: `[Q]` person ids as the data set numbers them.
        query_feats: `[Q, D]` the feature at the query's ground-truth box.
        query_counts: `[Q]` for CBGM, the number of people in the query's scene, the query included; or None.
        query_dets: `[C, 5]` these people's boxes, the query's own first, then by falling score; or None.
        query_ctx_feats: `[C, D]` these people's features; or None.
        ground_truth_counts: `[G]` the number of ground-truth boxes in each image; or None.
        ground_truth_feats: `[M, D]` the features at these boxes, in the order of the scene's boxes; or None.
    """

    gallery_names: Array
    gallery_counts: Array
    gallery_dets: Array
    gallery_feats: Array
    query_names: Array
    query_pids: Array
    query_feats: Array
    query_counts: Array | None = None
    query_dets: Array | None = None
    query_ctx_feats: Array | None = None
    ground_truth_counts: Array | None = None
    ground_truth_feats: Array | None = None

    def __post_init__(self) -> None:
        """Check that the arrays fit each other.

        Raises:
            UserError: an array is wrong; the message says which one, and how.
        """
        for item in fields(self):
            array = getattr(self, item.name)
            if array is not None:
                _check_kind(item.name, array)
        _check_group(self, "gallery_names", "gallery_counts", ("gallery_dets", "gallery_feats"))
        _check_group(self, "query_names", "query_counts", ("query_dets", "query_ctx_feats"))
        _check_group(self, "gallery_names", "ground_truth_counts", ("ground_truth_feats",))
        _check_queries(self)
        _check_names(self)

    @property
    def has_ground_truth_feats(self) -> bool:
        """Whether the features at the ground-truth boxes are there."""
        return self.ground_truth_counts is not None


REQUIRED = (
    "gallery_names",
    "gallery_counts",
    "gallery_dets",
    "gallery_feats",
    "query_names",
    "query_pids",
    "query_feats",
)
"""The arrays that every file of detections must hold."""

OPTIONAL = tuple(item.name for item in fields(Detections) if item.name not in REQUIRED)
"""The arrays that only some metrics need. Arrays that belong together must all be there, or none."""


def _check_kind(name: str, array: Array) -> None:
    """Check one array's number of dimensions, its type, and that it holds finite numbers."""
    if name.endswith("_names"):
        if array.ndim != 1 or array.dtype.kind not in "UO":
            raise UserError(f"detections: {name} must be a list of strings, not {array.dtype}{array.shape}")
        return
    if name.endswith(("_counts", "_pids")):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise UserError(f"detections: {name} must be a list of integers, not {array.dtype}{array.shape}")
        if name.endswith("_counts") and len(array) and array.min() < 0:
            raise UserError(f"detections: {name} holds a negative count ({array.min()})")
        return
    if array.ndim != MATRIX or array.dtype.kind != "f":
        raise UserError(f"detections: {name} must be a matrix of floats, not {array.dtype}{array.shape}")
    if name.endswith("_dets") and array.shape[1] != BOX_AND_SCORE:
        raise UserError(f"detections: {name} must have 5 columns (x1 y1 x2 y2 score), not {array.shape[1]}")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise UserError(f"detections: {name} holds NaN or infinity, first in row {row}")


def _check_group(detections: Detections, names: str, counts: str, arrays: tuple[str, ...]) -> None:
    """Check a list of counts: one for each name, and their sum is the length of each array."""
    number = getattr(detections, counts)
    present = [name for name in (counts, *arrays) if getattr(detections, name) is not None]
    missing = [name for name in (counts, *arrays) if name not in present]
    if present and missing:
        raise UserError(f"detections: {present[0]} is there but {missing[0]} is missing")
    if number is None:
        return
    wanted = len(getattr(detections, names))
    if len(number) != wanted:
        raise UserError(f"detections: {counts} has {len(number)} entries for {wanted} {names}")
    for name in arrays:
        rows = len(getattr(detections, name))
        if rows != number.sum():
            raise UserError(f"detections: {counts} add up to {number.sum()}, but {name} has {rows} rows")


def _check_queries(detections: Detections) -> None:
    """Check that each query has one row in its arrays, and that all features have the same width."""
    wanted = len(detections.query_names)
    for name in ("query_pids", "query_feats"):
        rows = len(getattr(detections, name))
        if rows != wanted:
            raise UserError(f"detections: {name} has {rows} rows for {wanted} query_names")
    width = detections.query_feats.shape[1]
    for name in ("gallery_feats", "query_ctx_feats", "ground_truth_feats"):
        array = getattr(detections, name)
        if array is not None and array.shape[1] != width:
            raise UserError(f"detections: {name} are {array.shape[1]}-d, but query_feats are {width}-d")


def _check_names(detections: Detections) -> None:
    """Check that no image is listed twice."""
    names, times = np.unique(detections.gallery_names.astype(str), return_counts=True)
    if (times > 1).any():
        raise UserError(f"detections: gallery_names holds {str(names[times > 1][0])!r} {times.max()} times")
