"""Cutting a box out of a picture."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.crops import crop_jpeg
from pipeline.scenes.boxes import pixels_of

coordinates = st.floats(-30, 130, allow_nan=False)


@given(x1=coordinates, y1=coordinates, width=st.floats(1e-17, 80), height=st.floats(1e-17, 80))
def test_pixels_are_inside_and_at_least_one(x1, y1, width, height):
    left, top, right, bottom = pixels_of(np.array([x1, y1, x1 + width, y1 + height]), 100, 60)
    assert 0 <= left < right <= 100
    assert 0 <= top < bottom <= 60


@given(left=st.integers(0, 90), top=st.integers(0, 50), width=st.integers(1, 10), height=st.integers(1, 10))
def test_whole_pixels_are_kept_and_parts_of_one_too(left, top, width, height):
    box = np.array([left, top, left + width, top + height], dtype=float)
    assert pixels_of(box, 100, 60) == (left, top, left + width, top + height)
    inner = box + np.array([0.25, 0.25, -0.25, -0.25])
    assert pixels_of(inner, 100, 60) == (left, top, left + width, top + height)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_crop_shows_the_box(mode):
    pixels = np.full((60, 100), 20, dtype=np.uint8)
    pixels[10:40, 30:50] = 220
    encoded = crop_jpeg(Image.fromarray(pixels).convert(mode), np.array([30.0, 10.0, 50.0, 40.0]))
    with Image.open(BytesIO(encoded)) as crop:
        assert (crop.format, crop.size) == ("JPEG", (20, 30))
        assert np.asarray(crop).min() > 210
