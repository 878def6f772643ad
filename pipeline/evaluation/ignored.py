"""Detections that lie on ignored boxes, and so are neither right nor wrong where they match no person."""

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.average_precision import Mask
from pipeline.evaluation.box_pairs import offsets_of, scene_pairs, shared_areas
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import FloatArray, Scene


def on_ignored(scenes: Sequence[Scene], found: SceneBoxes, match_iou: float) -> Mask:
    """Return `[N]` which detections have a share of their own area inside an ignored box, COCO's crowd rule.

    Args:
        scenes: `[S]` with their ignored boxes.
        found: N detections on these scenes.
        match_iou: the smallest share, which is also the smallest IoU with a person; 0 .. 1.
    """
    shares = _shares(scenes, found)
    return (shares > 0) & (shares >= match_iou)


def _shares(scenes: Sequence[Scene], found: SceneBoxes) -> FloatArray:
    """Return `[N]` the largest share of each detection's own area inside one ignored box, 0 .. 1."""
    shares = np.zeros(len(found.scores))
    offsets = offsets_of(np.array([len(scene.ignored) for scene in scenes], dtype=np.int64))
    if not offsets[-1]:
        return shares
    ignored = np.concatenate([scene.ignored for scene in scenes])
    boxes = found.boxes.astype(np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for rows, others in scene_pairs(found.offsets, offsets):
        shared = shared_areas(boxes[rows], ignored[others])
        sized = areas[rows] > 0
        np.maximum.at(shares, rows[sized], shared[sized] / areas[rows[sized]])
    return shares
