"""The boxes of CUHK-SYSU's images, and who is in them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.data.checks import Findings, xywh_to_xyxy
from pipeline.data.scenes.scene import UNLABELLED, FloatArray, IntArray, Scene

SAME_BOX_PIXELS = 1e-3
"""Two annotations of one box agree but for the rounding of the number type they were stored in."""


class BoxesByImage:
    """All images in `Images.mat`'s order, with their boxes (x y w h); nobody is labelled at first.

    Attributes:
        dropped: how many boxes without width or height were left out.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._boxes: dict[str, FloatArray] = {}
        self._ids: dict[str, IntArray] = {}
        self.dropped = 0

    def __contains__(self, name: str) -> bool:
        return name in self._boxes

    def __iter__(self) -> Iterator[str]:
        return iter(self._boxes)

    def add(self, name: str, boxes: Sequence[FloatArray]) -> None:
        """Add an image with its boxes, but for those without width or height."""
        if name in self._boxes or not name:
            self._findings.problems.append(f"Images.mat: image '{name}' stands there twice or has no name")
            return
        rows = np.array(boxes).reshape(-1, 4)
        sized = (rows[:, 2:] > 0).all(axis=1)
        self.dropped += int((~sized).sum())
        self._boxes[name] = rows[sized]
        self._ids[name] = np.full(int(sized.sum()), UNLABELLED, dtype=np.int64)

    def label(self, name: str, box: FloatArray, person: int) -> bool:
        """Give the first box of an image that equals `box` to a person, as SeqNet; tell if there is one."""
        same = (np.abs(self._boxes[name] - box) < SAME_BOX_PIXELS).all(axis=1)
        if not same.any():
            return False
        self._ids[name][np.argmax(same)] = person
        return True

    def scenes(self, names: Iterable[str]) -> tuple[Scene, ...]:
        """Return images as scenes, boxes as x1 y1 x2 y2."""
        return tuple(Scene(name, xywh_to_xyxy(self._boxes[name]), self._ids[name].copy()) for name in names)
