"""Putting one query's gallery behind another's, in the compact form of `Galleries`."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray, Galleries


class GalleriesBuilder:
    """Collects the galleries of a split's queries, in the queries' order."""

    def __init__(self, rest: Literal["none", "all", "other_cameras"]) -> None:
        self._rest: Literal["none", "all", "other_cameras"] = rest
        self._listed: list[npt.NDArray[np.int32]] = []
        self._positives: list[npt.NDArray[np.int64]] = []
        self._boxes: list[FloatArray] = []

    def add(self, scenes: Sequence[int], positives: Sequence[int], boxes: Sequence[FloatArray]) -> None:
        """Add the next query: its list of scenes, the positions there that hold the person, the boxes."""
        self._listed.append(np.asarray(scenes, dtype=np.int32))
        self._positives.append(np.asarray(positives, dtype=np.int64))
        self._boxes.append(np.asarray(boxes, dtype=np.float64).reshape(-1, 4))

    def build(self) -> Galleries:
        """Return the galleries of all queries added so far."""
        return Galleries(
            rest=self._rest,
            listed_offsets=_offsets(self._listed),
            listed_scenes=np.concatenate([np.empty(0, np.int32), *self._listed]),
            positive_offsets=_offsets(self._positives),
            positives=np.concatenate([np.empty(0, np.int64), *self._positives]),
            positive_boxes=np.concatenate([np.empty((0, 4)), *self._boxes]),
        )


def _offsets(
    parts: Sequence[npt.NDArray[np.int32]] | Sequence[npt.NDArray[np.int64]],
) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
