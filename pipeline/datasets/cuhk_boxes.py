"""The boxes of CUHK-SYSU's images, and whom each of them shows."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from pipeline.datasets.checks import Findings, name_problem
from pipeline.scenes.boxes import thin_inside, xywh_to_xyxy
from pipeline.scenes.scene import UNLABELLED, FloatArray, IntArray, Scene

SAME_BOX_PIXELS = 1e-3
"""Largest difference between two annotations of one box: files store them in different number types."""


class BoxesByImage:
    """All images in the order of `Images.mat`, with their boxes (x y w h); nobody is labelled at first.

    Args:
        findings: where problems go.
        size_of: returns width and height of a picture by name; may be infinite.

    Attributes:
        dropped: number of boxes left out because they have no width or no height.
        thin: number of boxes left out because their part inside the image is too thin.
        taken: number of boxes that were labelled again, as another person.
    """

    def __init__(self, findings: Findings, size_of: Callable[[str], tuple[float, float]]) -> None:
        self._findings = findings
        self._size_of = size_of
        self._boxes: dict[str, FloatArray] = {}
        self._ids: dict[str, IntArray] = {}
        self.dropped, self.thin, self.taken = 0, 0, 0

    def __contains__(self, name: str) -> bool:
        return name in self._boxes

    def __iter__(self) -> Iterator[str]:
        return iter(self._boxes)

    def add(self, name: str, boxes: Sequence[FloatArray]) -> None:
        """Add an image with its boxes; those without a usable part inside the image are left out."""
        if name in self._boxes or not name:
            self._findings.problems.append(f"Images.mat: image '{name}' is listed twice or has no name")
            return
        if problem := name_problem(name):
            self._findings.problems.append(f"Images.mat: image {name!r} {problem}")
            return
        xywh = np.array(boxes).reshape(-1, 4)
        sized = (xywh[:, 2:] > 0).all(axis=1)
        self.dropped += int((~sized).sum())
        thin = sized & thin_inside(xywh_to_xyxy(xywh), self._size_of(name))
        self.thin += int(thin.sum())
        kept = sized & ~thin
        self._boxes[name] = xywh[kept]
        self._ids[name] = np.full(int(kept.sum()), UNLABELLED, dtype=np.int64)

    def label(self, name: str, box: FloatArray, person: int) -> bool:
        """Label the first box of an image that equals `box` (SeqNet's rule); return whether there is one."""
        same = (np.abs(self._boxes[name] - box) < SAME_BOX_PIXELS).all(axis=1)
        if not same.any():
            return False
        first = np.argmax(same)
        self.taken += self._ids[name][first] not in (UNLABELLED, person)
        self._ids[name][first] = person
        return True

    def scenes(self, names: Iterable[str]) -> tuple[Scene, ...]:
        """Return images as scenes, with boxes x1 y1 x2 y2."""
        return tuple(Scene(name, xywh_to_xyxy(self._boxes[name]), self._ids[name].copy()) for name in names)
