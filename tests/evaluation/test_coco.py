import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.evaluation.coco import coco_average_precision
from pipeline.evaluation.scene_boxes import SceneBoxes, detected_boxes
from tests.evaluation.cases import random_case

IOUS = [0.5, 0.7, 0.95]


def pycocotools_ap(scenes, found):
    def xywh(box):
        return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]

    truth, guesses = COCO(), []
    annotations = []
    for image, scene in enumerate(scenes, 1):
        for box in scene.boxes:
            x, y, w, h = xywh(box)
            entry = {"image_id": image, "category_id": 1, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
            annotations.append(entry | {"id": len(annotations) + 1})
        for box in scene.ignored:
            x, y, w, h = xywh(box)
            entry = {"image_id": image, "category_id": 1, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 1}
            annotations.append(entry | {"id": len(annotations) + 1})
        for row in range(found.offsets[image - 1], found.offsets[image]):
            box = xywh(found.boxes[row])
            guesses.append(
                {"image_id": image, "category_id": 1, "bbox": box, "score": float(found.scores[row])}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = {
            "images": [{"id": image} for image in range(1, len(scenes) + 1)],
            "categories": [{"id": 1}],
            "annotations": annotations,
        }
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(guesses), "bbox")
        run.params.iouThrs = np.array(IOUS)
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, 0, 0, -1].mean(axis=1).tolist()


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_it_is_pycocotools(seed, tied):
    split, detections = random_case(seed, tied=tied, scenes=12)
    found = detected_boxes(split, detections)
    if len(found.scores) and any(len(scene.boxes) for scene in split.scenes):
        got = coco_average_precision(split.scenes, found, IOUS)
        assert got == pytest.approx(pycocotools_ap(split.scenes, found), abs=1e-9)


def test_at_most_100_detections_an_image():
    split, _ = random_case(3, scenes=1, empty=0.0)
    box = [[0.0, 0.0, 20.0, 20.0]]
    scene = [type(split.scenes[0])("s.jpg", np.array(box), np.array([0]))]
    boxes = np.concatenate([np.tile([100.0, 100.0, 120.0, 120.0], (100, 1)), box])
    scores = np.append(np.linspace(1.0, 0.6, 100), 0.5)
    found = SceneBoxes(np.array([0, 101]), boxes, scores, np.empty((101, 0)))
    assert coco_average_precision(scene, found, [0.5]) == [0.0]
    assert pycocotools_ap(scene, found)[0] == pytest.approx(0.0)
    better = SceneBoxes(np.array([0, 101]), boxes, np.append(scores[:100], 2.0), np.empty((101, 0)))
    assert coco_average_precision(scene, better, [0.5]) == [1.0]


def test_nothing_there():
    nothing = SceneBoxes(np.array([0]), np.empty((0, 4)), np.empty(0), np.empty((0, 0)))
    assert coco_average_precision((), nothing, IOUS) == [0.0, 0.0, 0.0]
