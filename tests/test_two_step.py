"""Two-step search with the teachers: what the detector finds, as the re-ID model sees it."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.batches.pictures import decode
from pipeline.batches.transforms import plain_crop_transform
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.crops import embed_both_ways
from pipeline.inference.two_step import two_step_detections
from pipeline.models.detector import Detector
from pipeline.models.reid import ReidModel
from pipeline.scenes.boxes import pixels_of
from tests.tiny import TEST_SCENES, detector_options, reid_options, silent

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teachers():
    torch.manual_seed(0)
    return Detector(detector_options()).eval(), ReidModel(reid_options()).eval()


@pytest.fixture(scope="module")
def found(teachers, prepared):
    split, images = prepared.split("test"), prepared.images("test")
    return two_step_detections(*teachers, split, images, context_threshold=0.5, device=CPU, progress=silent)


def test_boxes_are_the_detectors(teachers, prepared, found):
    images = prepared.images("test")
    own = [teachers[0].detect([decode(images[i]).float() / 255])[0] for i in range(TEST_SCENES)]
    assert found.gallery_counts.tolist() == [len(scene["boxes"]) for scene in own]
    boxes = torch.cat([scene["boxes"] for scene in own]).numpy()
    np.testing.assert_allclose(found.gallery_dets[:, :4], boxes, atol=1e-4)


def test_features_are_the_reid_models_at_the_ground_truth(teachers, prepared, found):
    model = teachers[1]
    split, images = prepared.split("test"), prepared.images("test")
    picture = decode(images[0]).float() / 255
    left, top, right, bottom = pixels_of(split.scenes[0].boxes[1], picture.shape[-1], picture.shape[-2])
    transform = plain_crop_transform(model.crop_height, model.crop_width)
    crop = transform(picture[:, top:bottom, left:right])[None]
    expected = functional.normalize(embed_both_ways(model, crop), dim=1)[0].numpy()
    np.testing.assert_allclose(found.ground_truth_feats[1], expected, atol=1e-5)


def test_the_whole_protocol_can_be_scored(prepared, found):
    metrics = evaluate(prepared.split("test"), found, EvaluationOptions(), "tiny")
    assert 0 <= metrics["search_ground_truth_boxes"]["mAP"] <= 1
    assert metrics["protocol"]["counts"]["detections"] == found.gallery_counts.sum()
