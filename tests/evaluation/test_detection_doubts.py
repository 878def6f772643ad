"""What looks wrong in detections is said, and nothing of what is right."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.detection_doubts import doubts
from tests.evaluation.cases import random_case
from tests.evaluation.pair_cases import random_pairs

FEATURES = ("gallery_feats", "query_feats")


def unit_rows(features):
    features = features + 1e-3 * np.eye(*features.shape, dtype=features.dtype)  # none of length 0
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def good_case(seed):
    split, detections = random_case(seed)
    return split, replace(detections, **{name: unit_rows(getattr(detections, name)) for name in FEATURES})


SPLIT, GOOD = good_case(3)


def changed(name, change):
    return replace(GOOD, **{name: change(getattr(GOOD, name).copy())})


def turn(dets):
    dets[1, [0, 2]] = dets[1, [2, 0]] + np.array([1.0, -1.0], dtype=dets.dtype)
    return dets


def percent(dets):
    dets[:, 4] = dets[:, 4] * 100 + 2
    return dets


@given(st.integers(0, 10**6))
def test_good_detections_raise_none_whatever_the_people_are_called(seed):
    split, detections = good_case(seed)
    names = np.random.default_rng(seed).permutation(10_000)
    assert not list(doubts(split, replace(detections, query_pids=names[detections.query_pids])))


@pytest.mark.parametrize(
    ("detections", "said"),
    [
        (changed("gallery_dets", turn), "1 of "),
        (changed("gallery_dets", percent), "scores are not in 0 .. 1"),
        (changed("gallery_feats", lambda rows: rows * 3), "rows of gallery_feats are not of length 1"),
        (changed("query_feats", lambda rows: rows / 2), "rows of query_feats are not of length 1"),
        (changed("query_pids", np.zeros_like), "query_pids"),
        (changed("query_pids", lambda pids: np.arange(len(pids))), "query_pids"),
    ],
)
def test_each_doubt_is_one_line(detections, said):
    (line,) = doubts(SPLIT, detections)
    assert said in line


def test_boxes_of_pairs_are_looked_at_and_features_are_not():
    split, detections = random_pairs(3)
    assert not list(doubts(split, detections))
    wrong = turn(percent(detections.pair_dets.copy()))
    turned, scores = doubts(split, replace(detections, pair_dets=wrong))
    assert f"1 of {len(wrong)} boxes of pairs have x2 < x1" in turned
    assert f"{len(wrong)} of {len(wrong)} scores of pairs are not in 0 .. 1" in scores
