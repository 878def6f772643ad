from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from pipeline.reporting.curves_figure import StudentCurves, curves_figure
from pipeline.reporting.style import TEACHER_COLOUR, student_colour
from tests.reporting.cases import fake_detections, metrics_of, training

LARGEST = 400_000
CURVE = {"recall": np.linspace(0, 0.9, 20), "precision": np.linspace(1, 0.7, 20)}


@pytest.fixture(scope="module")
def drawn(prepared):
    """Draw students that all reach the same."""
    split = prepared.split("test")
    reached = metrics_of(split, fake_detections(split))

    def draw(*students, curve=CURVE, losses=("total", "identity")):
        curves = {}
        for seed, student in enumerate(students):
            columns = {name: values for name, values in training(seed).items() if name in ("step", *losses)}
            curves[student] = StudentCurves(reached, columns, curve)
        teachers = {"detector": training(7), "re-ID": training(8)}
        return curves_figure(curves, reached, teachers)

    return draw


def has_colour(encoded, colour):
    pixels = np.asarray(Image.open(BytesIO(encoded)).convert("RGB"))
    return bool((np.abs(pixels - np.array(to_rgb(colour)) * 255).max(axis=2) < 3).sum() > 200)


def test_the_same_curves_are_the_same_small_file(drawn):
    first = drawn("baseline", "kd_lut")
    assert first == drawn("baseline", "kd_lut")
    assert [has_colour(first, student_colour(index)) for index in range(4)] == [True, True, False, False]
    assert len(first) < LARGEST
    with Image.open(BytesIO(first)) as image:
        image.load()
        assert "Software" not in image.info


def test_each_student_has_its_colour(drawn):
    many = drawn("a", "b", "c", "d", "e", curve={"recall": np.zeros(0), "precision": np.zeros(0)})
    assert all(has_colour(many, student_colour(index)) for index in range(5))
    assert has_colour(many, TEACHER_COLOUR)


@pytest.mark.filterwarnings("error")
def test_students_that_learn_from_no_identities_have_their_other_curves(drawn):
    assert has_colour(drawn("a", losses=("total",)), student_colour(0))
