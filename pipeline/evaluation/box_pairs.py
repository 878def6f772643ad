"""Boxes of many scenes in flat arrays: finding pairs of boxes in the same scene, and their overlaps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray, IntArray

PAIRS_AT_ONCE = 1_000_000
"""The most pairs in memory at a time, about 100 bytes each. The pairs of a single scene may be more."""


def offsets_of(counts: npt.NDArray[np.integer[Any]]) -> IntArray:
    """Return where each of S segments starts, and the end of the last: `[S + 1]` from their lengths `[S]`."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def segment_rows(starts: IntArray, lengths: IntArray) -> IntArray:
    """Return the row numbers of several segments of an array, one segment after the other.

    Args:
        starts: `[K]` first row of each segment.
        lengths: `[K]` rows in each segment.
    """
    # Counting on from 0, and at each segment jumping to its start, avoids a loop over segments.
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    rows: IntArray = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
    return rows


def paired_iou(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> FloatArray:
    """Return the intersection over union (IoU) of pairs of boxes, `[K]` in float64.

    As in SeqNet, a width is `x2 - x1`, not `x2 - x1 + 1`. Two boxes without area give 0.

    Args:
        left: `[K, 4]` x1 y1 x2 y2, the first box of each pair.
        right: `[K, 4]`, the second one.
    """
    a = left.astype(np.float64)
    b = right.astype(np.float64)
    intersection = shared_areas(a, b)
    areas = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]) + (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    union = areas - intersection
    iou: FloatArray = np.zeros_like(union)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def shared_areas(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the area `[K]` that each of the boxes `[K, 4]` on the left shares with its own on the right."""
    width = np.minimum(left[:, 2], right[:, 2]) - np.maximum(left[:, 0], right[:, 0])
    height = np.minimum(left[:, 3], right[:, 3]) - np.maximum(left[:, 1], right[:, 1])
    shared: FloatArray = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    return shared


def scene_pairs(left_offsets: IntArray, right_offsets: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the row numbers `[K]` (left) and `[K]` (right) of all pairs of boxes in the same scene.

    Each step yields the pairs of some scenes, to bound the memory.

    Args:
        left_offsets: `[S + 1]` where the left boxes of each scene start, and the end of the last.
        right_offsets: `[S + 1]` the same for the right boxes.
    """
    left_counts = np.diff(left_offsets)
    right_counts = np.diff(right_offsets)
    # Scenes whose running number of pairs falls into the same million form a block.
    blocks = np.cumsum(left_counts * right_counts) // PAIRS_AT_ONCE
    for block in np.split(np.arange(len(blocks)), np.flatnonzero(np.diff(blocks)) + 1):
        if not len(block):
            continue
        left = np.arange(left_offsets[block[0]], left_offsets[block[-1] + 1])
        scene = np.repeat(block, left_counts[block])
        lengths = right_counts[scene]
        yield np.repeat(left, lengths), segment_rows(right_offsets[scene], lengths)


def overlapping_pairs(
    left: npt.NDArray[Any],
    left_offsets: IntArray,
    right: npt.NDArray[Any],
    right_offsets: IntArray,
    least_iou: float | FloatArray,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return all pairs of boxes in the same scene that overlap by at least `least_iou`.

    Args:
        left: `[N, 4]` boxes, scene after scene.
        left_offsets: `[S + 1]` where each scene's boxes start, and the end of the last.
        right: `[M, 4]` boxes, scene after scene.
        right_offsets: `[S + 1]` the same for `right`.
        least_iou: 0 .. 1, for all boxes or `[N]` for each left one; a pair with exactly this IoU is returned.

    Returns:
        `[K]` rows of `left`, `[K]` rows of `right`, `[K]` IoU.
    """
    rows: list[tuple[IntArray, IntArray, FloatArray]] = []
    least = np.broadcast_to(least_iou, len(left))
    for left_rows, right_rows in scene_pairs(left_offsets, right_offsets):
        iou = paired_iou(left[left_rows], right[right_rows])
        keep = iou >= least[left_rows]
        rows.append((left_rows[keep], right_rows[keep], iou[keep]))
    if not rows:
        return np.array([], np.int64), np.array([], np.int64), np.array([], np.float64)
    first, second, overlap = zip(*rows, strict=True)
    return np.concatenate(first), np.concatenate(second), np.concatenate(overlap)
