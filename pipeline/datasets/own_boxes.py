"""Boxes of a user's own annotations, cut to their picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.datasets.checks import Findings, some
from pipeline.scenes.boxes import MIN_SIDE, box_text, clip_boxes, outside, too_thin, xywh_to_xyxy
from pipeline.scenes.scene import FloatArray


@dataclass
class BoxCutter:
    """Cuts boxes to their pictures, and counts what it does for one note each.

    Attributes:
        findings: where boxes outside their picture go, as problems.
        may_lie_outside: leave them out instead: annotations of tracks go on where people leave the picture.
        cut: boxes that reached over an edge.
        empty: the places of boxes without width or height, which are left out.
        thin: those of boxes too thin inside their picture, which are left out.
        gone: boxes outside their picture that are left out.
    """

    findings: Findings
    may_lie_outside: bool = False
    cut: int = 0
    empty: list[str] = field(default_factory=list)
    thin: list[str] = field(default_factory=list)
    gone: int = 0

    def __call__(
        self, boxes: FloatArray, size: tuple[float, float], where: Sequence[str]
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return the boxes `[K, 4]` x1 y1 x2 y2 that are kept, and `[N]` which these are.

        Width and height are added to the corner before the box is cut: cut first, a negative corner would
        move the opposite one.

        Args:
            boxes: `[N, 4]` x y w h in pixels, finite.
            size: width and height of the picture; may be infinite.
            where: `[N]` the place of each box, for messages.
        """
        corners = xywh_to_xyxy(boxes)
        sized = (np.asarray(boxes).reshape(-1, 4)[:, 2:] > 0).all(axis=1)
        gone = sized & outside(corners, size)
        if self.may_lie_outside:
            self.gone += int(gone.sum())
        else:
            self.findings.problems += [
                f"{where[index]}: box {box_text(corners[index])} lies outside its image of "
                f"{size[0]:g} x {size[1]:g}"
                for index in np.flatnonzero(gone).tolist()
            ]
        inside = clip_boxes(corners, size)
        kept = sized & ~too_thin(inside)
        self.cut += int(((inside != corners).any(axis=1) & kept).sum())
        self.empty += [where[index] for index in np.flatnonzero(~sized).tolist()]
        self.thin += [where[index] for index in np.flatnonzero(sized & ~gone & ~kept).tolist()]
        return inside[kept], kept

    def note(self) -> None:
        """Add the counts to the findings."""
        self.findings.note_count(self.cut, "boxes reach over their image's edge and were cut")
        self.findings.note_count(self.gone, "boxes outside their image left out")
        self.findings.warn_count(
            len(self.empty), f"boxes without width or height left out: {some(self.empty)}"
        )
        self.findings.warn_count(
            len(self.thin),
            f"boxes thinner than {MIN_SIDE:g} pixels inside their image left out: {some(self.thin)}",
        )


def ignored_inside(boxes: FloatArray, size: tuple[float, float]) -> FloatArray:
    """Return the parts `[K, 4]` x1 y1 x2 y2 of ignored boxes `[N, 4]` x y w h that are inside a picture."""
    inside = clip_boxes(xywh_to_xyxy(boxes), size)
    return inside[~too_thin(inside)]
