"""Visibility in a scene: keeps the outlines of people and things, and finds what of each is hidden."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.synthetic.drawing.painter import silhouette
from pipeline.datasets.synthetic.drawing.shapes import Part

COARSENESS = 3
"""Side of an outline's cell, in pixels of the picture."""

MARGIN = 0.4
"""How far the outlines reach beyond the picture, as a fraction of its height."""

MOST_BURIED = 0.8
"""Largest hidden share of a new thing; a thing that is hidden more is not added."""


@dataclass(frozen=True)
class _Thing:
    ground: float
    mask: npt.NDArray[np.bool_]
    area: int
    is_person: bool


class Stage:
    """Takes people and things one by one, and refuses those that would hide somebody too much."""

    def __init__(self, width: int, height: int) -> None:
        """Start an empty stage for a picture of `width` x `height` pixels."""
        self._margin = MARGIN * height
        self._size = tuple(round((side + 2 * self._margin) / COARSENESS) for side in (width, height))
        first = round(self._margin / COARSENESS)
        self._inside = (
            slice(first, first + round(height / COARSENESS)),
            slice(first, first + round(width / COARSENESS)),
        )
        self._things: list[_Thing] = []

    def add(self, parts: Sequence[Part], ground: float, min_visible: float, *, is_person: bool) -> bool:
        """Add a person or thing if everybody stays visible enough; return whether it was added.

        Args:
            parts: its parts.
            ground: y of the ground below it; a larger y is nearer to the camera.
            min_visible: smallest visible fraction of each person, the new one included.
            is_person: whether it is a person.
        """
        whole = silhouette(parts, self._size[0], self._size[1], 1 / COARSENESS, self._margin)
        new = _Thing(ground, whole[self._inside], int(np.count_nonzero(whole)), is_person)
        if self._visible(new, new) < (min_visible if is_person else 1 - MOST_BURIED):
            return False
        for thing in self._things:
            touched = thing.is_person and ground >= thing.ground and bool((thing.mask & new.mask).any())
            if touched and self._visible(thing, new) < min_visible:
                return False
        self._things.append(new)
        return True

    def _visible(self, thing: _Thing, new: _Thing) -> float:
        """Return the fraction of a thing that is inside the picture and not hidden by other things."""
        seen = thing.mask.copy()
        for other in [*self._things, new]:
            if other is not thing and other.ground >= thing.ground:
                seen &= ~other.mask
        return float(np.count_nonzero(seen)) / max(1, thing.area)
