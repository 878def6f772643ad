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

    A query-guided network looks at each scene anew for each query: boxes, scores and similarities belong to a
    pair of a query and a scene. Where pairs are there, searches use them, and no features of detections.

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
        pair_queries: `[P]` the query of each pair, as an index into `query_names`; or None.
        pair_scenes: `[P]` the scene of each pair, as an index into `gallery_names`; or None. Each pair stands
            once, in any order.
        pair_counts: `[P]` the number of detections of each pair; or None.
        pair_dets: `[K, 5]` x1 y1 x2 y2 score, in pixels of the stored image, pair after pair; or None.
        pair_similarities: `[K]` any real numbers: the higher, the more likely the box shows the query's
            person; or None.
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
    pair_queries: Array | None = None
    pair_scenes: Array | None = None
    pair_counts: Array | None = None
    pair_dets: Array | None = None
    pair_similarities: Array | None = None

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
        _check_pairs(self)

    @property
    def has_ground_truth_feats(self) -> bool:
        """Whether the features at the ground-truth boxes are there."""
        return self.ground_truth_counts is not None

    @property
    def has_pairs(self) -> bool:
        """Whether there are detections of pairs, as of a query-guided network."""
        return self.pair_queries is not None


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

PAIRS = tuple(name for name in OPTIONAL if name.startswith("pair_"))
INTEGERS = ("_counts", "_pids", "_queries", "_scenes")
"""How the names of arrays of integers end."""
LISTS_OF_FLOATS = ("pair_similarities",)
"""The arrays of floats that have one dimension; all others have two."""


def _check_kind(name: str, array: Array) -> None:
    """Check one array's number of dimensions, its type, and that it holds finite numbers."""
    if name.endswith("_names"):
        if array.ndim != 1 or array.dtype.kind not in "UO":
            raise UserError(f"detections: {name} must be a list of strings, not {array.dtype}{array.shape}")
        return
    if name.endswith(INTEGERS):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise UserError(f"detections: {name} must be a list of integers, not {array.dtype}{array.shape}")
        if name.endswith("_counts") and len(array) and array.min() < 0:
            raise UserError(f"detections: {name} holds a negative count ({array.min()})")
        return
    wanted, what = (1, "list") if name in LISTS_OF_FLOATS else (MATRIX, "matrix")
    if array.ndim != wanted or array.dtype.kind != "f":
        raise UserError(f"detections: {name} must be a {what} of floats, not {array.dtype}{array.shape}")
    if name.endswith("_dets") and array.shape[1] != BOX_AND_SCORE:
        raise UserError(f"detections: {name} must have 5 columns (x1 y1 x2 y2 score), not {array.shape[1]}")
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argmin(finite.reshape(len(array), -1).all(axis=1)))
        raise UserError(f"detections: {name} holds NaN or infinity, first in row {row}")


def _check_group(detections: Detections, names: str, counts: str, arrays: tuple[str, ...]) -> None:
    """Check a list of counts: one for each name, and their sum is the length of each array."""
    if not _all_there(detections, (counts, *arrays)):
        return
    number = getattr(detections, counts)
    wanted = len(getattr(detections, names))
    if len(number) != wanted:
        raise UserError(f"detections: {counts} has {len(number)} entries for {wanted} {names}")
    for name in arrays:
        rows = len(getattr(detections, name))
        if rows != number.sum():
            raise UserError(f"detections: {counts} add up to {number.sum()}, but {name} has {rows} rows")


def _all_there(detections: Detections, names: tuple[str, ...]) -> bool:
    """Return whether arrays that belong together are there; raise `UserError` where only some are."""
    present = [name for name in names if getattr(detections, name) is not None]
    missing = [name for name in names if name not in present]
    if present and missing:
        raise UserError(f"detections: {present[0]} is there but {missing[0]} is missing")
    return not missing


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


def _check_pairs(detections: Detections) -> None:
    """Check the arrays of pairs: all are there or none, indices are in range, and each pair stands once."""
    if not _all_there(detections, PAIRS):
        return
    _check_group(detections, "pair_queries", "pair_counts", ("pair_dets", "pair_similarities"))
    queries, scenes = (np.asarray(array) for array in (detections.pair_queries, detections.pair_scenes))
    if len(scenes) != len(queries):
        raise UserError(f"detections: pair_scenes has {len(scenes)} entries for {len(queries)} pair_queries")
    _check_indices(detections, "pair_queries", "query_names")
    _check_indices(detections, "pair_scenes", "gallery_names")
    # One number stands for a pair. In the files that we write they rise.
    width = len(detections.gallery_names)
    pairs = queries.astype(np.int64) * width + scenes.astype(np.int64)
    if not (pairs[1:] > pairs[:-1]).all():
        pairs = np.sort(pairs)
        twice = pairs[1:][pairs[1:] == pairs[:-1]]
        if len(twice):
            query, scene = divmod(int(twice[0]), width)
            name = str(detections.gallery_names[scene])
            raise UserError(f"detections: the pair of query {query} and scene {name!r} stands more than once")


def _check_indices(detections: Detections, name: str, of: str) -> None:
    """Check that an array holds indices into another one."""
    indices, limit = getattr(detections, name), len(getattr(detections, of))
    wrong = indices[(indices < 0) | (indices >= limit)]
    if len(wrong):
        raise UserError(f"detections: {name} holds {wrong[0]}, which is no index into the {limit} {of}")
