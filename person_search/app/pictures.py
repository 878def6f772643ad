"""The picture on the page: its people, where one of them is clicked, and how it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image

from person_search.app.indexed import Place
from person_search.drawing import as_jpeg, with_boxes
from person_search.networks.network import Floats, Picture

MOST_SIDE = 1280
"""Pixels of the picture that is kept for the page."""
NEAR = 0.02
"""A click this far beside a box, in widths of the picture, still means it."""


@dataclass(frozen=True, eq=False)
class QueryPicture:
    """A picture with the people in it.

    Attributes:
        name: what it is called on the page.
        jpeg: the picture as it is drawn into.
        boxes: `[N, 4]` x1 y1 x2 y2, in shares of its width and height.
        scores: `[N]` 0..1, falling.
        embeddings: `[N, D]` of unit length.
        place: where it is in the index; None of an upload.
    """

    name: str
    jpeg: bytes = field(repr=False)
    boxes: Floats
    scores: Floats
    embeddings: Floats
    place: Place | None = None

    @classmethod
    def of(
        cls,
        name: str,
        pixels: Picture,
        boxes: Floats,
        scores: Floats,
        embeddings: Floats,
        place: Place | None = None,
    ) -> "QueryPicture":
        """Make one of a picture `[h, w, 3]` and boxes in its pixels."""
        height, width = pixels.shape[:2]
        image = Image.fromarray(pixels)
        image.thumbnail((MOST_SIDE, MOST_SIDE), reducing_gap=2.0)
        shares = (boxes / [width, height, width, height]).astype(np.float32)
        return cls(name, as_jpeg(image), shares, scores, embeddings, place)

    def sure(self, min_score: float) -> list[int]:
        """Return the numbers, from 0, of the people with at least this score."""
        return np.flatnonzero(self.scores >= np.float32(min_score)).tolist()

    def person_at(self, x: float, y: float, among: Sequence[int]) -> int | None:
        """Return whose box a point is in: of several the smallest, of none the nearest if it is near.

        Args:
            x: 0 at the left edge of the picture, 1 at the right one.
            y: 0 at the upper edge, 1 at the lower one.
            among: numbers of people.
        """
        if not among:
            return None
        boxes = self.boxes[list(among)].astype(np.float64)
        beside = np.maximum(0, np.maximum(boxes[:, :2] - (x, y), (x, y) - boxes[:, 2:])).max(axis=1)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        best = min(range(len(among)), key=lambda one: (beside[one], areas[one]))
        return among[best] if beside[best] <= NEAR else None

    def drawn(self, among: Sequence[int], chosen: int | None) -> bytes:
        """Return the picture as JPEG with the boxes of people, numbered from 1; only the chosen one if any.

        Args:
            among: numbers of people.
            chosen: the number of the one looked for.
        """
        shown = list(among) if chosen is None else [chosen]
        with Image.open(BytesIO(self.jpeg)) as image:
            pixels = np.array(image)
        height, width = pixels.shape[:2]
        boxes = self.boxes[shown] * np.array([width, height, width, height], np.float32)
        return as_jpeg(with_boxes(pixels, boxes, [f"{number + 1}" for number in shown]))
