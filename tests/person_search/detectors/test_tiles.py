"""A detector that looks at tiles: every person once, whole, where it is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search.detectors.detector import FoundBoxes
from person_search.detectors.tiles import OVERLAP, TiledDetector, tile_edges

HEIGHT = 40


class Columns:
    """Finds each run of columns of one colour, with the colour as the score, if it is not too small to see.

    Args:
        least_share: the smallest share of the picture's width that it sees.
    """

    files = ()
    file_hash = "abc"

    def __init__(self, least_share=0.0):
        self._least_share = least_share

    def detect(self, picture, least):
        row = picture[0, :, 0].astype(int)
        boxes, scores = [], []
        for value in set(row.tolist()) - {0}:
            places = np.flatnonzero(row == value)
            if value / 255 >= least and len(places) >= self._least_share * len(row):
                boxes.append([places[0], 0, places[-1] + 1, HEIGHT])
                scores.append(value / 255)
        order = np.argsort(-np.array(scores))
        rows = np.array(boxes, np.float32).reshape(-1, 4)
        return FoundBoxes(rows[order], np.array(scores, np.float32)[order])


def with_people(width, people):
    pixels = np.zeros((HEIGHT, width, 3), np.uint8)
    for number, (left, right) in enumerate(people):
        pixels[:, left:right] = 255 - number
    return pixels


@given(st.integers(8, 3000), st.integers(2, 6))
def test_tiles_cover_the_width_and_overlap(width, tiles):
    edges = tile_edges(width, tiles)
    assert (edges[0][0], edges[-1][1], len(edges)) == (0, width, tiles)
    assert len({right - left for left, right in edges}) == 1
    for (_, right), (left, end) in pairwise(edges):
        assert right - left >= OVERLAP * (end - left) - 2


PEOPLE = [(0, 10), (100, 118), (205, 220), (290, 300)]
"""One at each edge of the picture, and where tiles meet."""


@pytest.mark.parametrize("tiles", [2, 3, 5])
def test_each_person_is_found_once_and_whole(tiles):
    picture = with_people(300, PEOPLE)
    found = TiledDetector(Columns(), tiles).detect(picture, 0.0)
    assert [tuple(box) for box in found.boxes[:, [0, 2]].astype(int).tolist()] == PEOPLE
    assert np.all(np.diff(found.scores) < 0)


def test_small_people_are_found_in_tiles_alone():
    picture, detector = with_people(300, PEOPLE), Columns(least_share=0.07)
    assert detector.detect(picture, 0.0).scores.tolist() == []
    assert len(TiledDetector(detector, 3).detect(picture, 0.0).scores) == len(PEOPLE)
    assert len(TiledDetector(detector, 3).detect(picture, 254.5 / 255).scores) == 1


def test_a_large_person_is_found_in_the_whole_picture():
    picture = with_people(300, [(20, 280)])
    found = TiledDetector(Columns(), 3).detect(picture, 0.0)
    assert found.boxes.tolist() == [[20, 0, 280, HEIGHT]]
