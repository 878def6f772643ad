"""Which row of a table by box belongs to which box: a scene's offset, plus the place in `Scene.boxes`."""

from collections.abc import Sequence

import numpy as np

from pipeline.scenes.scene import IntArray, Scene

NO_ROW = -1
"""The row number of a box that has no row."""


def box_offsets(scenes: Sequence[Scene]) -> IntArray:
    """Return `[S + 1]` where the rows of each scene's boxes begin, and the number of all rows."""
    counts = [len(scene.boxes) for scene in scenes]
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
