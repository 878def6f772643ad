"""PRW's ground truth is counted in whole pixels, everybody else's as it stands."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.detections import Detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.evaluation.whole_pixels import in_whole_pixels
from pipeline.scenes.scene import Galleries, Query, Scene, Split

FRACTIONAL = np.array([[10.0, 10.0, 20.9, 20.0]])
"""In whole pixels 10 x 10, else 10.9 x 10."""
FOUND = np.array([[10.0, 10.0, 15.1, 20.0, 0.9]], dtype=np.float32)
"""IoU 0.51 with the former, 0.468 with the latter."""


@pytest.fixture
def split() -> Split:
    scenes = (
        Scene("query.jpg", np.array([[0.5, 0.5, 9.5, 9.5]]), np.array([0])),
        Scene("gallery.jpg", FRACTIONAL, np.array([0])),
    )
    galleries = Galleries(
        rest="none",
        listed_offsets=np.array([0, 1]),
        listed_scenes=np.array([1], dtype=np.int32),
        positive_offsets=np.array([0, 1]),
        positives=np.array([0]),
        positive_boxes=FRACTIONAL,
    )
    return Split("test", scenes, ("7",), (Query(0, scenes[0].boxes[0], 0),), {"full": galleries}, "full")


@pytest.fixture
def found() -> Detections:
    one = np.ones((1, 2), dtype=np.float32)
    return Detections(
        gallery_names=np.array(["query.jpg", "gallery.jpg"]),
        gallery_counts=np.array([0, 1]),
        gallery_dets=FOUND,
        gallery_feats=one,
        query_names=np.array(["query.jpg"]),
        query_pids=np.array([7]),
        query_feats=one,
    )


def test_nothing_but_the_boxes_changes(split):
    whole = in_whole_pixels(split)
    assert whole.scenes[1].boxes.tolist() == [[10, 10, 20, 20]]
    assert whole.queries[0].box.tolist() == [0, 0, 9, 9]
    assert whole.galleries["full"].positive_boxes.tolist() == [[10, 10, 20, 20]]
    assert [scene.name for scene in whole.scenes] == [scene.name for scene in split.scenes]
    assert replace(whole, scenes=(), queries=(), galleries={}) == replace(
        split, scenes=(), queries=(), galleries={}
    )


def test_whole_boxes_stay(split):
    once = in_whole_pixels(split)
    np.testing.assert_array_equal(in_whole_pixels(once).scenes[1].boxes, once.scenes[1].boxes)


@pytest.mark.parametrize(("dataset", "recall"), [("prw", 0.5), ("prw_mini", 0.5), ("cuhk_sysu", 0.0)])
def test_it_decides_a_match_in_prw_alone(split, found, dataset, recall):
    metrics = evaluate(split, found, EvaluationOptions(), dataset)
    assert metrics["detection"]["recall"] == recall
    assert metrics["protocol"]["ground_truth_in_whole_pixels"] == dataset.startswith("prw")
