from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.evaluation.search import search_metrics, search_queries
from pipeline.reporting.ranking import ranked_hits
from pipeline.reporting.shown_queries import at_random, evenly_spaced, most_gained, shown_queries
from tests.evaluation.cases import random_case


@given(st.integers(0, 5000), st.integers(1, 12))
def test_evenly_spaced_numbers_are_different_and_as_far_apart_as_they_can_be(total, number):
    chosen = evenly_spaced(total, number)
    assert len(chosen) == min(total, number)
    assert all(0 <= index < total for index in chosen)
    steps = [after - before for before, after in pairwise(chosen)]
    assert all(step >= 1 for step in steps)
    assert not steps or max(steps) - min(steps) <= 1
    if chosen:
        assert abs(chosen[0] - (total - 1 - chosen[-1])) <= 1


def test_the_choice_for_300_queries():
    assert evenly_spaced(300, 5) == [30, 90, 150, 210, 270]


@given(st.integers(0, 300), st.integers(1, 12), st.integers(0, 99))
def test_a_random_choice_is_of_different_queries_and_the_same_again(total, number, seed):
    chosen = at_random(total, number, seed)
    assert chosen == sorted(set(chosen)) == at_random(total, number, seed)
    assert len(chosen) == min(total, number)
    assert all(0 <= index < total for index in chosen)


def test_the_most_gained_and_the_most_lost():
    gained, lost = most_gained([0.5, 0.5, 0.5, 0.5], [0.5, 1.0, 0.0, 0.7], number=2)
    assert (gained, lost) == ([1, 3], [2, 0])
    assert most_gained([], []) == ([], [])
    assert most_gained([0.1] * 9, [0.1] * 9, number=3) == ([0, 1, 2], [0, 1, 2])


@given(st.integers(0, 10**6))
def test_answers_are_the_rankings(seed):
    split, detections = random_case(seed)
    other = random_case(seed, tied=True)[1]
    everybody = list(range(len(split.queries)))
    shown = shown_queries(
        split, {"a": detections, "b": other}, "full", search_threshold=0.3, chosen=everybody, top=2
    )
    assert [query.number for query in shown] == everybody
    for query in shown:
        assert list(query.answers) == ["a", "b"]
        everything = ranked_hits(split, detections, query.number, "full", search_threshold=0.3)
        answer = query.answers["a"]
        assert [hit.similarity for hit in answer.hits] == [hit.similarity for hit in everything[:2]]
        assert answer.ranks == [rank for rank, hit in enumerate(everything, 1) if hit.correct]
        assert len(answer.ranks) <= query.matches
    found = detected_boxes(split, detections).above(0.3)
    top1 = search_metrics(search_queries(split, {"full": split.galleries["full"]}, found, detections))[
        "full"
    ]["top1"]
    assert np.mean([query.answers["a"].ranks[:1] == [1] for query in shown]) == top1
