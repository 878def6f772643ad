"""Non-maximum suppression without PyTorch."""

import numpy as np
import numpy.typing as npt

from person_search.networks.network import Floats
from pipeline.evaluation.box_pairs import paired_iou


def strongest_boxes(boxes: Floats, scores: Floats, most_overlap: float | None) -> npt.NDArray[np.int64]:
    """Return which boxes are kept, by falling score; of equal scores the first box comes first.

    Args:
        boxes: `[N, 4]`.
        scores: `[N]`.
        most_overlap: a box that overlaps a kept one by a higher IoU is left out; None keeps all.
    """
    left = np.argsort(-scores, kind="stable")
    if most_overlap is None:
        return left
    kept = []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(first)
        left = left[paired_iou(np.broadcast_to(boxes[first], (len(left), 4)), boxes[left]) <= most_overlap]
    return np.array(kept, dtype=np.int64)
