"""Ground truth in whole pixels, as in the evaluations behind PRW's published numbers."""

from dataclasses import replace

import numpy as np

from pipeline.scenes.scene import FloatArray, Split

WHOLE_PIXEL_DATA_SETS = ("prw", "prw_mini")
"""Data sets whose boxes are fractions of pixels. SeqNet's reader cuts them down to whole pixels."""


def in_whole_pixels(split: Split) -> Split:
    """Return a split with all ground-truth boxes, also the queries', cut down to whole pixels."""
    return replace(
        split,
        scenes=tuple(replace(scene, boxes=np.trunc(scene.boxes)) for scene in split.scenes),
        queries=tuple(replace(query, box=np.trunc(query.box)) for query in split.queries),
        galleries={
            name: replace(galleries, positive_boxes=_truncated(galleries.positive_boxes))
            for name, galleries in split.galleries.items()
        },
    )


def _truncated(boxes: FloatArray) -> FloatArray:
    whole: FloatArray = np.trunc(boxes)
    return whole
