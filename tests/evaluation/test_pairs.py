"""Searches of a query-guided network: the same rules, with boxes of each pair of a query and a scene."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.datasets.sources import open_data_set
from pipeline.evaluation.detections import PAIRS
from pipeline.evaluation.detections_file import read_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.evaluation.pairs import pair_boxes, search_pairs
from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.evaluation.search import search_metrics, search_queries
from pipeline.evaluation.whole_pixels import in_whole_pixels
from pipeline.scenes.scene import Galleries
from tests.evaluation import slow_pairs
from tests.evaluation.cases import permuted, random_case, with_ground_truth
from tests.evaluation.pair_cases import as_pairs, chosen_pairs, permuted_pairs, random_pairs

CASES = Path(__file__).parents[1] / "fixtures" / "protocol-cases"
DATA_SETS = {"cuhk": "cuhk_sysu", "prw": "prw"}
SEEDS = st.integers(0, 2**32 - 1)
DUPLICATES = st.sampled_from(["once", "original"])
INTEGERS = ("pair_queries", "pair_scenes", "pair_counts")
QUERIES = ("query_names", "query_pids", "query_feats")
NONE = np.zeros(0, np.int64)
THRESHOLD = 0.3


def metrics(split, detections, dataset="prw", **options):
    return evaluate(split, detections, EvaluationOptions(search_threshold=THRESHOLD, **options), dataset)


def results(split, detections, **options):
    return search_pairs(split, split.galleries, pair_boxes(split, detections, THRESHOLD), **options)


def without_protocol(reached):
    return {name: part for name, part in reached.items() if name != "protocol"}


# Pairs that hold what all detections hold.


@given(SEEDS, st.booleans(), DUPLICATES, st.sampled_from([np.float32, np.float64]))
@settings(max_examples=80, deadline=None)
def test_ordinary_detections_as_pairs_give_every_metric_exactly(seed, tied, duplicates, width):
    split, plain = random_case(seed, tied=tied)
    feats = {name: getattr(plain, name).astype(width) for name in ("gallery_feats", "query_feats")}
    plain = with_ground_truth(split, replace(plain, **feats), np.random.default_rng(seed))
    wanted, got = (metrics(split, dets, duplicates=duplicates) for dets in (plain, as_pairs(plain)))
    assert without_protocol(got) == without_protocol(wanted)
    assert got["protocol"].pop("query_guided") is True
    counts = got["protocol"]["counts"]
    assert counts.pop("pairs") == len(split.queries) * len(plain.gallery_names)
    assert counts.pop("pairs_missing") == {}
    assert counts.pop("detections_searched") == len(split.queries) * wanted["protocol"]["counts"].pop(
        "detections_searched"
    )
    assert got["protocol"] == wanted["protocol"]


@given(SEEDS, st.booleans(), DUPLICATES)
@settings(max_examples=30, deadline=None)
def test_each_query_has_exactly_its_ordinary_result(seed, tied, duplicates):
    split, plain = random_case(seed, tied=tied)
    found = detected_boxes(split, plain).above(THRESHOLD)
    wanted = search_queries(split, split.galleries, found, plain, duplicates=duplicates)
    assert results(split, as_pairs(plain), duplicates=duplicates) == wanted


@pytest.mark.parametrize("tree", ["clean", "quirks"])
@pytest.mark.parametrize("short", ["cuhk", "prw"])
@pytest.mark.parametrize("duplicates", ["once", "original"])
def test_the_protocol_cases_as_pairs_give_every_metric_exactly(tree, short, duplicates):
    split = open_data_set(DATA_SETS[short], CASES / tree / short).splits()["test"]
    plain = read_detections(CASES / tree / f"{short}_dump.npz")
    wanted, got = (
        metrics(split, detections, DATA_SETS[short], duplicates=duplicates)
        for detections in (plain, as_pairs(plain))
    )
    assert without_protocol(got) == without_protocol(wanted)


@pytest.mark.parametrize("tree", ["clean", "quirks"])
def test_prw_mini_is_prw_with_five_queries(tmp_path, tree):
    chosen = [1, 3, 4, 7, 8]
    mini = tmp_path / "prw"
    mini.mkdir()
    for path in (CASES / tree / "prw").iterdir():
        (mini / path.name).symlink_to(path)
    lines = (CASES / tree / "prw" / "query_info.txt").read_text().split("\n")
    (mini / "prwmini_query_info.txt").write_text("\n".join(lines[index] for index in chosen))
    plain = read_detections(CASES / tree / "prw_dump.npz")
    own = {name: getattr(plain, name)[chosen] for name in QUERIES}
    context = dict.fromkeys(("query_counts", "query_dets", "query_ctx_feats"))
    split = open_data_set("prw_mini", mini).splits()["test"]
    got = metrics(split, as_pairs(replace(plain, **own, **context)), "prw_mini")

    whole = in_whole_pixels(open_data_set("prw", CASES / tree / "prw").splits()["test"])
    found = detected_boxes(whole, plain).above(THRESHOLD)
    each = search_queries(whole, whole.galleries, found, plain)
    some = search_metrics({name: [reached[index] for index in chosen] for name, reached in each.items()})
    for name, wanted in (("search", some["full"]), ("search_cross_camera", some["cross_camera"])):
        assert got[name] == pytest.approx({key: wanted[key] for key in got[name]}, abs=1e-12)


# Boxes that depend on the query.


@given(SEEDS, st.booleans(), DUPLICATES)
@settings(max_examples=80, deadline=None)
def test_pairs_of_their_own_are_the_plain_loops(seed, tied, duplicates):
    split, detections = random_pairs(seed, tied=tied)
    got = search_metrics(results(split, detections, duplicates=duplicates))
    for name in split.galleries:
        wanted = slow_pairs.search(split, detections, name, THRESHOLD, duplicates)
        assert {key: got[name][key] for key in wanted} == pytest.approx(wanted, abs=1e-9), name


@given(SEEDS, st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_order_of_pairs_boxes_and_images_changes_nothing(seed, tied):
    split, detections = random_pairs(seed, tied=tied)
    random = np.random.default_rng(seed)
    other = permuted_pairs(detections, random)
    assert metrics(split, other) == metrics(split, detections)
    assert results(split, permuted(other, random)) == results(split, detections)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_no_feature_of_a_detection_and_no_scale_of_similarities_has_an_effect(seed):
    split, detections = random_pairs(seed)
    other = replace(
        detections,
        gallery_feats=detections.gallery_feats[:, :0],
        query_feats=detections.query_feats[:, :0],
        query_ctx_feats=detections.query_ctx_feats[:, :0],
        pair_similarities=np.exp(detections.pair_similarities / 20) - 1000.0,
    )
    assert metrics(split, other) == metrics(split, detections)


def test_the_threshold_is_rounded_to_the_scores_width():
    split, detections = random_pairs(3)
    narrow = replace(detections, pair_dets=detections.pair_dets.astype(np.float32))
    assert (narrow.pair_dets[:, 4] == np.float32(THRESHOLD)).any()
    assert search_metrics(results(split, narrow)) == search_metrics(results(split, detections))


def test_nothing_at_all_is_found():
    split, detections = random_pairs(5)
    empty = replace(
        detections,
        pair_counts=0 * detections.pair_counts,
        pair_dets=detections.pair_dets[:0],
        pair_similarities=detections.pair_similarities[:0],
    )
    assert metrics(split, empty)["search"] == {"mAP": 0.0, "top1": 0.0, "top5": 0.0, "top10": 0.0}


def test_there_are_no_queries():
    split, detections = random_pairs(1)
    none = Galleries("all", np.array([0]), np.zeros(0, np.int32), np.array([0]), NONE, np.zeros((0, 4)))
    empty = {name: getattr(detections, name)[:0] for name in (*PAIRS, *QUERIES)}
    alone = replace(detections, **empty, query_counts=None, query_dets=None, query_ctx_feats=None)
    got = metrics(replace(split, queries=(), galleries={"12": none}), alone)
    assert got["search"]["mAP"] == got["protocol"]["counts"]["pairs"] == 0


def test_progress_is_told():
    split, detections = random_pairs(2)
    told = []
    results(split, detections, progress=lambda done, total: told.append((done, total)))
    assert told == [(index + 1, len(split.queries)) for index in range(len(split.queries))]


@pytest.mark.parametrize("width", [np.int8, np.uint8, np.int32, np.uint64])
def test_integers_may_have_any_width(width):
    split, detections = random_pairs(4)
    whole = {name: getattr(detections, name).astype(width) for name in INTEGERS}
    assert results(split, replace(detections, **whole)) == results(split, detections)


# Galleries that lack pairs.


def in_gallery(split, detections, name):
    """Return which pairs a gallery needs."""
    place = {scene.name: index for index, scene in enumerate(split.scenes)}
    needed = {
        (index, scene)
        for index, query in enumerate(split.queries)
        for scene in split.galleries[name].of_query(index, query.scene, split.cameras).scenes.tolist()
    }
    scenes = [place[str(detections.gallery_names[scene])] for scene in detections.pair_scenes]
    pairs = zip(detections.pair_queries.tolist(), scenes, strict=True)
    return np.array([pair in needed for pair in pairs])


@pytest.mark.parametrize("seed", range(5))
def test_only_whole_galleries_are_reported(seed):
    split, detections = random_pairs(seed, scenes=14)
    needed = in_gallery(split, detections, "12")
    some = chosen_pairs(detections, np.flatnonzero(needed))
    got, wanted = metrics(split, some), metrics(split, detections)
    missing = {
        name: int((in_gallery(split, detections, name) & ~needed).sum()) for name in ("full", "cross_camera")
    }
    assert got["protocol"]["counts"]["pairs_missing"] == {name: n for name, n in missing.items() if n}
    assert got["search"] == wanted["search"]
    assert got["search_by_gallery"] == {"12": wanted["search"]}
    assert missing["full"] and missing["cross_camera"] and got["search_cross_camera"] is None
    assert list(got["protocol"]["counts"]["queries_without_match"]) == ["12"]
    for options in ({"gallery_sizes": ("full",)}, {"gallery_sizes": ("12", "full")}):
        says = f"gallery 'full' lacks {missing['full']} pairs .* in infer.galleries of params.yaml"
        with pytest.raises(UserError, match=says):
            metrics(split, some, **options)
    with pytest.raises(UserError, match=f"gallery 'cross_camera' lacks {missing['cross_camera']} pairs"):
        metrics(split, some, cross_camera=True)


def test_the_default_gallery_must_be_whole():
    split, detections = random_pairs(6)
    first = np.flatnonzero(in_gallery(split, detections, "12"))[0]
    some = chosen_pairs(detections, np.delete(np.arange(len(detections.pair_queries)), first))
    with pytest.raises(UserError, match="gallery '12' lacks 1 pairs of a query and a scene"):
        metrics(split, some, gallery_sizes=("full",))


def test_a_gallery_that_nobody_asked_for_may_lack_pairs():
    split, detections = random_pairs(6, scenes=14)
    some = chosen_pairs(detections, np.flatnonzero(in_gallery(split, detections, "12")))
    got = metrics(split, some, gallery_sizes=("12",))
    assert "full" not in got["protocol"]["counts"]["pairs_missing"]


def test_cbgm_needs_embeddings():
    split, detections = random_pairs(6)
    with pytest.raises(UserError, match="CBGM needs one embedding for each detection"):
        metrics(split, detections, cbgm=True)


def test_ordinary_detections_have_no_pairs():
    split, detections = random_case(6)
    with pytest.raises(UserError, match="no pairs of a query and a scene"):
        pair_boxes(split, detections, THRESHOLD)


# Arrays that are wrong.

GOOD = random_pairs(8)[1]


def changed(name, change):
    return {name: change(getattr(GOOD, name).copy())}


def spoiled(array):
    array[2] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            ({name: None}, rf"pair_\w+ is there but {name} is missing")
            for name in (*INTEGERS, "pair_dets", "pair_similarities")
        ),
        (changed("pair_queries", lambda a: a.astype(float)), "pair_queries must be a list of integers"),
        (changed("pair_scenes", lambda a: a[:, None]), "pair_scenes must be a list of integers"),
        (changed("pair_counts", lambda a: -a - 1), "pair_counts holds a negative count"),
        (changed("pair_counts", lambda a: a + 1), "pair_counts add up to"),
        (changed("pair_counts", lambda a: a[1:]), "pair_counts has 35 entries for 36 pair_queries"),
        (changed("pair_scenes", lambda a: a[1:]), "pair_scenes has 35 entries for 36 pair_queries"),
        (changed("pair_dets", lambda a: a[:, :4]), "pair_dets must have 5 columns"),
        (changed("pair_dets", spoiled), "pair_dets holds NaN or infinity, first in row 2"),
        (changed("pair_similarities", spoiled), "pair_similarities holds NaN or infinity, first in row 2"),
        (changed("pair_similarities", lambda a: a[:, None]), "pair_similarities must be a list of floats"),
        (changed("pair_similarities", lambda a: a.astype(int)), "pair_similarities must be a list of floats"),
        (changed("pair_similarities", lambda a: a[1:]), "but pair_similarities has"),
        (changed("pair_dets", lambda a: a[1:]), "but pair_dets has"),
        (
            changed("pair_queries", lambda a: a + 1),
            "pair_queries holds 4, .* no index into the 4 query_names",
        ),
        (changed("pair_scenes", lambda a: a - 1), "pair_scenes holds -1, .* into the 9 gallery_names"),
        (
            changed("pair_scenes", lambda a: np.where(a == 2, 5, a)),
            "the pair of query 0 and scene 's5.jpg' stands more than once",
        ),
    ],
)
def test_wrong_pairs_are_one_line(change, message):
    with pytest.raises(UserError, match=message) as raised:
        replace(GOOD, **change)
    assert "\n" not in str(raised.value)
