"""Detection as the person-search field measures it (OIM's and SeqNet's counting); COCO's is in `coco.py`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.average_precision import (
    Curve,
    Mask,
    Scores,
    average_precision,
    precision_recall_curve,
)
from pipeline.evaluation.box_pairs import offsets_of, overlapping_pairs
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import UNLABELLED, FloatArray, IntArray, Scene

MATCH_IOU = 0.5
ROUNDING = 1e-6
"""More than what rounding an IoU to float32 can add."""


def detection_metrics(
    scenes: Sequence[Scene], found: SceneBoxes, threshold: float, match_iou: float = MATCH_IOU
) -> dict[str, float]:
    """Return average precision and recall of detections (SeqNet's counting).

    In each scene a detection and a ground-truth box match when their IoU is at least `match_iou` and each is
    the other's best. Average precision has no interpolation and is multiplied by recall, so it is measured
    against all ground-truth boxes.

    Args:
        scenes: `[S]` with their ground truth.
        found: all detections on these scenes.
        threshold: only detections with score >= threshold count; 0 .. 1.
        match_iou: 0.5 in the papers' tables; 0 .. 1.

    Returns:
        Fractions: `ap` and `recall` against all ground truth; `ap_labelled` and `recall_labelled` against
        labelled people only, in the scenes that have one: there all detections count, so those of unlabelled
        people are false.
    """
    kept = found.above(threshold)
    boxes, offsets, labelled = ground_truth_table(scenes)
    truth, rows, iou = overlapping_pairs(boxes, offsets, kept.boxes, kept.offsets, match_iou - ROUNDING)
    metrics = _metrics(_matched(truth, rows, iou, len(kept.scores), match_iou), kept.scores, len(boxes))
    only = labelled[truth]
    correct = _matched(truth[only], rows[only], iou[only], len(kept.scores), match_iou)
    with_labelled = np.diff(offsets_of(labelled.astype(np.int64))[offsets]) > 0
    inside = with_labelled[kept.scene_of]
    restricted = _metrics(correct[inside], kept.scores[inside], int(labelled.sum()))
    return metrics | {f"{name}_labelled": value for name, value in restricted.items()}


def detection_curve(scenes: Sequence[Scene], found: SceneBoxes, threshold: float) -> Curve:
    """Return precision over recall of the detections with score >= threshold, in SeqNet's counting.

    Its recall is measured against all ground-truth boxes, unlike that of the curve under which
    scikit-learn's average precision lies.
    """
    kept = found.above(threshold)
    boxes, offsets, _ = ground_truth_table(scenes)
    pairs = overlapping_pairs(boxes, offsets, kept.boxes, kept.offsets, MATCH_IOU - ROUNDING)
    return precision_recall_curve(_matched(*pairs, len(kept.scores), MATCH_IOU), kept.scores, len(boxes))


def ground_truth_table(scenes: Sequence[Scene]) -> tuple[FloatArray, IntArray, Mask]:
    """Return all ground-truth boxes `[M, 4]`, their offsets `[S + 1]` and which are labelled `[M]`."""
    offsets = offsets_of(np.array([len(scene.boxes) for scene in scenes], dtype=np.int64))
    boxes = np.concatenate([np.empty((0, 4)), *(scene.boxes for scene in scenes)])
    ids = np.concatenate([np.empty(0, dtype=np.int64), *(scene.person_ids for scene in scenes)])
    return boxes, offsets, ids != UNLABELLED


def _metrics(correct: Mask, scores: Scores, wanted: int) -> dict[str, float]:
    recall = float(correct.sum()) / wanted if wanted else 0.0
    return {"ap": average_precision(correct, scores) * recall, "recall": recall}


def _matched(truth: IntArray, rows: IntArray, iou: FloatArray, detections: int, match_iou: float) -> Mask:
    """Return `[N]` which detections match a ground-truth box, from the pairs that overlap.

    Overlaps are compared in float32, and among equal ones the box that stands first wins: SeqNet's.
    """
    overlap = iou.astype(np.float32)
    enough = overlap >= np.float32(match_iou)
    truth, rows, overlap = truth[enough], rows[enough], overlap[enough]
    best = _first_best(rows, overlap, truth) & _first_best(truth, overlap, rows)
    correct = np.zeros(detections, dtype=bool)
    correct[rows[best]] = True
    return correct


def _first_best(owner: IntArray, overlap: npt.NDArray[np.float32], other: IntArray) -> Mask:
    """Return `[K]` which pair is its owner's best, the one with the lowest `other` among equals."""
    order = np.lexsort((other, -overlap, owner))
    _, first = np.unique(owner[order], return_index=True)
    best = np.zeros(len(owner), dtype=bool)
    best[order[first]] = True
    return best
