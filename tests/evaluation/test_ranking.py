from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.evaluation.pairs import pair_boxes, search_pairs
from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.evaluation.search import TOP_K, UNRANKED, search_metrics, search_queries
from pipeline.reporting.ranking import query_results, ranked_hits
from tests.evaluation.cases import permuted, random_case
from tests.evaluation.pair_cases import as_pairs, chosen_pairs, random_pairs

THRESHOLD = 0.3
GALLERIES = ("12", "full", "cross_camera")


def rankings(split, detections, gallery, top=None):
    return [
        ranked_hits(split, detections, query, gallery, search_threshold=THRESHOLD, top=top)
        for query in range(len(split.queries))
    ]


def results(split, detections, gallery):
    return query_results(split, detections, gallery, search_threshold=THRESHOLD)


def metrics(split, detections):
    if detections.has_pairs:
        return search_metrics(search_pairs(split, split.galleries, pair_boxes(split, detections, THRESHOLD)))
    found = detected_boxes(split, detections).above(THRESHOLD)
    return search_metrics(search_queries(split, split.galleries, found, detections))


@pytest.mark.parametrize("gallery", GALLERIES)
@pytest.mark.parametrize("case", [random_case, random_pairs])
@given(seed=st.integers(0, 10**6), tied=st.booleans())
def test_top_k_is_that_of_the_metrics(gallery, case, seed, tied):
    split, detections = case(seed, tied=tied)
    expected = metrics(split, detections)[gallery]
    for k in TOP_K:
        reached = [any(hit.correct for hit in hits) for hits in rankings(split, detections, gallery, top=k)]
        assert np.mean(reached) == pytest.approx(expected[f"top{k}"])


@pytest.mark.parametrize("gallery", GALLERIES)
@pytest.mark.parametrize("case", [random_case, random_pairs])
@given(seed=st.integers(0, 10**6), tied=st.booleans())
def test_results_of_the_queries_add_up_to_the_metrics(gallery, case, seed, tied):
    split, detections = case(seed, tied=tied)
    expected = metrics(split, detections)[gallery]
    reached = results(split, detections, gallery)
    assert np.mean([result.ap for result in reached]) == pytest.approx(expected["mAP"])
    for result, hits in zip(reached, rankings(split, detections, gallery), strict=True):
        ranks = [rank for rank, hit in enumerate(hits, start=1) if hit.correct]
        assert result.rank == (ranks[0] if ranks else UNRANKED)
        assert len(ranks) <= result.matches


@given(seed=st.integers(0, 10**6))
def test_average_precision_follows_from_the_hits(seed):
    split, detections = random_case(seed)
    for result, hits in zip(
        results(split, detections, "full"), rankings(split, detections, "full"), strict=True
    ):
        correct = np.array([hit.correct for hit in hits], dtype=float)
        precision = np.cumsum(correct) / np.arange(1, len(hits) + 1)
        wanted = float((precision * correct).sum()) / max(result.matches, 1)
        assert result.ap == pytest.approx(wanted)


@given(seed=st.integers(0, 10**6), tied=st.booleans())
def test_hits_are_boxes_of_the_gallery_by_falling_similarity(seed, tied):
    split, detections = random_case(seed, tied=tied)
    found = detected_boxes(split, detections).above(THRESHOLD)
    for query, hits in enumerate(rankings(split, detections, "12")):
        gallery = split.galleries["12"].of_query(query, split.queries[query].scene, split.cameras)
        listed = set(gallery.scenes.tolist())
        assert len(hits) == int(np.isin(found.scene_of, list(listed)).sum())
        assert all(before.similarity >= after.similarity for before, after in pairwise(hits))
        assert all(
            not before.correct or after.correct
            for before, after in pairwise(hits)
            if before.similarity == after.similarity
        )
        holding = gallery.scenes[gallery.positives].tolist()
        right = [hit.scene for hit in hits if hit.correct]
        assert len(right) == len(set(right)) and set(right) <= set(holding)


@given(seed=st.integers(0, 10**6))
def test_the_order_of_images_and_boxes_changes_nothing(seed):
    split, detections = random_case(seed)
    other = permuted(detections, np.random.default_rng(seed))
    for hits, others in zip(rankings(split, detections, "full"), rankings(split, other, "full"), strict=True):
        assert [(hit.scene, hit.similarity, hit.correct) for hit in hits] == [
            (hit.scene, hit.similarity, hit.correct) for hit in others
        ]


@given(seed=st.integers(0, 10**6), tied=st.booleans())
def test_ordinary_detections_as_pairs_are_ranked_the_same(seed, tied):
    split, plain = random_case(seed, tied=tied)
    feats = {name: getattr(plain, name).astype(np.float32) for name in ("gallery_feats", "query_feats")}
    plain = replace(plain, **feats)
    for gallery in GALLERIES:
        for hits, others in zip(
            rankings(split, plain, gallery), rankings(split, as_pairs(plain), gallery), strict=True
        ):
            assert [shown(hit) for hit in hits] == [shown(hit) for hit in others]


def shown(hit):
    return hit.scene, hit.box.tolist(), hit.similarity, hit.correct


def test_a_gallery_that_lacks_pairs_is_not_ranked():
    split, detections = random_pairs(3)
    some = chosen_pairs(detections, np.arange(len(detections.pair_queries) - 9))
    with pytest.raises(UserError, match=r"gallery 'full' lacks \d pairs"):
        ranked_hits(split, some, 0, "full", search_threshold=0.5)
    with pytest.raises(UserError, match=r"gallery 'full' lacks \d pairs"):
        query_results(split, some, "full", search_threshold=0.5)


def test_top_cuts_the_list():
    split, detections = random_case(3)
    everything = rankings(split, detections, "full")
    for hits, first in zip(everything, rankings(split, detections, "full", top=2), strict=True):
        assert [hit.similarity for hit in first] == [hit.similarity for hit in hits[:2]]


def test_what_is_not_there_is_named():
    split, detections = random_case(0)
    with pytest.raises(UserError, match="no gallery '99'; the data set has 12, full, cross_camera"):
        ranked_hits(split, detections, 0, "99", search_threshold=0.5)
    with pytest.raises(UserError, match="no query 4; the data set has 4"):
        ranked_hits(split, detections, 4, "full", search_threshold=0.5)
    renamed = replace(detections, query_names=np.array(["elsewhere.jpg"] * len(split.queries)))
    with pytest.raises(UserError, match="queries must stand in the data set's order"):
        ranked_hits(split, renamed, 0, "full", search_threshold=0.5)
