"""Searching at true boxes, against scikit-learn's average precision of each query on its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from pipeline.evaluation.true_boxes import true_box_scores
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED


@st.composite
def boxes(draw):
    count = draw(st.integers(1, 14))
    # Few different rows, so that many similarities are equal.
    rows = np.eye(4)[[draw(st.integers(0, 3)) for _ in range(count)]]
    rows[:, 0] += 0.5
    scenes = np.array([draw(st.integers(0, 4)) for _ in range(count)])
    camera_of = np.array([draw(st.sampled_from([UNKNOWN_CAMERA, 0, 1])) for _ in range(5)])
    ids = np.array([draw(st.sampled_from([UNLABELLED, 0, 1, 2])) for _ in range(count)])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), ids, scenes, camera_of[scenes]


def by_hand(rows, ids, scenes, cameras, queries, cross_camera):
    precisions, tops = [], []
    for query in queries:
        if ids[query] == UNLABELLED:
            continue
        gallery = [
            other
            for other in range(len(rows))
            if scenes[other] != scenes[query]
            and (not cross_camera or -1 not in (cameras[other], cameras[query]))
            and (not cross_camera or cameras[other] != cameras[query])
        ]
        right = [bool(ids[other] == ids[query]) for other in gallery]
        if not any(right):
            continue
        similarity = [float(rows[query] @ rows[other]) for other in gallery]
        precisions.append(average_precision_score(right, np.round(similarity, 9)))
        wrong = [s for s, r in zip(similarity, right, strict=True) if not r]
        tops.append(
            max(s for s, r in zip(similarity, right, strict=True) if r) > max(wrong, default=-9) + 1e-9
        )
    return (np.mean(precisions), np.mean(tops), len(tops)) if tops else (np.nan, np.nan, 0)


@given(boxes(), st.booleans(), st.booleans())
def test_each_labelled_box_is_searched_for_in_all_other_scenes(case, cross_camera, some):
    rows, ids, *where = case
    labelled = np.flatnonzero(ids != UNLABELLED)
    queries = labelled[::2] if some else labelled
    found = true_box_scores(
        np.round(rows, 6), ids, *where, queries=queries if some else None, cross_camera=cross_camera
    )
    wanted = by_hand(np.round(rows, 6), ids, *where, queries, cross_camera)
    np.testing.assert_allclose((found.mean_ap, found.top1, found.queries), wanted, atol=1e-9)


def test_rows_that_tell_people_apart_reach_all():
    ids = np.array([0, 1, 0, 1, UNLABELLED])
    rows = np.eye(3)[ids]
    found = true_box_scores(rows, ids, np.array([0, 0, 1, 2, 2]), np.zeros(5, int))
    assert (found.mean_ap, found.top1, found.queries) == (1.0, 1.0, 4)
    assert true_box_scores(rows, ids, np.arange(5), np.zeros(5, int), cross_camera=True).queries == 0


@pytest.mark.parametrize("ids", [[], [UNLABELLED, UNLABELLED], [0, 1]])
def test_nobody_to_search_for(ids):
    count = len(ids)
    found = true_box_scores(np.ones((count, 2)), np.array(ids, int), np.arange(count), np.zeros(count, int))
    assert found.queries == 0
    assert np.isnan(found.mean_ap)
