"""Every number that SeqNet's own evaluator gives for the protocol cases."""

import json
from functools import cache
from pathlib import Path

import pytest

from pipeline.datasets.sources import open_data_set
from pipeline.evaluation.detections_file import read_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate

CASES = Path(__file__).parents[1] / "fixtures" / "protocol-cases"
DATA_SETS = {"cuhk": "cuhk_sysu", "prw": "prw"}
TOLERANCE = 1e-9
PLACES = {"all_cameras": "full", "cross_camera": "cross_camera", "full": "full"}


@cache
def opened(tree, short):
    split = open_data_set(DATA_SETS[short], CASES / tree / short).splits()["test"]
    expected = json.loads((CASES / tree / f"{short}_expected.json").read_text())
    return split, read_detections(CASES / tree / f"{short}_dump.npz"), expected


@cache
def scored(tree, short, cbgm=False, duplicates="once"):
    split, detections, _ = opened(tree, short)
    options = EvaluationOptions(detection_threshold=0.01, cbgm=cbgm, duplicates=duplicates)
    return evaluate(split, detections, options, DATA_SETS[short])


def reached(metrics, gallery):
    name = PLACES.get(gallery, gallery.removeprefix("G"))
    return metrics["search_cross_camera"] if name == "cross_camera" else metrics["search_by_gallery"][name]


@pytest.mark.parametrize("tree", ["clean", "quirks"])
@pytest.mark.parametrize("short", ["cuhk", "prw"])
@pytest.mark.parametrize(("section", "cbgm"), [("search", False), ("search_with_cbgm", True)])
def test_searches_give_seqnets_numbers(tree, short, section, cbgm):
    expected = opened(tree, short)[2][section]
    got = {gallery: reached(scored(tree, short, cbgm), gallery) for gallery in expected}
    assert got == {gallery: pytest.approx(reached, abs=TOLERANCE) for gallery, reached in expected.items()}


@pytest.mark.parametrize("tree", ["clean", "quirks"])
@pytest.mark.parametrize("short", ["cuhk", "prw"])
def test_detection_gives_seqnets_numbers(tree, short):
    expected, got = opened(tree, short)[2], scored(tree, short)["detection"]
    every, labelled = expected["detection_all"], expected["detection_labelled_only"]
    assert (got["ap"], got["recall"]) == pytest.approx((every["ap"], every["recall"]), abs=TOLERANCE)
    assert (got["ap_labelled"], got["recall_labelled"]) == pytest.approx(
        (labelled["ap"], labelled["recall"]), abs=TOLERANCE
    )


@pytest.mark.parametrize("tree", ["clean", "quirks"])
@pytest.mark.parametrize("short", ["cuhk", "prw"])
def test_the_headline_is_the_default_gallery(tree, short):
    metrics = scored(tree, short)
    assert metrics["protocol"]["gallery"] == {"cuhk": "100", "prw": "full"}[short]
    assert metrics["search"] == metrics["search_by_gallery"][metrics["protocol"]["gallery"]]


def test_duplicated_entries_count_twice_in_the_original_counting():
    once, twice = scored("quirks", "cuhk"), scored("quirks", "cuhk", duplicates="original")
    assert once["search_by_gallery"]["50"]["mAP"] == pytest.approx(0.5479166666666667, abs=TOLERANCE)
    assert twice["search_by_gallery"]["50"]["mAP"] == pytest.approx(0.5729166666666667, abs=TOLERANCE)
    clean = scored("clean", "cuhk"), scored("clean", "cuhk", duplicates="original")
    assert clean[0]["search_by_gallery"] == clean[1]["search_by_gallery"]
