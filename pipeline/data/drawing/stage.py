"""Which parts of whom are hidden: keeps the outlines of all that stands in a scene."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.drawing.painter import silhouette
from pipeline.data.drawing.shapes import Part

COARSENESS = 3
"""Pixels of the picture a cell of the outlines, along each axis."""

MARGIN = 0.4
"""How far the outlines reach beyond the picture, as a fraction of its height."""

MOST_BURIED = 0.8
"""Share of a new thing that may be hidden; what is hidden more is not worth its place."""


@dataclass(frozen=True)
class _Thing:
    ground: float
    mask: npt.NDArray[np.bool_]
    area: int
    is_person: bool


class Stage:
    """Takes things one by one, as long as every person stays visible enough."""

    def __init__(self, width: int, height: int, min_visible: float) -> None:
        """Start an empty stage.

        Args:
            width: of the picture in pixels.
            height: likewise.
            min_visible: smallest visible fraction of a person.
        """
        self._margin = MARGIN * height
        self._size = tuple(round((side + 2 * self._margin) / COARSENESS) for side in (width, height))
        first = round(self._margin / COARSENESS)
        self._inside = (
            slice(first, first + round(height / COARSENESS)),
            slice(first, first + round(width / COARSENESS)),
        )
        self._min_visible = min_visible
        self._things: list[_Thing] = []

    def add(self, parts: Sequence[Part], ground: float, is_person: bool) -> bool:
        """Add a thing if everybody then is visible enough; return whether it was added."""
        whole = silhouette(parts, self._size[0], self._size[1], 1 / COARSENESS, self._margin)
        new = _Thing(ground, whole[self._inside], int(np.count_nonzero(whole)), is_person)
        if not is_person and np.count_nonzero(new.mask) == 0:
            return False
        for thing in [*self._things, new]:
            hidden_by_new = thing is not new and ground >= thing.ground
            if thing.is_person and (thing is new or hidden_by_new):
                limit = self._min_visible
            elif thing is new:
                limit = 1 - MOST_BURIED
            else:
                continue
            if self._visible(thing, new) < limit:
                return False
        self._things.append(new)
        return True

    def _visible(self, thing: _Thing, new: _Thing) -> float:
        """Return the fraction of a thing that neither the others nor the picture's border hide."""
        seen = thing.mask.copy()
        for other in [*self._things, new]:
            if other is not thing and other.ground >= thing.ground:
                seen &= ~other.mask
        return float(np.count_nonzero(seen)) / max(1, thing.area)
