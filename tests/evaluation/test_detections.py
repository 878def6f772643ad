from dataclasses import replace

import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.evaluation.scene_boxes import (
    check_context,
    check_queries,
    detected_boxes,
    ground_truth_boxes,
    missing_scenes,
)
from tests.evaluation.cases import permuted, random_case, with_ground_truth

SPLIT, GOOD = random_case(4, scenes=12)


def test_boxes_stand_in_the_splits_order_whatever_the_dumps():
    other = permuted(GOOD, np.random.default_rng(0))
    first, second = detected_boxes(SPLIT, GOOD), detected_boxes(SPLIT, other)
    assert np.array_equal(first.offsets, second.offsets)
    assert sorted(first.boxes.tolist()) == sorted(second.boxes.tolist())
    for scene, (begin, end) in enumerate(zip(first.offsets[:-1], first.offsets[1:], strict=True)):
        assert sorted(first.scores[begin:end]) == sorted(second.scores[begin:end]), scene


def test_the_threshold_is_inclusive():
    found = detected_boxes(SPLIT, GOOD)
    score = float(np.sort(found.scores)[len(found.scores) // 2])
    kept = found.above(score)
    assert kept.scores.min() == score
    assert len(kept.scores) == kept.offsets[-1] == (found.scores >= score).sum()


def test_ground_truth_boxes_have_score_1_and_stand_scene_after_scene():
    found = ground_truth_boxes(SPLIT, with_ground_truth(SPLIT, GOOD, np.random.default_rng(0)))
    assert set(found.scores.tolist()) == {1.0}
    for scene, (begin, end) in zip(
        SPLIT.scenes, zip(found.offsets[:-1], found.offsets[1:], strict=True), strict=True
    ):
        assert np.array_equal(found.boxes[begin:end], scene.boxes)


def test_ground_truth_features_follow_their_image():
    whole = with_ground_truth(SPLIT, GOOD, np.random.default_rng(0))
    starts = np.concatenate([[0], np.cumsum(whole.ground_truth_counts)])
    turned = np.arange(len(SPLIT.scenes))[::-1]
    rows = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in turned])
    other = replace(
        permuted_images(whole, turned),
        ground_truth_counts=whole.ground_truth_counts[turned],
        ground_truth_feats=whole.ground_truth_feats[rows],
    )
    assert np.array_equal(ground_truth_boxes(SPLIT, whole).feats, ground_truth_boxes(SPLIT, other).feats)


def permuted_images(detections, order):
    return replace(
        detections,
        gallery_names=detections.gallery_names[order],
        gallery_counts=np.zeros(len(order), dtype=np.int64),
        gallery_dets=detections.gallery_dets[:0],
        gallery_feats=detections.gallery_feats[:0],
    )


def test_scenes_that_the_dump_does_not_name_are_counted():
    assert missing_scenes(SPLIT, GOOD) == 0
    none = permuted_images(GOOD, np.arange(3))
    assert missing_scenes(SPLIT, none) == len(SPLIT.scenes) - 3


def bad(name, change):
    return {name: change(getattr(GOOD, name).copy())}


def spoiled(array):
    array[0, 0] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (bad("gallery_counts", lambda a: a + 1), "gallery_counts add up to"),
        (bad("gallery_counts", lambda a: a[1:]), "gallery_counts has 11 entries for 12 gallery_names"),
        (bad("gallery_counts", lambda a: -a - 1), "negative count"),
        (bad("gallery_counts", lambda a: a.astype(float)), "gallery_counts must be a list of integers"),
        (bad("gallery_feats", spoiled), "gallery_feats holds NaN or infinity, first in row 0"),
        (bad("query_feats", spoiled), "query_feats holds NaN"),
        (bad("gallery_dets", lambda a: a + np.inf), "gallery_dets holds NaN or infinity"),
        (bad("gallery_dets", lambda a: a[:, :4]), "gallery_dets must have 5 columns"),
        (bad("gallery_dets", lambda a: a[0]), "gallery_dets must be a matrix of floats"),
        (bad("gallery_feats", lambda a: a[1:]), "but gallery_feats has"),
        (bad("query_feats", lambda a: a[:, :2]), "gallery_feats are 4-d, but query_feats are 2-d"),
        (bad("query_feats", lambda a: a[1:]), "query_feats has 3 rows for 4 query_names"),
        (bad("query_pids", lambda a: a[1:]), "query_pids has 3 rows"),
        (bad("gallery_names", lambda a: np.full_like(a, "s1.jpg")), "gallery_names holds 's1.jpg' 12 times"),
        (bad("gallery_names", lambda a: np.arange(len(a))), "gallery_names must be a list of strings"),
        ({"query_dets": None}, "query_counts is there but query_dets is missing"),
        ({"ground_truth_counts": np.ones(12, dtype=int)}, "but ground_truth_feats is missing"),
    ],
)
def test_arrays_that_do_not_fit(change, message):
    with pytest.raises(UserError, match=message):
        replace(GOOD, **change)


def test_images_of_another_data_set():
    names = GOOD.gallery_names.astype("U20")
    names[3] = "elsewhere.jpg"
    with pytest.raises(UserError, match=r"1 of 12 images .* the first is 'elsewhere.jpg'"):
        detected_boxes(SPLIT, replace(GOOD, gallery_names=names))


def test_queries_in_another_order():
    names = np.array([f"s{i}.jpg" for i in range(4)])
    wanted = [SPLIT.scenes[query.scene].name for query in SPLIT.queries]
    first = next(i for i, name in enumerate(wanted) if name != names[i])
    with pytest.raises(UserError, match=f"query {first} is taken from"):
        check_queries(SPLIT, replace(GOOD, query_names=names))


def test_too_few_queries():
    fewer = {name: getattr(GOOD, name)[1:] for name in ("query_names", "query_pids", "query_feats")}
    context = dict.fromkeys(("query_counts", "query_dets", "query_ctx_feats"))
    with pytest.raises(UserError, match="3 queries, but the data set has 4"):
        check_queries(SPLIT, replace(GOOD, **fewer, **context))


def test_context_of_another_box():
    check_context(SPLIT, GOOD)
    with pytest.raises(UserError, match="first of query_dets of query 0"):
        check_context(SPLIT, replace(GOOD, query_dets=GOOD.query_dets + 100.0))


def test_context_without_the_query():
    counts = np.append(GOOD.query_counts[:-2], [0, GOOD.query_counts[-2:].sum()])
    with pytest.raises(UserError, match="query 2 has query_counts 0"):
        check_context(SPLIT, replace(GOOD, query_counts=counts))


def test_ground_truth_features_that_are_not_there_or_too_few():
    with pytest.raises(UserError, match="no ground_truth_feats"):
        ground_truth_boxes(SPLIT, GOOD)
    full = with_ground_truth(SPLIT, GOOD, np.random.default_rng(0))
    counts = np.zeros_like(full.ground_truth_counts)
    counts[0] = full.ground_truth_counts.sum()
    with pytest.raises(UserError, match=r"ground_truth_counts says \d+ for s0.jpg"):
        ground_truth_boxes(SPLIT, replace(full, ground_truth_counts=counts))
