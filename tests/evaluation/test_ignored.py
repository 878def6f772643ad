"""Ignored boxes in the detection metrics: what lies on one and matches no person does not count."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.coco import coco_average_precision
from pipeline.evaluation.detection import detection_curve, detection_metrics
from pipeline.evaluation.ignored import on_ignored
from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.scenes.scene import Scene
from tests.evaluation.cases import random_case
from tests.evaluation.slow_reference import detection
from tests.evaluation.test_coco import IOUS, pycocotools_ap
from tests.evaluation.test_detection import boxes_in_one_scene, one_scene

SEEDS = st.integers(0, 2**32 - 1)


def with_ignored(split, seed):
    """The split with 0 to 3 ignored boxes in each scene."""
    random = np.random.default_rng(seed)

    def drawn():
        corner = random.integers(0, 60, (int(random.integers(0, 4)), 2))
        return np.concatenate([corner, corner + random.integers(5, 70, corner.shape)], axis=1).astype(float)

    return replace(split, scenes=tuple(replace(scene, ignored=drawn()) for scene in split.scenes))


def plainly_on_ignored(scenes, found, threshold):
    result = []
    for row, (x1, y1, x2, y2) in enumerate(found.boxes.tolist()):
        shares = [
            max(0.0, min(x2, right) - max(x1, left)) * max(0.0, min(y2, bottom) - max(y1, top))
            for left, top, right, bottom in scenes[found.scene_of[row]].ignored.tolist()
        ]
        result.append(any(share > 0 and share / ((x2 - x1) * (y2 - y1)) >= threshold for share in shares))
    return result


@given(SEEDS, st.sampled_from(IOUS))
@settings(max_examples=30, deadline=None)
def test_it_is_the_plain_rule(seed, threshold):
    split, detections = random_case(seed)
    split, found = with_ignored(split, seed), detected_boxes(split, detections)
    assert on_ignored(split.scenes, found, threshold).tolist() == plainly_on_ignored(
        split.scenes, found, threshold
    )


@given(SEEDS, st.booleans())
@settings(max_examples=30, deadline=None)
def test_it_is_the_crowd_of_pycocotools(seed, tied):
    split, detections = random_case(seed, tied=tied, scenes=12)
    split = with_ignored(split, seed)
    found = detected_boxes(split, detections)
    if len(found.scores) and any(len(scene.boxes) for scene in split.scenes):
        got = coco_average_precision(split.scenes, found, IOUS)
        assert got == pytest.approx(pycocotools_ap(split.scenes, found), abs=1e-9)


@given(SEEDS, st.sampled_from([0.0, 0.5]))
@settings(max_examples=30, deadline=None)
def test_the_fields_metrics_are_the_plain_loops(seed, threshold):
    split, detections = random_case(seed)
    split = with_ignored(split, seed)
    got = detection_metrics(split.scenes, detected_boxes(split, detections), threshold)
    wanted = detection(split, detections, threshold, labelled_only=False)
    assert [got["ap"], got["recall"]] == pytest.approx([wanted["ap"], wanted["recall"]], abs=1e-12)


def test_neither_right_nor_wrong():
    """A person, a detection on it, and a better one on an ignored box: as if that were not there."""
    person, crowd = [0.0, 0, 20, 40], [100.0, 0, 200, 100]
    found = boxes_in_one_scene([person, [110, 10, 120, 30], [95, 0, 104, 9]], [0.6, 0.9, 0.1])
    plain, marked = one_scene([person]), [replace(one_scene([person])[0], ignored=np.array([crowd]))]
    for scenes, ap in ((plain, 0.5), (marked, 1.0)):
        assert detection_metrics(scenes, found, 0.0)["ap"] == pytest.approx(ap)
        assert detection_metrics(scenes, found, 0.0)["ap_labelled"] == pytest.approx(ap)
        assert coco_average_precision(scenes, found, [0.5]) == pytest.approx([ap])
    assert detection_curve(marked, found, 0.0).threshold.tolist() == pytest.approx([0.6, 0.1])


def test_a_person_within_a_crowd_counts():
    person = [110.0, 10, 130, 50]
    scene = Scene("s.jpg", np.array([person]), np.array([0]), ignored=np.array([[100.0, 0, 200, 100]]))
    found = boxes_in_one_scene([person, person], [0.9, 0.8])
    assert detection_metrics([scene], found, 0.0)["ap"] == 1.0
    assert coco_average_precision([scene], found, [0.5]) == [1.0]
