"""The boxes of CUHK-SYSU's images, and who is in them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from pipeline.datasets.checks import Findings, thin_inside, xywh_to_xyxy
from pipeline.datasets.picture_names import name_problem
from pipeline.scenes.scene import UNLABELLED, FloatArray, IntArray, Scene

SAME_BOX_PIXELS = 1e-3
"""Two annotations of one box agree but for the rounding of the number type they were stored in."""


class BoxesByImage:
    """All images in `Images.mat`'s order, with their boxes (x y w h); nobody is labelled at first.

    Args:
        findings: where problems go.
        size_of: width and height of a picture by name; may be infinite.

    Attributes:
        dropped: how many boxes without width or height were left out.
        thin: how many more were left out since too thin a part of them is inside their image.
        taken: how many boxes were given to a person while another one had them.
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
        """Add an image with its boxes, but for those without width or height inside it."""
        if name in self._boxes or not name:
            self._findings.problems.append(f"Images.mat: image '{name}' stands there twice or has no name")
            return
        if problem := name_problem(name):
            self._findings.problems.append(f"Images.mat: image {name!r} {problem}")
            return
        rows = np.array(boxes).reshape(-1, 4)
        sized = (rows[:, 2:] > 0).all(axis=1)
        self.dropped += int((~sized).sum())
        thin = sized & thin_inside(xywh_to_xyxy(rows), self._size_of(name))
        self.thin += int(thin.sum())
        kept = sized & ~thin
        self._boxes[name] = rows[kept]
        self._ids[name] = np.full(int(kept.sum()), UNLABELLED, dtype=np.int64)

    def label(self, name: str, box: FloatArray, person: int) -> bool:
        """Give the first box of an image that equals `box` to a person, as SeqNet; tell if there is one."""
        same = (np.abs(self._boxes[name] - box) < SAME_BOX_PIXELS).all(axis=1)
        if not same.any():
            return False
        first = np.argmax(same)
        self.taken += self._ids[name][first] not in (UNLABELLED, person)
        self._ids[name][first] = person
        return True

    def scenes(self, names: Iterable[str]) -> tuple[Scene, ...]:
        """Return images as scenes, boxes as x1 y1 x2 y2."""
        return tuple(Scene(name, xywh_to_xyxy(self._boxes[name]), self._ids[name].copy()) for name in names)
