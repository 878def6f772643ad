from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from pipeline.reporting import search_figure as module
from pipeline.reporting.search_figure import search_figure
from pipeline.reporting.shown_queries import shown_queries
from pipeline.reporting.style import BLUE, DPI, GREEN, RED
from tests.reporting.cases import fake_detections


@pytest.fixture(scope="module")
def drawn(prepared):
    """Draw the searches of students that know everybody (`right`), and that mix all people up (`wrong`)."""
    split, images = prepared.split("test"), prepared.images("test")

    def draw(*students, number=1):
        detections = {student: fake_detections(split, right=student == "right") for student in students}
        queries = shown_queries(split, detections, "full", search_threshold=0.5, chosen=range(number), top=2)
        return search_figure(
            queries,
            len(split.queries),
            "full",
            lambda scene: pixels_of(images[scene].tobytes()),
            choice="the first",
            colours=dict.fromkeys(students, "#7570b3"),
        )

    return draw


def pixels_of(encoded):
    return np.asarray(Image.open(BytesIO(encoded)).convert("RGB"))


def share(pixels, colour):
    """The share of pixels of a colour, below the legend."""
    wanted = np.array(to_rgb(colour)) * 255
    below = pixels[int(module.HEADER * 0.9 * DPI) :]
    return float((np.abs(below - wanted).max(axis=2) < 12).mean())


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


def test_a_student_more_is_a_line_more(drawn):
    heights = [pixels_of(drawn(*students)).shape[0] for students in (("right",), ("right", "wrong"))]
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
    chosen = range(len(split.queries))
    queries = shown_queries(split, {"student": empty}, "full", search_threshold=0.5, chosen=chosen)
    grey = np.full((96, 128, 3), 128, dtype=np.uint8)
    colours = {"student": "#7570b3"}
    drawing = search_figure(queries, 3, "full", lambda _scene: grey, choice="all", colours=colours)
    pixels = pixels_of(drawing)
    assert share(pixels, GREEN) == share(pixels, RED) == 0
