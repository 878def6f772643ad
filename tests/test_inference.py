"""Running a student over a split: every scene once, queries and ground truth at their own boxes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.scene import Split
from tests.tiny import EMPTY_SCENE, TEST_SCENES, search_options, silent

DIM = 16


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PersonSearchNetwork(search_options()).eval()


def found_by(network, prepared, split: Split | None = None, batch_size=4, threshold=0.5, progress=silent):
    split = split or prepared.split("test")
    images = prepared.images("test")
    return search_detections(
        network,
        split,
        images,
        InferenceOptions(batch_size=batch_size, context_threshold=threshold),
        device=torch.device("cpu"),
        progress=progress,
    )


def test_everything_has_its_row(network, prepared):
    split = prepared.split("test")
    found = found_by(network, prepared)
    boxes = sum(len(scene.boxes) for scene in split.scenes)
    assert found.gallery_names.tolist() == [scene.name for scene in split.scenes]
    assert found.gallery_counts.sum() == len(found.gallery_dets) == len(found.gallery_feats) > 0
    assert found.ground_truth_counts.tolist() == [len(scene.boxes) for scene in split.scenes]
    assert found.ground_truth_counts[EMPTY_SCENE] == 0
    assert found.ground_truth_feats.shape == (boxes, DIM)
    assert found.query_feats.shape == (len(split.queries), DIM)
    for rows in (found.gallery_feats, found.ground_truth_feats, found.query_feats):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_query_is_the_person_at_its_box(network, prepared):
    split = prepared.split("test")
    found = found_by(network, prepared)
    starts = np.cumsum([0, *found.ground_truth_counts])
    for query, feature in zip(split.queries, found.query_feats, strict=True):
        position = int(np.flatnonzero((split.scenes[query.scene].boxes == query.box).all(axis=1))[0])
        own = found.ground_truth_feats[starts[query.scene] + position]
        np.testing.assert_allclose(feature, own, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 50])
def test_the_batch_size_does_not_matter(batch_size, network, prepared):
    seen = []
    one = found_by(network, prepared, batch_size=4)
    other = found_by(network, prepared, batch_size=batch_size, progress=lambda *done: seen.append(done))
    assert seen[-1] == (TEST_SCENES, TEST_SCENES)
    np.testing.assert_array_equal(one.gallery_counts, other.gallery_counts)
    np.testing.assert_allclose(one.gallery_dets, other.gallery_dets, atol=1e-2)
    np.testing.assert_allclose(one.query_feats, other.query_feats, atol=1e-4)


def test_the_order_of_queries_does_not_matter(network, prepared):
    split = prepared.split("test")
    turned = replace(split, queries=split.queries[::-1])
    one, other = found_by(network, prepared), found_by(network, prepared, turned)
    np.testing.assert_array_equal(one.query_feats, other.query_feats[::-1])
    np.testing.assert_array_equal(one.query_names, other.query_names[::-1])


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_context_of_a_query_begins_with_itself(threshold, network, prepared):
    split = prepared.split("test")
    found = found_by(network, prepared, threshold=threshold)
    starts = np.cumsum([0, *found.query_counts])
    for index, query in enumerate(split.queries):
        own = slice(starts[index], starts[index + 1])
        np.testing.assert_array_equal(found.query_dets[own][0], [*query.box, 1.0])
        np.testing.assert_array_equal(found.query_ctx_feats[own][0], found.query_feats[index])
        others = found.query_counts[index] - 1
        assert others == (0 if threshold == 1.0 else found.gallery_counts[query.scene])


def test_a_split_without_queries(network, prepared):
    found = found_by(network, prepared, replace(prepared.split("test"), queries=()))
    assert found.query_feats.shape == (0, DIM)
    assert found.query_dets.shape == (0, 5)
