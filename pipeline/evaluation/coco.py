"""Average precision of detections as COCO defines it, at one IoU threshold and for one class.

Detections are matched greedily by falling score, at most 100 in a scene. Precision is made monotone and
averaged over 101 recall values. Tests compare it with pycocotools.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.evaluation.average_precision import Mask
from pipeline.evaluation.box_pairs import overlapping_pairs
from pipeline.evaluation.detection import ground_truth_table
from pipeline.evaluation.ignored import on_ignored
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import FloatArray, IntArray, Scene

DETECTIONS_A_SCENE = 100
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
THRESHOLD_SLACK = 1e-10
"""pycocotools lowers IoU thresholds to at most 1 - 1e-10."""


def coco_average_precision(
    scenes: Sequence[Scene], found: SceneBoxes, iou_thresholds: Iterable[float]
) -> list[float]:
    """Return COCO's AP of all detections against all ground-truth boxes, one for each IoU threshold.

    Ignored boxes are COCO's crowds: a detection that lies on one and matches no person does not count.

    Args:
        scenes: `[S]` with their ground truth.
        found: all detections on these scenes, also those with low scores.
        iou_thresholds: 0 .. 1 each.

    Returns:
        Fractions; 0 where there is no ground truth.
    """
    thresholds = [min(threshold, 1.0 - THRESHOLD_SLACK) for threshold in iou_thresholds]
    boxes, offsets, _ = ground_truth_table(scenes)
    ranked, kept = _ranked_rows(found)
    pairs = overlapping_pairs(found.boxes, found.offsets, boxes, offsets, min(thresholds, default=1.0))
    allowed = kept[pairs[0]]
    rows, truth, iou = pairs[0][allowed], pairs[1][allowed], pairs[2][allowed]
    results = []
    for threshold in thresholds:
        enough = iou >= threshold
        correct = _greedy(ranked, rows[enough], truth[enough], iou[enough], len(boxes), len(found.scores))
        counted = (correct | ~on_ignored(scenes, found, threshold))[ranked]
        results.append(_interpolated(correct[ranked][counted], len(boxes)))
    return results


def _ranked_rows(found: SceneBoxes) -> tuple[IntArray, Mask]:
    """Return the rows of each scene's best detections, by falling score, and `[N]` whether a row is one."""
    order = np.lexsort((-found.scores, found.scene_of))
    # The rank of each detection within its own scene.
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - found.offsets[found.scene_of[order]]
    kept = place < DETECTIONS_A_SCENE
    rows = order[kept[order]]
    return rows[np.argsort(-found.scores[rows], kind="stable")], kept


def _greedy(
    ranked: IntArray, rows: IntArray, truth: IntArray, iou: FloatArray, boxes: int, detections: int
) -> Mask:
    """Return `[N]` which detections match a ground-truth box.

    By falling score, each detection takes the free box that it overlaps most. Among equal overlaps the last
    box wins, as in pycocotools.

    Args:
        ranked: rows of the detections, by falling score.
        rows: `[K]` the detection of each pair that overlaps enough.
        truth: `[K]` the ground-truth box of each pair.
        iou: `[K]`.
        boxes: number of ground-truth boxes.
        detections: N, the number of all detections.
    """
    rank = np.empty(detections, dtype=np.int64)
    rank[ranked] = np.arange(len(ranked))
    correct, taken = [False] * detections, [False] * boxes
    # Pairs by falling score of the detection, then by falling IoU: the first free box is the best one.
    order = np.lexsort((-truth, -iou, rank[rows]))
    for row, box in zip(rows[order].tolist(), truth[order].tolist(), strict=True):
        if not correct[row] and not taken[box]:
            correct[row] = taken[box] = True
    return np.array(correct, dtype=bool)


def _interpolated(correct: Mask, boxes: int) -> float:
    """Return the mean of the monotone precision at 101 recall values; it is 0 at recall not reached."""
    if not boxes or not len(correct):
        return 0.0
    hits = np.cumsum(correct)
    # From the end, each precision becomes the largest at its own or any higher recall.
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    places = np.searchsorted(hits / boxes, RECALL_POINTS, side="left")
    return float(np.append(precision, 0.0)[places].mean())
