import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import json_text
from pipeline.basics.options import parse_options
from pipeline.evaluation.cbgm import CbgmOptions
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from tests.evaluation import slow_reference
from tests.evaluation.cases import random_case, with_ground_truth

SPLIT, PLAIN = random_case(8, scenes=14, queries=6)
FULL = with_ground_truth(SPLIT, PLAIN, np.random.default_rng(0))
SEARCH = {"mAP", "top1", "top5", "top10"}


def of(detections=FULL, split=SPLIT, dataset="prw", **options):
    return evaluate(split, detections, EvaluationOptions(search_threshold=0.3, **options), dataset)


def test_it_holds_what_was_agreed():
    metrics = of()
    assert set(metrics) == {
        "search",
        "search_by_gallery",
        "search_cross_camera",
        "search_ground_truth_boxes",
        "detection",
        "detection_by_iou",
        "protocol",
    }
    for reached in (metrics["search"], metrics["search_cross_camera"], metrics["search_ground_truth_boxes"]):
        assert set(reached) == SEARCH
    assert list(metrics["search_by_gallery"]) == ["12", "full"]
    assert list(metrics["detection"]) == [
        *("ap", "recall", "ap_labelled", "recall_labelled", "coco_ap50", "coco_ap70")
    ]
    assert json.loads(json_text(metrics)) == metrics


def test_detection_at_other_overlaps():
    metrics = of()
    by_iou = metrics["detection_by_iou"]
    assert by_iou["0.5"] == {key: metrics["detection"][key] for key in ("ap", "recall")}
    assert by_iou["0.7"]["recall"] <= by_iou["0.5"]["recall"]


def test_the_headline_is_the_default_gallery_or_the_cross_camera_one():
    metrics, cross = of(), of(cross_camera=True)
    assert metrics["search"] == metrics["search_by_gallery"]["12"]
    assert metrics["protocol"]["gallery"] == "12"
    assert cross["search"] == cross["search_cross_camera"] == metrics["search_cross_camera"]
    assert cross["protocol"]["gallery"] == "cross_camera"
    assert cross["search_by_gallery"] == metrics["search_by_gallery"]


def test_galleries_that_were_not_asked_for_are_left_out_of_the_list_only():
    metrics, some = of(), of(gallery_sizes=["full"])
    assert some["search_by_gallery"] == {"full": metrics["search_by_gallery"]["full"]}
    assert some["search"] == metrics["search"]


def test_ground_truth_boxes_are_searched_as_detections_of_score_1():
    rows = replace(
        FULL,
        gallery_counts=FULL.ground_truth_counts,
        gallery_feats=FULL.ground_truth_feats,
        gallery_dets=np.column_stack(
            [np.concatenate([scene.boxes for scene in SPLIT.scenes]), np.ones(len(FULL.ground_truth_feats))]
        ),
    )
    wanted = slow_reference.search(SPLIT, rows, "12", 0.5)
    assert of()["search_ground_truth_boxes"] == pytest.approx(wanted, abs=1e-9)
    assert of(PLAIN)["search_ground_truth_boxes"] is None


def test_thresholds_are_apart():
    low, high = of(detection_threshold=0.0), of(detection_threshold=0.9)
    assert low["search"] == high["search"]
    assert low["detection"]["recall"] > high["detection"]["recall"]
    assert low["detection"]["coco_ap50"] == high["detection"]["coco_ap50"]


@pytest.mark.parametrize(
    ("dataset", "wanted", "used"),
    [
        ("cuhk_sysu", True, {"k1": 10, "k2": 3}),
        ("synthetic", True, {"k1": 10, "k2": 3}),
        ("prw", True, {"k1": 30, "k2": 4}),
        ("prw_mini", True, {"k1": 30, "k2": 4}),
        ("prw", CbgmOptions(k1=5, k2=2), {"k1": 5, "k2": 2}),
        ("prw", False, None),
    ],
)
def test_cbgm_is_seqnets_for_the_data_set(dataset, wanted, used):
    assert of(dataset=dataset, cbgm=wanted)["protocol"]["cbgm"] == used


def test_counts():
    counts = of()["protocol"]["counts"]
    assert counts["scenes"] == len(SPLIT.scenes)
    assert counts["detections"] == len(FULL.gallery_dets)
    assert counts["detections_searched"] == (FULL.gallery_dets[:, 4] >= 0.3).sum()
    empty = np.diff(SPLIT.galleries["cross_camera"].positive_offsets) == 0
    assert counts["queries_without_match"]["cross_camera"] == empty.sum()


def test_options_as_yaml_gives_them():
    values = {"cbgm": {"k1": 5, "k2": 2}, "gallery_sizes": [50, "full"], "detection_threshold": 1}
    options = parse_options(EvaluationOptions, values, "params.yaml: evaluate")
    assert options.gallery_sizes == ("50", "full")
    assert options.cbgm == CbgmOptions(k1=5, k2=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicates": "twice"},
        {"threshold": 0.5},
        {"search_threshold": 1.5},
        {"search_threshold": "0.5"},
        {"cbgm": "yes"},
        {"cbgm": {"k1": 0, "k2": 2}},
        {"gallery_sizes": "50"},
        {"gallery_sizes": [50.0]},
    ],
)
def test_wrong_options_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        parse_options(EvaluationOptions, wrong, "params.yaml: evaluate")


def test_a_gallery_that_there_is_not():
    with pytest.raises(UserError, match="no gallery of size '70'; the data set has 12, full"):
        of(gallery_sizes=["70"])


def test_no_cameras_and_no_galleries():
    alone = replace(SPLIT, galleries={"12": SPLIT.galleries["12"]})
    assert of(split=alone)["search_cross_camera"] is None
    with pytest.raises(UserError, match="no cameras"):
        of(split=alone, cross_camera=True)
    with pytest.raises(UserError, match="no galleries"):
        of(split=replace(SPLIT, galleries={}))


def test_no_query_has_a_match_in_another_camera():
    """There is nobody to be found: that is no search that fails."""
    across = SPLIT.galleries["cross_camera"]
    nowhere = replace(
        across,
        listed_offsets=np.zeros_like(across.listed_offsets),
        listed_scenes=across.listed_scenes[:0],
        positive_offsets=np.zeros_like(across.positive_offsets),
        positives=across.positives[:0],
        positive_boxes=across.positive_boxes[:0],
    )
    metrics = of(split=replace(SPLIT, galleries={**SPLIT.galleries, "cross_camera": nowhere}))
    assert metrics["search_cross_camera"] is None
    assert metrics["protocol"]["counts"]["queries_without_match"]["cross_camera"] == len(SPLIT.queries)


def test_cbgm_without_context():
    without = replace(PLAIN, query_counts=None, query_dets=None, query_ctx_feats=None)
    assert of(without)["search"] == of(PLAIN)["search"]
    with pytest.raises(UserError, match="CBGM needs query_counts"):
        of(without, cbgm=True)
