"""ONNX detectors of every layout: right boxes in pixels of the picture, or one clear line."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from torchvision.ops import nms

from person_search.detectors.description import DEFAULTS, DetectorDescription
from person_search.detectors.loading import load_detector
from person_search.detectors.placing import FILLED, placed
from person_search.detectors.suppression import strongest_boxes
from pipeline.basics.errors import UserError
from tests.person_search.detectors.files import HEIGHT, WIDTH, write_detector

PICTURE = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
"""Twice as large as the input."""
CORNERS = np.array([[4, 8, 20, 40], [30, 6, 44, 42], [31, 7, 45, 42]], np.float32)
"""In pixels of the input; the last two overlap by an IoU of 0.85."""
SCORES = np.array([0.6, 0.9, 0.8], np.float32)
CENTRES = np.concatenate([(CORNERS[:, :2] + CORNERS[:, 2:]) / 2, CORNERS[:, 2:] - CORNERS[:, :2]], axis=1)
ROOM = 9
"""Places of a YOLO file, most of which are empty."""


def padded(rows):
    result = np.zeros((ROOM, rows.shape[1]), np.float32)
    result[: len(rows)] = rows
    return result


def logit(p):
    return np.log(p / (1 - p))


def with_other_class(scores):
    """Class scores `[N, 2]`: those of something else, then those of people."""
    return np.stack([1 - scores, scores], axis=1)


LAYOUTS = {
    "boxes_scores": ({"boxes": CORNERS, "scores": SCORES}, {"nms": 0.7}),
    "boxes_scores with a batch, fractions, labels": (
        {
            "boxes": CORNERS[None] / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32),
            "scores": np.append(SCORES, 0.95)[None, :3].astype(np.float32),
            "labels": np.array([[1, 1, 1]]),
        },
        {"layout": "boxes_scores", "units": "fractions", "person": 1, "nms": 0.7},
    ),
    "yolo": (
        {"output0": padded(np.concatenate([CENTRES, with_other_class(SCORES)], axis=1)).T[None]},
        {"person": 1, "fit": "stretch"},
    ),
    "yolov5": (
        {
            "output0": padded(
                np.concatenate([CENTRES, np.full((3, 1), 0.5), with_other_class(SCORES)], axis=1)
            )[None]
        },
        {"person": 1, "fit": "stretch", "nms": 0.7},
    ),
    "detr": (
        {
            "logits": np.log(np.stack([SCORES, 1 - SCORES], axis=1))[None],
            "pred_boxes": (CENTRES / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT]))[None].astype(np.float32),
        },
        {"person": 0, "nms": 0.7},
    ),
    "detr with a sigmoid": (
        {
            "out_a": logit(SCORES)[None, :, None],
            "out_b": (CENTRES / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT]))[None].astype(np.float32),
        },
        {
            "layout": "detr",
            "scores": "sigmoid",
            "nms": 0.7,
            "outputs": {"logits": "out_a", "pred_boxes": "out_b"},
        },
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_each_layout_gives_the_boxes(case, tmp_path):
    outputs, described = LAYOUTS[case]
    path = write_detector(tmp_path / "d.onnx", outputs, described={"layout": case} | described)
    detector = load_detector(path)
    found = detector.detect(PICTURE, 0.25)
    factor = 0.5 if case == "yolov5" else 1.0
    np.testing.assert_allclose(found.boxes, 2 * CORNERS[[1, 0]], atol=1e-3)
    np.testing.assert_allclose(found.scores, factor * SCORES[[1, 0]], atol=1e-5)
    assert len(detector.detect(PICTURE, 0.7 * factor).scores) == 1
    assert len(detector.detect(PICTURE, 0.95).boxes) == 0


def test_labels_of_others_are_nobody(tmp_path):
    outputs = {"boxes": CORNERS, "scores": SCORES, "labels": np.array([7, 0, 7])}
    path = write_detector(tmp_path / "d.onnx", outputs, described={"layout": "boxes_scores", "person": 7})
    assert load_detector(path).detect(PICTURE, 0.1).scores.tolist() == pytest.approx([0.8, 0.6])


@pytest.mark.parametrize(
    ("described", "seen"),
    [
        ({}, [0.2, 0.4, 0.6]),
        ({"channels": "bgr"}, [0.6, 0.4, 0.2]),
        ({"channels": "bgr", "scale": 0.5}, [0.3, 0.2, 0.1]),
        ({"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 1.0]}, [0.1, 0.1, 0.3]),
    ],
)
def test_it_is_fed_as_the_yaml_says(described, seen, tmp_path):
    """The scores are the means of the input's channels."""
    path = write_detector(
        tmp_path / "d.onnx",
        {"boxes": CORNERS},
        means="scores",
        described={"layout": "boxes_scores", **described},
    )
    picture = np.full((HEIGHT, WIDTH, 3), [51, 102, 153], np.uint8)
    found = load_detector(path).detect(picture, 0.0)
    by_channel = {tuple(box): score for box, score in zip(found.boxes.tolist(), found.scores, strict=True)}
    assert [by_channel[tuple(box)] for box in CORNERS.tolist()] == pytest.approx(seen, abs=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.UINT8])
def test_other_number_types_and_sizes_that_are_not_fixed(kind, tmp_path):
    path = write_detector(
        tmp_path / "d.onnx",
        {"boxes": CORNERS, "scores": SCORES},
        shape=("b", 3, "h", "w"),
        kind=kind,
        described={"layout": "boxes_scores", "height": HEIGHT, "width": WIDTH, "scale": 255.0},
    )
    assert len(load_detector(path).detect(PICTURE, 0.1).scores) == 3


def description(**changes):
    return DetectorDescription(layout="yolo", **{**DEFAULTS["yolo"], **changes})


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["stretch", "letterbox"]))
@settings(max_examples=40, deadline=None)
def test_boxes_come_back_to_where_they_were(height, width, fit):
    picture = np.full((height, width, 3), 200, np.uint8)
    values, placement = placed(picture, description(fit=fit), (HEIGHT, WIDTH))
    assert values.shape == (1, 3, HEIGHT, WIDTH)
    shown = np.argwhere(values[0, 0] > (FILLED + 1) / 255)
    (top, left), (bottom, right) = shown.min(axis=0), shown.max(axis=0) + 1
    inner = np.array([[left, top, right, bottom]], np.float32)
    np.testing.assert_allclose(placement.in_picture(inner), [[0, 0, width, height]], atol=1e-3)
    if fit == "stretch":
        assert inner.tolist() == [[0, 0, WIDTH, HEIGHT]]
    else:
        assert right - left == WIDTH or bottom - top == HEIGHT


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.301, 0.501, 1.0]))
@settings(max_examples=40, deadline=None)
def test_suppression_is_torchvisions(seed, threshold):
    random = np.random.default_rng(seed)
    corner = random.integers(0, 30, (20, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + random.integers(5, 30, (20, 2))], axis=1).astype(np.float32)
    scores = random.permutation(20).astype(np.float32) / 20
    wanted = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert strongest_boxes(boxes, scores, threshold).tolist() == wanted.tolist()
    assert strongest_boxes(boxes, scores, None).tolist() == np.argsort(-scores).tolist()
    assert strongest_boxes(boxes[:0], scores[:0], threshold).tolist() == []


FINE = {"boxes": CORNERS, "scores": SCORES}
PLAIN = {"layout": "boxes_scores"}


@pytest.mark.parametrize(
    ("outputs", "described", "says"),
    [
        (
            FINE,
            None,
            r"d.yaml is missing, which says how .*d.onnx is fed and read, for instance `layout: yolo`",
        ),
        (FINE, {"layout": "ssd"}, r"d.yaml: `layout` must be one of boxes_scores, yolo, yolov5, detr"),
        (FINE, [1], r"d.yaml: `layout` must be one of"),
        (FINE, PLAIN | {"nmss": 1}, r"d.yaml: unknown parameter 'nmss'; known here: boxes, channels,"),
        (FINE, PLAIN | {"mean": [1.0]}, r"parameter 'mean'"),
        (FINE, PLAIN | {"height": 100}, r"has an input of height 48, its YAML says 100"),
        (
            FINE,
            PLAIN | {"outputs": {"logits": "a"}},
            r"outputs.logits: layout boxes_scores has boxes, scores",
        ),
        (
            FINE,
            PLAIN | {"outputs": {"boxes": "b"}},
            r"has no output b, but boxes, scores; name it in its YAML",
        ),
        (FINE, {"layout": "yolo"}, r"layout yolo needs \[1, 4 \+ C, N\], but the file gives \[3, 4\]"),
        (FINE, {"layout": "detr"}, r"has no output logits, but boxes, scores"),
        (
            {"o": np.zeros((1, 9, 6), np.float32)},
            {"layout": "yolo"},
            r"gives \[1, 9, 6\], which looks turned: is its layout yolov5\?",
        ),
        (
            {"o": np.zeros((1, 6, 9), np.float32)},
            {"layout": "yolov5"},
            r"gives \[1, 6, 9\], which looks turned: is its layout yolo\?",
        ),
        (
            {"o": np.zeros((1, 84, 100), np.float32)},
            {"layout": "yolo"},
            r"has 80 classes: `person` in its YAML must say which one people are",
        ),
        (
            {"o": np.zeros((1, 6, 100), np.float32)},
            {"layout": "yolo", "person": 2},
            r"has 2 classes, so `person: 2` in its YAML is none of them",
        ),
        (
            {"logits": np.zeros((1, 5, 2), np.float32), "pred_boxes": np.zeros((1, 4, 4), np.float32)},
            {"layout": "detr", "person": 0},
            r"needs logits \[1, Q, C\] and pred_boxes \[1, Q, 4\], but the file gives logits \[1, 5, 2\] and",
        ),
        (
            {"boxes": CORNERS, "scores": SCORES[:2]},
            PLAIN,
            r"needs boxes \[N, 4\] and scores \[N\] or \[N, C\], but the file gives boxes \[3, 4\] and",
        ),
        ({"boxes": CORNERS, "scores": SCORES * np.float32(np.nan)}, PLAIN, r"scores that are not finite"),
        (
            FINE | {"labels": np.array([1, 1, 1])},
            PLAIN,
            r"has labels: `person` in its YAML must say which one",
        ),
    ],
)
def test_what_is_wrong_is_one_line(outputs, described, says, tmp_path):
    path = write_detector(tmp_path / "d.onnx", outputs, described=described)
    with pytest.raises(UserError, match=says) as error:
        load_detector(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, 1, HEIGHT, WIDTH), r"its input image is \[1, 1, 48, 64\], not \[1, 3, height, width\]"),
        ((1, 3, "h", WIDTH), r"takes pictures of any height: its YAML must say `height`"),
        ((HEIGHT, WIDTH, 3), r"not \[1, 3, height, width\]"),
    ],
)
def test_an_input_that_is_no_picture_is_one_line(shape, says, tmp_path):
    with pytest.raises(UserError, match=says):
        load_detector(write_detector(tmp_path / "d.onnx", FINE, described=PLAIN, shape=shape))


def test_files_that_are_no_detector(tmp_path):
    with pytest.raises(UserError, match="no detector at"):
        load_detector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "text.yaml").write_text("layout: yolo")
    with pytest.raises(UserError, match="is not a readable ONNX model"):
        load_detector(tmp_path / "text.onnx")
    with pytest.raises(UserError, match=r"text.yaml is a text; give weights of a detector or a student"):
        load_detector(tmp_path / "text.yaml")


def test_another_yaml_is_another_detector(tmp_path):
    path = write_detector(tmp_path / "d.onnx", FINE, described=PLAIN)
    first = load_detector(path).file_hash
    assert load_detector(path).files == (path, tmp_path / "d.yaml")
    assert load_detector(path).file_hash == first
    (tmp_path / "d.yaml").write_text("layout: boxes_scores\nnms: 0.5\n")
    assert load_detector(path).file_hash != first
