"""Detection metrics as the person-search field defines them (OIM, SeqNet); COCO's are in `coco.py`."""

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
from pipeline.evaluation.ignored import on_ignored
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import UNLABELLED, FloatArray, IntArray, Scene

MATCH_IOU = 0.5
ROUNDING = 1e-6
"""More than an IoU can grow when it is rounded to float32."""


def detection_metrics(
    scenes: Sequence[Scene], found: SceneBoxes, threshold: float, match_iou: float = MATCH_IOU
) -> dict[str, float]:
    """Return average precision and recall of detections, as SeqNet counts them.

    A detection and a ground-truth box of the same scene match when their IoU is at least `match_iou` and each
    is the other's best. Average precision is not interpolated. It is multiplied by recall, so that missed
    ground-truth boxes lower it.

    A detection that lies on an ignored box and matches no person does not count (ours; see `ignored.py`).

    Args:
        scenes: `[S]` with their ground truth.
        found: all detections on these scenes.
        threshold: only detections with score >= threshold count; 0 .. 1.
        match_iou: 0.5 in the papers' tables; 0 .. 1.

    Returns:
        Fractions: `ap` and `recall` against all ground truth, and `ap_labelled` and `recall_labelled` against
        the labelled people in the scenes that have any. All detections in those scenes count, so the ones of
        unlabelled people are false.
    """
    kept = found.above(threshold)
    boxes, offsets, labelled = ground_truth_table(scenes)
    truth, rows, iou = overlapping_pairs(boxes, offsets, kept.boxes, kept.offsets, match_iou - ROUNDING)
    matched = _matched(truth, rows, iou, len(kept.scores), match_iou)
    only = labelled[truth]
    correct = _matched(truth[only], rows[only], iou[only], len(kept.scores), match_iou)
    counted = matched | correct | ~on_ignored(scenes, kept, match_iou)
    metrics = _metrics(matched[counted], kept.scores[counted], len(boxes))
    with_labelled = np.diff(offsets_of(labelled.astype(np.int64))[offsets]) > 0
    inside = with_labelled[kept.scene_of] & counted
    restricted = _metrics(correct[inside], kept.scores[inside], int(labelled.sum()))
    return metrics | {f"{name}_labelled": value for name, value in restricted.items()}


def detection_curve(scenes: Sequence[Scene], found: SceneBoxes, threshold: float) -> Curve:
    """Return precision over recall of the detections with score >= threshold, matched as SeqNet does.

    Recall is the share of all ground-truth boxes. scikit-learn's would be the share of the matched ones.
    """
    kept = found.above(threshold)
    boxes, offsets, _ = ground_truth_table(scenes)
    pairs = overlapping_pairs(boxes, offsets, kept.boxes, kept.offsets, MATCH_IOU - ROUNDING)
    matched = _matched(*pairs, len(kept.scores), MATCH_IOU)
    counted = matched | ~on_ignored(scenes, kept, MATCH_IOU)
    return precision_recall_curve(matched[counted], kept.scores[counted], len(boxes))


def ground_truth_table(scenes: Sequence[Scene]) -> tuple[FloatArray, IntArray, Mask]:
    """Return all ground-truth boxes `[M, 4]`, each scene's offset `[S + 1]`, and which are labelled `[M]`."""
    offsets = offsets_of(np.array([len(scene.boxes) for scene in scenes], dtype=np.int64))
    boxes = np.concatenate([np.empty((0, 4)), *(scene.boxes for scene in scenes)])
    ids = np.concatenate([np.empty(0, dtype=np.int64), *(scene.person_ids for scene in scenes)])
    return boxes, offsets, ids != UNLABELLED


def _metrics(correct: Mask, scores: Scores, wanted: int) -> dict[str, float]:
    recall = float(correct.sum()) / wanted if wanted else 0.0
    return {"ap": average_precision(correct, scores) * recall, "recall": recall}


def _matched(truth: IntArray, rows: IntArray, iou: FloatArray, detections: int, match_iou: float) -> Mask:
    """Return `[N]` which detections match a ground-truth box.

    As in SeqNet, overlaps are compared in float32, and among equal ones the first box wins.

    Args:
        truth: `[K]` the ground-truth box of each overlapping pair.
        rows: `[K]` the detection of each pair.
        iou: `[K]`.
        detections: N, the number of all detections.
        match_iou: 0 .. 1.
    """
    overlap = iou.astype(np.float32)
    enough = overlap >= np.float32(match_iou)
    truth, rows, overlap = truth[enough], rows[enough], overlap[enough]
    best = _first_best(rows, overlap, truth) & _first_best(truth, overlap, rows)
    correct = np.zeros(detections, dtype=bool)
    correct[rows[best]] = True
    return correct


def _first_best(owner: IntArray, overlap: npt.NDArray[np.float32], other: IntArray) -> Mask:
    """Return `[K]` which pairs have their owner's largest overlap, of equal ones the lowest `other`."""
    # By owner, then by falling overlap: `unique` returns the first pair of each owner.
    order = np.lexsort((other, -overlap, owner))
    _, first = np.unique(owner[order], return_index=True)
    best = np.zeros(len(owner), dtype=bool)
    best[order[first]] = True
    return best
