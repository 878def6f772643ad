"""Looking at a wide picture piece by piece, since a detector that makes it small misses small people."""

import math

import numpy as np

from person_search.detectors.detector import FoundBoxes, PeopleDetector
from person_search.detectors.suppression import strongest_boxes
from person_search.networks.network import Picture

OVERLAP = 0.25
"""The share of a tile's width that the next tile shows, too."""
CUT = 2.0
"""Pixels from a tile's inner edge within which a box that reaches there is taken to be cut by it."""
MOST_OVERLAP = 0.45
"""Of two boxes from different tiles with a higher IoU, the surer one is kept."""


class TiledDetector:
    """A detector that looks at the whole picture, and at tiles of it side by side; a `PeopleDetector`.

    Tiles overlap. Boxes that an inner edge cuts are left out: the next tile or the whole picture has them.
    """

    def __init__(self, detector: PeopleDetector, tiles: int) -> None:
        """Let a detector look at `tiles` tiles, two or more, beside the whole picture."""
        self._detector, self._tiles = detector, tiles
        self.files, self.file_hash = detector.files, detector.file_hash

    def detect(self, picture: Picture, least: float) -> FoundBoxes:
        """Find the people in a picture; see `PeopleDetector`."""
        width = picture.shape[1]
        found = [self._detector.detect(picture, least)]
        for left, right in tile_edges(width, self._tiles):
            own = self._detector.detect(picture[:, left:right], least)
            x1, x2 = own.boxes[:, 0] + left, own.boxes[:, 2] + left
            whole = ((x1 > left + CUT) | (left == 0)) & ((x2 < right - CUT) | (right == width))
            moved = own.boxes + np.array([left, 0, left, 0], dtype=np.float32)
            found.append(FoundBoxes(moved[whole], own.scores[whole]))
        boxes = np.concatenate([own.boxes for own in found])
        scores = np.concatenate([own.scores for own in found])
        kept = strongest_boxes(boxes, scores, MOST_OVERLAP)
        return FoundBoxes(boxes[kept], scores[kept])


def tile_edges(width: int, tiles: int) -> list[tuple[int, int]]:
    """Return the left and right edge, in pixels, of tiles that cover a width and have one size."""
    size = math.ceil(width / (tiles - (tiles - 1) * OVERLAP))
    lefts = [round(place * (width - size) / (tiles - 1)) for place in range(tiles)]
    return [(left, left + size) for left in lefts]
