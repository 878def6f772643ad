from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import box_pairs
from pipeline.evaluation.detection import detection_curve, detection_metrics
from pipeline.evaluation.scene_boxes import SceneBoxes, detected_boxes
from pipeline.scenes.scene import Scene
from tests.evaluation.cases import permuted, random_case
from tests.evaluation.slow_reference import detection

SEEDS = st.integers(0, 2**32 - 1)


def boxes_in_one_scene(boxes, scores):
    rows = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return SceneBoxes(
        np.array([0, len(rows)]), rows, np.array(scores, dtype=np.float32), np.empty((len(rows), 0))
    )


def one_scene(boxes, ids=None):
    rows = np.array(boxes, dtype=float).reshape(-1, 4)
    return [Scene("s.jpg", rows, np.array(ids if ids is not None else [0] * len(rows), dtype=np.int64))]


@given(SEEDS, st.booleans(), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.5, 0.7]))
@settings(max_examples=60, deadline=None)
def test_it_is_the_plain_loops(seed, tied, threshold, match_iou):
    split, detections = random_case(seed, tied=tied)
    got = detection_metrics(split.scenes, detected_boxes(split, detections), threshold, match_iou)
    every = detection(split, detections, threshold, labelled_only=False, match_iou=match_iou)
    labelled = detection(split, detections, threshold, labelled_only=True, match_iou=match_iou)
    wanted = every | {f"{key}_labelled": value for key, value in labelled.items()}
    assert got == pytest.approx(wanted, abs=1e-12)
    assert all(0.0 <= value <= 1.0 for value in got.values())


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_the_order_of_images_and_boxes_changes_nothing(seed):
    split, detections = random_case(seed)
    other = permuted(detections, np.random.default_rng(seed))
    got = [detection_metrics(split.scenes, detected_boxes(split, d), 0.3) for d in (detections, other)]
    assert got[0] == pytest.approx(got[1], abs=1e-12)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_pairs_by_blocks_are_the_pairs(seed):
    split, detections = random_case(seed)
    found = detected_boxes(split, detections)
    whole = detection_metrics(split.scenes, found, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_pairs, "PAIRS_AT_ONCE", 2)
        assert detection_metrics(split.scenes, found, 0.0) == whole


def test_average_precision_never_exceeds_recall():
    for seed in range(20):
        split, detections = random_case(seed)
        got = detection_metrics(split.scenes, detected_boxes(split, detections), 0.0)
        assert got["ap"] <= got["recall"] + 1e-12


def test_perfect_detections():
    boxes = [[0, 0, 10, 20], [30, 0, 50, 40]]
    got = detection_metrics(one_scene(boxes), boxes_in_one_scene(boxes, [0.9, 0.8]), 0.5)
    assert set(got.values()) == {1.0}


def test_an_iou_of_one_half_is_enough():
    scene, found = one_scene([[0, 0, 20, 20]]), boxes_in_one_scene([[0, 0, 10, 20]], [0.9])
    assert detection_metrics(scene, found, 0.5)["recall"] == 1.0


def test_a_match_must_be_the_best_for_both():
    scene = one_scene([[0, 0, 20, 20]])
    found = boxes_in_one_scene([[0, 0, 20, 18], [0, 0, 20, 19]], [0.9, 0.8])
    got = detection_metrics(scene, found, 0.5)
    assert got["recall"] == 1.0
    assert got["ap"] == 0.5


def test_scenes_without_labelled_people_are_left_out_of_the_labelled_figures():
    scenes = [*one_scene([[0, 0, 20, 20]]), *one_scene([[0, 0, 20, 20]], [-1])]
    found = SceneBoxes(
        np.array([0, 1, 2]), np.array([[0, 0, 20, 20.0]] * 2), np.array([0.8, 0.9]), np.empty((2, 0))
    )
    got = detection_metrics(scenes, found, 0.5)
    assert got == {"ap": 1.0, "recall": 1.0, "ap_labelled": 1.0, "recall_labelled": 1.0}


def test_a_score_equal_to_the_threshold_in_its_own_width_is_kept():
    scene, found = one_scene([[0, 0, 20, 20]]), boxes_in_one_scene([[0, 0, 20, 20]], [0.01])
    assert detection_metrics(scene, found, 0.01)["recall"] == 1.0
    assert detection_metrics(scene, found, 0.011)["recall"] == 0.0


@pytest.mark.parametrize("truth", [[], [[0, 0, 20, 20]]])
@pytest.mark.parametrize("found", [[], [[0, 0, 20, 20]]])
def test_nothing_there(truth, found):
    got = detection_metrics(one_scene(truth), boxes_in_one_scene(found, [0.9] * len(found)), 0.5)
    assert set(got.values()) == {1.0 if truth and found else 0.0}


def test_no_scene():
    got = detection_metrics(
        (), SceneBoxes(np.array([0]), np.empty((0, 4)), np.empty(0), np.empty((0, 0))), 0.5
    )
    assert set(got.values()) == {0.0}


def test_the_curve_ends_at_the_recall():
    split, detections = random_case(5, scenes=30)
    found = detected_boxes(split, detections)
    curve = detection_curve(split.scenes, found, 0.2)
    metrics = detection_metrics(split.scenes, found, 0.2)
    assert curve.recall[-1] == pytest.approx(metrics["recall"])
    area = float((np.diff(curve.recall, prepend=0.0) * curve.precision).sum())
    assert area == pytest.approx(metrics["ap"])


def test_float32_and_float64_dumps_agree():
    split, detections = random_case(11, scenes=30, tied=True)
    narrow = replace(detections, gallery_dets=detections.gallery_dets.astype(np.float32))
    wide = replace(narrow, gallery_dets=narrow.gallery_dets.astype(np.float64))
    got = [detection_metrics(split.scenes, detected_boxes(split, d), 0.25) for d in (narrow, wide)]
    assert got[0] == pytest.approx(got[1], abs=1e-12)
