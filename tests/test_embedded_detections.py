"""A student's detections with a teacher's embeddings: the same boxes, searched by somebody else."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.embedded_detections import embedded_detections
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections
from pipeline.inference.teachers.colour_histogram import ColourHistogram
from pipeline.inference.teachers.crop_teacher import CropTeacher, OwnCropModel
from pipeline.inference.teachers.leak import TrainedOn
from pipeline.inference.teachers.network import NetworkTeacher
from pipeline.inference.two_step import two_step_detections
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import PreparedDataSet
from tests.tiny import detector_options, reid_options, search_options, silent

CPU = torch.device("cpu")
THRESHOLD = 0.3
FOUND = ("gallery_counts", "gallery_dets", "query_counts", "query_dets", "ground_truth_counts", "query_pids")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PersonSearchNetwork(search_options()).eval()


@pytest.fixture(scope="module")
def found(network, prepared):
    split, images = prepared.split("test"), prepared.images("test")
    options = InferenceOptions(batch_size=2, context_threshold=THRESHOLD)
    return search_detections(network, split, images, options, device=CPU, progress=silent)


def embedded(teacher, found, prepared: PreparedDataSet):
    split, images = prepared.split("test"), prepared.images("test")
    return embedded_detections(
        teacher, found, split, images, context_threshold=THRESHOLD, device=CPU, progress=silent
    )


def histogram(scenes=2):
    return CropTeacher([ColourHistogram()], batch_size=7, scene_batch_size=scenes)


def test_a_students_own_embeddings_come_back(network, found, prepared):
    """At its own boxes, the network gives the embeddings of its search: nothing else is changed."""
    again = embedded(NetworkTeacher(network, "own", None, 2), found, prepared)
    for name in FOUND:
        assert np.array_equal(getattr(again, name), getattr(found, name)), name
    for name in ("query_feats", "ground_truth_feats", "gallery_feats", "query_ctx_feats"):
        np.testing.assert_allclose(getattr(again, name), getattr(found, name), atol=1e-4, err_msg=name)


def test_it_is_the_two_step_search_on_its_boxes(prepared):
    torch.manual_seed(0)
    detector, model = Detector(detector_options()).eval(), ReidModel(reid_options()).eval()
    split, images = prepared.split("test"), prepared.images("test")
    plain = two_step_detections(
        detector, model, split, images, context_threshold=THRESHOLD, device=CPU, progress=silent
    )
    teacher = CropTeacher([OwnCropModel(model, "reid", TrainedOn(), CPU)], 16, 2)
    again = embedded(teacher, plain, prepared)
    for name in FOUND:
        assert np.array_equal(getattr(again, name), getattr(plain, name)), name
    for name in ("query_feats", "ground_truth_feats", "gallery_feats"):
        # Crops are resized as uint8 here, and as floats there.
        similar = (getattr(again, name) * getattr(plain, name)).sum(axis=1)
        assert similar.min() > 0.99, name


def test_the_histogram_searches_the_same_boxes(found, prepared):
    split = prepared.split("test")
    by_colour = embedded(histogram(), found, prepared)
    own, other = (evaluate(split, one, EvaluationOptions(), "tiny") for one in (found, by_colour))
    assert own["detection"] == other["detection"]
    # People are of one colour each.
    assert other["search_ground_truth_boxes"]["mAP"] == 1.0
    by_one = embedded(histogram(scenes=1), found, prepared)
    for item in fields(by_colour):
        assert np.array_equal(getattr(by_one, item.name), getattr(by_colour, item.name)), item.name


def test_scenes_in_any_order_and_left_out_are_those_of_the_split(found, prepared):
    names = [scene.name for scene in prepared.split("test").scenes]
    starts = np.concatenate([[0], np.cumsum(found.gallery_counts)])
    order = [3, 0, 5, 2]
    rows = np.concatenate([np.arange(starts[scene], starts[scene + 1]) for scene in order])
    other = replace(
        found,
        gallery_names=found.gallery_names[order],
        gallery_counts=found.gallery_counts[order],
        gallery_dets=found.gallery_dets[rows],
        gallery_feats=found.gallery_feats[rows],
        ground_truth_counts=None,
        ground_truth_feats=None,
    )
    whole, some = embedded(histogram(), found, prepared), embedded(histogram(), other, prepared)
    assert some.gallery_names.tolist() == names
    kept = [count if scene in order else 0 for scene, count in enumerate(found.gallery_counts)]
    assert some.gallery_counts.tolist() == kept
    wanted = np.concatenate([np.arange(starts[scene], starts[scene + 1]) for scene in sorted(order)])
    assert np.array_equal(some.gallery_feats, whole.gallery_feats[wanted])
    assert np.array_equal(some.ground_truth_feats, whole.ground_truth_feats)


def test_nothing_detected_leaves_the_true_boxes(found, prepared):
    nothing = replace(
        found,
        gallery_counts=np.zeros_like(found.gallery_counts),
        gallery_dets=found.gallery_dets[:0],
        gallery_feats=found.gallery_feats[:0],
    )
    empty = embedded(histogram(), nothing, prepared)
    assert not len(empty.gallery_dets) and empty.gallery_feats.shape == (0, empty.query_feats.shape[1])
    assert np.array_equal(empty.query_feats, embedded(histogram(), found, prepared).query_feats)


def test_detections_of_other_queries_are_refused(found, prepared):
    other = replace(found, query_names=np.roll(found.query_names, 1))
    with pytest.raises(UserError, match="query 1 is taken from"):
        embedded(histogram(), other, prepared)
