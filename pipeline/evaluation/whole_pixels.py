"""Ground truth in whole pixels: how PRW's published numbers were counted."""

from dataclasses import replace

import numpy as np

from pipeline.scenes.scene import FloatArray, Split

WHOLE_PIXEL_DATA_SETS = ("prw", "prw_mini")
"""Data sets with fractional boxes that the field's evaluators cut down to whole pixels (SeqNet's reader)."""


def in_whole_pixels(split: Split) -> Split:
    """Return a split whose ground-truth boxes have lost what stands behind the point; the rest as it is."""
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
