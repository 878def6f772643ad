"""The colour histogram against Python's own HSV, a pixel at a time."""

import colorsys

import numpy as np
import torch

from pipeline.inference.teachers.colour_histogram import BINS, STRIPES, colour_histogram

HEIGHT, WIDTH = 12, 5


def by_hand(crop):
    stripes = np.zeros((STRIPES, *BINS))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            values = colorsys.rgb_to_hsv(*crop[:, y, x].tolist())
            place = tuple(min(int(v * n), n - 1) for v, n in zip(values, BINS, strict=True))
            stripes[y * STRIPES // HEIGHT][place] += STRIPES / (HEIGHT * WIDTH)
    return np.sqrt(stripes).ravel()


def test_it_is_the_histogram_of_each_stripe():
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, HEIGHT, WIDTH)) / 255)
    crops[1] = crops[1, :1]  # grey
    crops[2] = 0.0
    crops[3] = 1.0
    found = colour_histogram(crops)
    np.testing.assert_allclose(found, np.stack([by_hand(crop) for crop in crops]), atol=1e-6)
    np.testing.assert_allclose(found.norm(dim=1), STRIPES**0.5, atol=1e-5)


def test_crops_do_not_see_one_another():
    crops = torch.rand(3, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([colour_histogram(crop[None]) for crop in crops])
    np.testing.assert_array_equal(colour_histogram(crops), alone)
