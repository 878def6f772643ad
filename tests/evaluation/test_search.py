from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.evaluation import similarity as similarity_module
from pipeline.evaluation.cbgm import CbgmOptions
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.evaluation.search import search_metrics, search_queries
from pipeline.scenes.scene import Galleries, Query, Scene, Split
from tests.evaluation import slow_reference
from tests.evaluation.cases import permuted, random_case

SEEDS = st.integers(0, 2**32 - 1)
BOX = [0.0, 0.0, 20.0, 40.0]
ASIDE = [50.0, 0.0, 70.0, 40.0]


def run(split, detections, threshold=0.3, **options):
    found = detected_boxes(split, detections).above(threshold)
    return search_metrics(search_queries(split, split.galleries, found, detections, **options))


def hand_made(images, *, listed=None, positives=None, truth=BOX, default="g"):
    """Return one query on scene 0, whose person stands at `truth` in the `positives`."""
    count = len(images)
    scenes = tuple(Scene(f"s{i}.jpg", np.array([truth]), np.array([0]), camera=i) for i in range(count + 1))
    listed = list(range(1, count + 1)) if listed is None else listed
    positives = list(range(len(listed))) if positives is None else positives
    galleries = Galleries(
        "none",
        np.array([0, len(listed)]),
        np.array(listed, dtype=np.int32),
        np.array([0, len(positives)]),
        np.array(positives, dtype=np.int64),
        np.array([truth] * len(positives)).reshape(-1, 4),
    )
    boxes = [[*box, 1.0] for image in images for box, _ in image]
    feats = [[feature] for image in images for _, feature in image]
    split = Split("test", scenes, ("p",), (Query(0, np.array(truth), 0),), {"g": galleries}, default)
    detections = Detections(
        gallery_names=np.array([scene.name for scene in scenes]),
        gallery_counts=np.array([0, *(len(image) for image in images)]),
        gallery_dets=np.array(boxes, dtype=np.float32).reshape(-1, 5),
        gallery_feats=np.array(feats, dtype=np.float32).reshape(-1, 1),
        query_names=np.array(["s0.jpg"]),
        query_pids=np.array([0]),
        query_feats=np.ones((1, 1), dtype=np.float32),
    )
    return split, detections


def of(case, **options):
    return run(*case, **options)["g"]


@given(SEEDS, st.booleans(), st.sampled_from(["once", "original"]))
@settings(max_examples=80, deadline=None)
def test_it_is_the_plain_loops(seed, tied, duplicates):
    split, detections = random_case(seed, tied=tied)
    got = run(split, detections, duplicates=duplicates)
    for name in split.galleries:
        wanted = slow_reference.search(split, detections, name, 0.3, duplicates=duplicates)
        assert {key: got[name][key] for key in wanted} == pytest.approx(wanted, abs=1e-9), name
        assert all(0.0 <= got[name][key] <= 1.0 for key in wanted)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_with_cbgm_it_is_the_plain_loops(seed):
    split, detections = random_case(seed)
    cbgm = CbgmOptions(k1=3, k2=2)
    got = run(split, detections, cbgm=cbgm)
    for name in split.galleries:
        wanted = slow_reference.search(split, detections, name, 0.3, cbgm=cbgm)
        assert {key: got[name][key] for key in wanted} == pytest.approx(wanted, abs=1e-9), name


@given(SEEDS, st.booleans(), st.sampled_from([None, CbgmOptions(k1=3, k2=2)]))
@settings(max_examples=40, deadline=None)
def test_the_order_of_images_and_boxes_changes_nothing(seed, tied, cbgm):
    split, detections = random_case(seed, tied=tied and cbgm is None)
    other = permuted(detections, np.random.default_rng(seed))
    first, second = run(split, detections, cbgm=cbgm), run(split, other, cbgm=cbgm)
    for name in split.galleries:
        assert first[name] == pytest.approx(second[name], abs=1e-12)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_similarities_by_blocks_are_the_similarities(seed):
    split, detections = random_case(seed)
    whole = run(split, detections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity_module, "SIMILARITIES_AT_ONCE", 1)
        patch.setattr(similarity_module, "FEATURE_ROWS_AT_ONCE", 2)
        assert run(split, detections) == whole


@given(SEEDS, st.booleans(), st.sampled_from(["once", "original"]), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=30, deadline=None)
def test_several_threads_give_the_same_digits(seed, tied, duplicates, width):
    split, detections = random_case(seed, tied=tied, scenes=20, queries=6)
    feats = {name: getattr(detections, name).astype(width) for name in ("gallery_feats", "query_feats")}
    detections = replace(detections, **feats)
    found = detected_boxes(split, detections)
    options = {"duplicates": duplicates, "cbgm": CbgmOptions(k1=4, k2=2) if tied else None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity_module, "SIMILARITIES_AT_ONCE", 2 * max(1, len(found.feats)))
        patch.setattr(similarity_module, "FEATURE_ROWS_AT_ONCE", 5)
        one, *others = (
            search_queries(split, split.galleries, found, detections, threads=threads, **options)
            for threads in (1, 2, 3)
        )
    assert others == [one, one]


@given(SEEDS, st.sampled_from(["once", "original"]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_galleries_are_searched_alone_as_together(seed, duplicates, with_cbgm):
    split, detections = random_case(seed, queries=6)
    found = detected_boxes(split, detections)
    options = {"duplicates": duplicates, "cbgm": CbgmOptions(k1=3, k2=2) if with_cbgm else None}
    together = search_queries(split, split.galleries, found, detections, **options)
    for name, galleries in split.galleries.items():
        alone = search_queries(split, {name: galleries}, found, detections, **options)[name]
        for one, other in zip(together[name], alone, strict=True):
            assert one.ap == pytest.approx(other.ap, abs=1e-12)
            assert (one.rank, one.matches) == (other.rank, other.matches)


def test_matrix_products_start_no_threads_of_their_own():
    split, detections = random_case(3)

    def pools():
        return {
            pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
        }

    with threadpool_limits(limits=2, user_api="blas"):
        before, inside = pools(), []
        run(split, detections, threads=2, progress=lambda *_: inside.append(pools()))
        assert pools() == before and set(before.values()) == {2}
    assert len(inside) == len(split.queries)
    assert all(set(found.values()) == {1} for found in inside)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_top_k_rises_with_k(seed):
    for reached in run(*random_case(seed, scenes=20)).values():
        assert reached["top1"] <= reached["top5"] <= reached["top10"]


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_no_detection_at_all(seed):
    got = run(*random_case(seed, empty=1.1))
    assert all(reached["mAP"] == reached["top1"] == reached["top10"] == 0.0 for reached in got.values())


def test_a_threshold_above_all_scores_leaves_nothing():
    got = run(*random_case(1), threshold=1.0)
    assert all(reached["mAP"] == 0.0 for reached in got.values())


def test_the_most_similar_box_with_enough_overlap_is_the_only_true_positive():
    got = of(hand_made([[(ASIDE, 0.9), (BOX, 0.8), (BOX, 0.7)]]))
    assert (got["mAP"], got["top1"], got["top5"]) == (0.5, 0.0, 1.0)


def test_an_image_without_a_detection_stays_in_the_denominator():
    assert of(hand_made([[(BOX, 0.9)], []]))["mAP"] == 0.5


def test_an_image_that_the_dump_does_not_name_counts_as_one_without_a_detection():
    split, detections = hand_made([[(BOX, 0.9)], []])
    cut = replace(detections, gallery_names=detections.gallery_names[:2], gallery_counts=np.array([0, 1]))
    assert of((split, cut)) == of((split, detections))


def test_a_query_without_a_match_scores_0_and_is_counted():
    got = of(hand_made([[(BOX, 0.9)]], positives=[]))
    assert (got["mAP"], got["top10"], got["queries_without_match"]) == (0.0, 0.0, 1)


def test_a_small_person_needs_less_overlap():
    small, shifted = [0.0, 0.0, 10.0, 10.0], [6.0, 0.0, 16.0, 10.0]
    assert of(hand_made([[(shifted, 1.0)]], truth=small))["mAP"] == 1.0
    assert of(hand_made([[([6.01, 0.0, 16.01, 10.0], 1.0)]], truth=small))["mAP"] == 0.0


def test_an_overlap_equal_to_the_threshold_is_enough():
    half = [0.0, 0.0, 40.0, 50.0]
    assert of(hand_made([[([0.0, 0.0, 40.0, 100.0], 1.0)]], truth=half))["mAP"] == 1.0


def test_ties_with_false_boxes_form_one_step_and_stand_ahead_in_top_k():
    got = of(hand_made([[(BOX, 0.9), (ASIDE, 0.9)]]))
    assert (got["mAP"], got["top1"], got["top5"]) == (0.5, 0.0, 1.0)
    two = of(hand_made([[(BOX, 0.9)], [(BOX, 0.9)]]))
    assert (two["mAP"], two["top1"]) == (1.0, 1.0)


def test_an_image_that_is_listed_twice():
    case = hand_made([[(BOX, 0.9)], [(ASIDE, 0.8)]], listed=[1, 2, 1], positives=[0, 2])
    assert of(case)["mAP"] == 0.5
    assert of(case, duplicates="original")["mAP"] == 1.0


def test_once_takes_the_box_of_the_first_entry():
    case = hand_made([[(BOX, 0.9)]], listed=[1, 1], positives=[1])
    assert of(case)["mAP"] == 0.0
    got = of(case, duplicates="original")
    assert (got["mAP"], got["top1"]) == (0.5, 0.0)


def test_the_querys_own_scene_and_camera_are_left_out():
    split, _ = random_case(7, scenes=12, queries=6)
    for name, galleries in split.galleries.items():
        for index, query in enumerate(split.queries):
            scenes = galleries.of_query(index, query.scene, split.cameras).scenes
            assert query.scene not in scenes
            if name == "cross_camera":
                assert split.cameras[query.scene] not in split.cameras[scenes]


def test_features_are_used_as_they_are():
    long = [[(ASIDE, 2.0)], [(BOX, 1.0)]]
    assert of(hand_made(long, positives=[1]))["top1"] == 0.0


def test_progress_is_told():
    told = []
    split, detections = random_case(2)
    run(split, detections, progress=lambda done, total: told.append((done, total)))
    assert told == [(index + 1, len(split.queries)) for index in range(len(split.queries))]
