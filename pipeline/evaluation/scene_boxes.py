"""Scored boxes with features, scene after scene in the split's order: the input of all metrics."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.evaluation.box_pairs import offsets_of, paired_iou, segment_rows
from pipeline.evaluation.detections import Detections
from pipeline.scenes.scene import IntArray, Split

Array = npt.NDArray[Any]
SAME_BOX_IOU = 0.5
"""Programs round and clip a query's box differently, but with less overlap it is another person's box."""


@dataclass(frozen=True)
class SceneBoxes:
    """Boxes of S scenes in flat arrays.

    Attributes:
        offsets: `[S + 1]`; the boxes of scene s are rows `offsets[s]:offsets[s + 1]`.
        boxes: `[N, 4]` pixels.
        scores: `[N]` floats of the width that the detections have.
        feats: `[N, D]`.
    """

    offsets: IntArray
    boxes: Array
    scores: Array
    feats: Array

    @cached_property
    def counts(self) -> IntArray:
        """`[S]` boxes a scene."""
        return np.diff(self.offsets)

    @cached_property
    def scene_of(self) -> IntArray:
        """`[N]` the scene of each box."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def above(self, threshold: float) -> "SceneBoxes":
        """Return the boxes with score >= threshold.

        The threshold is first rounded to the scores' own width, as in SeqNet, so that a float32 score of 0.01
        passes a threshold of 0.01.
        """
        keep = self.scores >= self.scores.dtype.type(threshold)
        counts = np.bincount(self.scene_of[keep], minlength=len(self.offsets) - 1)
        return SceneBoxes(offsets_of(counts), self.boxes[keep], self.scores[keep], self.feats[keep])

    def without_feats(self) -> "SceneBoxes":
        """Return the same boxes with features of width 0, for metrics that do not use features."""
        return SceneBoxes(self.offsets, self.boxes, self.scores, self.feats[:, :0])


def missing_scenes(split: Split, detections: Detections) -> int:
    """Return how many of the split's scenes the detections do not name. They count as without boxes."""
    names = set(detections.gallery_names.astype(str).tolist())
    return sum(scene.name not in names for scene in split.scenes)


def detected_boxes(split: Split, detections: Detections) -> SceneBoxes:
    """Return all detections in the order of the split's scenes.

    Raises:
        UserError: the detections name an image that the split does not have.
    """
    position = scene_positions(split, detections)
    rows, offsets = _rows_by_scene(position, detections.gallery_counts, len(split.scenes))
    found = detections.gallery_dets[rows]
    return SceneBoxes(offsets, found[:, :4], found[:, 4], _in_order(detections.gallery_feats, rows))


def ground_truth_boxes(split: Split, detections: Detections) -> SceneBoxes:
    """Return the ground-truth boxes as detections of score 1, with the features found at them.

    Raises:
        UserError: these features are missing, or their number is not that of the ground-truth boxes.
    """
    counts = detections.ground_truth_counts
    feats = detections.ground_truth_feats
    if counts is None or feats is None:
        raise UserError("detections: no ground_truth_feats, so ground-truth boxes cannot be searched")
    position = scene_positions(split, detections)
    wanted = np.array([len(split.scenes[scene].boxes) for scene in position], dtype=np.int64)
    wrong = np.flatnonzero(wanted != counts)
    if len(wrong):
        first = int(wrong[0])
        raise UserError(
            f"detections: ground_truth_counts says {counts[first]} for {detections.gallery_names[first]}, "
            f"which has {wanted[first]} ground-truth boxes (and {len(wrong) - 1} images more differ)"
        )
    rows, offsets = _rows_by_scene(position, counts, len(split.scenes))
    named = set(position.tolist())
    boxes = [scene.boxes for index, scene in enumerate(split.scenes) if index in named]
    flat = np.concatenate([np.empty((0, 4)), *boxes])
    return SceneBoxes(offsets, flat, np.ones(len(flat)), _in_order(feats, rows))


def check_queries(split: Split, detections: Detections) -> None:
    """Check that the detections hold the split's queries, in its order.

    Raises:
        UserError: a query is another one; the message names the first.
    """
    wanted = [split.scenes[query.scene].name for query in split.queries]
    got = detections.query_names.astype(str).tolist()
    if len(wanted) != len(got):
        raise UserError(f"detections: {len(got)} queries, but the data set has {len(wanted)}")
    for index, (name, other) in enumerate(zip(wanted, got, strict=True)):
        if name != other:
            raise UserError(
                f"detections: query {index} is taken from {other!r}, in the data set from {name!r}; "
                "queries must stand in the data set's order"
            )


def check_context(split: Split, detections: Detections) -> None:
    """Check that the people around each query are there, the query itself first.

    Raises:
        UserError: they are missing, the first box of a query is not the query's own, or searches use the
            detections of pairs, which have no features.
    """
    counts, found = detections.query_counts, detections.query_dets
    if detections.has_pairs:
        raise UserError(
            "CBGM needs one embedding for each detection, but these detections are of pairs of a query and a "
            "scene; search without CBGM"
        )
    if counts is None or found is None:
        raise UserError("CBGM needs query_counts, query_dets and query_ctx_feats, which the detections lack")
    alone = np.flatnonzero(counts == 0)
    if len(alone):
        raise UserError(f"detections: query {alone[0]} has query_counts 0; its own box must come first")
    own = found[offsets_of(counts)[:-1], :4]
    wanted = np.array([query.box for query in split.queries]).reshape(-1, 4)
    apart = np.flatnonzero(paired_iou(own, wanted) < SAME_BOX_IOU)
    if len(apart):
        raise UserError(
            f"detections: the first of query_dets of query {apart[0]} is {own[apart[0]].tolist()}, "
            f"not the query's own box {wanted[apart[0]].tolist()}"
        )


def scene_positions(split: Split, detections: Detections) -> IntArray:
    """Return `[G]`: for each image of the detections, the index of its scene in the split.

    Raises:
        UserError: the detections name an image that the split does not have.
    """
    index = {scene.name: position for position, scene in enumerate(split.scenes)}
    names = detections.gallery_names.astype(str).tolist()
    unknown = [name for name in names if name not in index]
    if unknown:
        raise UserError(
            f"detections: {len(unknown)} of {len(names)} images are not in the data set's "
            f"{split.name} split, the first is {unknown[0]!r}"
        )
    return np.array([index[name] for name in names], dtype=np.int64)


def _in_order(feats: Array, rows: IntArray) -> Array:
    """Return the features' rows. They can be gigabytes, so there is no copy where they are in order."""
    return feats if np.array_equal(rows, np.arange(len(feats))) else feats[rows]


def _rows_by_scene(position: IntArray, counts: Array, scenes: int) -> tuple[IntArray, IntArray]:
    """Return the detections' rows in the order of the split's scenes, and the scenes' offsets `[S + 1]`.

    Args:
        position: `[G]` the scene of each image of the detections.
        counts: `[G]` rows of each image.
        scenes: S; a scene without an image has no rows.
    """
    lengths = counts.astype(np.int64)
    starts = offsets_of(lengths)[:-1]
    order = np.argsort(position, kind="stable")
    by_scene = np.zeros(scenes, dtype=np.int64)
    by_scene[position] = lengths
    return segment_rows(starts[order], lengths[order]), offsets_of(by_scene)
