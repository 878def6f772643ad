from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from pipeline.reporting import search_figure as module
from pipeline.reporting.search_figure import PADDING, cut_out, search_figure
from pipeline.reporting.shown_queries import shown_queries
from pipeline.reporting.style import BLUE, GREEN, RED
from tests.reporting.cases import fake_detections


@pytest.fixture(scope="module")
def drawn(prepared):
    """Draw the searches of rows that know everybody (`right`), and that mix all people up (`wrong`)."""
    split, images = prepared.split("test"), prepared.images("test")

    def draw(*rows, number=1):
        detections = {row: fake_detections(split, right=row == "right") for row in rows}
        queries = shown_queries(split, detections, "full", search_threshold=0.5, number=number, top=2)
        return search_figure(
            queries, len(split.queries), "full", lambda scene: pixels_of(images[scene].tobytes())
        )

    return draw


def pixels_of(encoded):
    return np.asarray(Image.open(BytesIO(encoded)).convert("RGB"))


def share(pixels, colour):
    """The share of pixels of a colour, below the legend."""
    wanted = np.array(to_rgb(colour)) * 255
    below = pixels[int(module.HEADER * 0.9 * module_dpi()) :]
    return float((np.abs(below - wanted).max(axis=2) < 12).mean())


def module_dpi():
    from pipeline.reporting.style import DPI

    return DPI


def test_the_same_searches_are_the_same_bytes(drawn):
    assert drawn("right", "wrong", number=3) == drawn("right", "wrong", number=3)


def test_no_program_and_no_date_in_the_file(drawn):
    with Image.open(BytesIO(drawn("right"))) as image:
        image.load()
        assert image.format == "PNG"
        assert not {"Software", "Creation Time", "date:create"} & set(image.info)


def test_right_is_green_and_wrong_is_red(drawn):
    right, wrong = pixels_of(drawn("right")), pixels_of(drawn("wrong"))
    assert share(right, GREEN) > 0.01
    assert share(wrong, RED) > 0.01
    assert share(wrong, GREEN) < 0.0005
    assert share(right, BLUE) > 0.005


def test_a_row_more_is_a_line_more(drawn):
    heights = [pixels_of(drawn(*rows)).shape[0] for rows in (("right",), ("right", "wrong"))]
    assert 100 < heights[1] - heights[0] < 150


def test_the_file_is_kept_small(prepared, drawn, monkeypatch):
    whole = len(drawn("right", "wrong", number=3))
    monkeypatch.setattr(module, "LARGEST", whole - 5000)
    small = drawn("right", "wrong", number=3)
    assert len(small) <= whole - 5000
    assert (pixels_of(small)[:5, :5] == 255).all()


def test_a_search_that_finds_no_box_is_drawn(prepared):
    split = prepared.split("test")
    empty = replace(
        fake_detections(split),
        gallery_counts=np.zeros(len(split.scenes), dtype=int),
        gallery_dets=np.zeros((0, 5), dtype=np.float32),
        gallery_feats=np.zeros((0, 8), dtype=np.float32),
    )
    queries = shown_queries(split, {"row": empty}, "full", search_threshold=0.5)
    pixels = pixels_of(
        search_figure(queries, 3, "full", lambda scene: np.full((96, 128, 3), 128, dtype=np.uint8))
    )
    assert share(pixels, GREEN) == share(pixels, RED) == 0


@given(
    st.tuples(st.integers(0, 90), st.integers(0, 60)),
    st.tuples(st.integers(2, 150), st.integers(2, 150)),
    st.floats(1, 3),
    st.sampled_from([0.5, 0.78, 1.0]),
)
def test_a_cut_out_shows_the_box_and_what_is_around_it(corner, size, context, aspect):
    picture = np.random.default_rng(0).integers(0, 200, (80, 120, 3), dtype=np.uint8)
    box = np.array([*corner, *(np.array(corner) + size)], dtype=float)
    cut, inner = cut_out(picture, box, context, aspect)
    assert abs(cut.shape[1] / cut.shape[0] - aspect) <= 1.5 / cut.shape[0]
    left, upper, right, lower = inner.astype(int)
    assert 0 <= left <= right <= cut.shape[1] and 0 <= upper <= lower <= cut.shape[0]
    inside = np.minimum(box, [120, 80, 120, 80]).astype(int)
    seen = cut[upper : upper + inside[3] - inside[1], left : left + inside[2] - inside[0]]
    np.testing.assert_array_equal(seen, picture[inside[1] : inside[3], inside[0] : inside[2]])


def test_a_cut_out_stays_inside_the_picture_where_it_can():
    picture = np.zeros((80, 120, 3), dtype=np.uint8)
    for box in ([0, 0, 20, 40], [100, 40, 120, 80], [50, 20, 70, 60]):
        cut, _ = cut_out(picture, np.array(box, dtype=float), 1.5, 0.8)
        assert (cut == 0).all()
    cut, _ = cut_out(picture, np.array([0.0, 0.0, 120.0, 80.0]), 1.5, 0.8)
    assert (cut == PADDING).any()
