"""The ranking, exact and with FAISS, against a plain product in float64."""

import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search import extras
from person_search.index import faiss, loaded, writer
from person_search.index.faiss import FaissPeople
from person_search.index.loaded import LoadedPeople
from person_search.index.ranking import mean_query, rank
from person_search.index.rows import PeopleRows
from person_search.index.schema import About
from person_search.index.selection import Selection, check_times
from person_search.index.store import PeopleStore
from pipeline.basics.errors import UserError
from tests.person_search.index.drawn import START, STATE, Person, rows_of, unit

DIMENSION = 16
SAME = 1e-6
"""Similarities that are as close as this are taken for equal."""
HALF = 5e-4
"""How far similarities with embeddings rounded to float16 may differ."""


@pytest.fixture(autouse=True)
def _no_disk_is_waited_for(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _file: None)


@st.composite
def sources_with_people(draw):
    """People by source; many have the embedding of another one."""
    numbers = draw(st.lists(st.integers(0, 12), min_size=1, max_size=40))
    cameras = st.sampled_from([None, "hall", "door"])
    return [
        Person(f"s{draw(st.integers(0, 6))}", draw(st.integers(0, 2)), number, draw(cameras), hour)
        for number, hour in zip(numbers, draw(st.lists(hours, min_size=40, max_size=40)), strict=False)
    ]


hours = st.none() | st.integers(0, 5)
selections = st.builds(
    Selection,
    sources=st.sampled_from([(), ("s1",), ("s[0-3]", "s5"), ("none",)]),
    exclude_sources=st.sampled_from([(), ("s2",), ("s*",)]),
    cameras=st.sampled_from([(), ("hall",), ("hall", "door")]),
    after=st.none() | st.integers(0, 5).map(lambda hour: START + timedelta(hours=hour)),
    before=st.none() | st.integers(0, 5).map(lambda hour: START + timedelta(hours=hour)),
    min_score=st.sampled_from([None, 0.0, 0.3, 0.9]),
)


def stored(path, people, dtype="float32", commits=1):
    """Put people into a store, in some commits of whole sources."""
    shutil.rmtree(path, ignore_errors=True)
    store = PeopleStore.create(path, About("ab", DIMENSION, {}, dtype))
    names = sorted({one.source for one in people})
    for part in range(commits):
        own = [one for one in people if one.source in names[part::commits]]
        store.commit(rows_of(own, DIMENSION), dict.fromkeys(names[part::commits], STATE))
    return store


def fits(one, where):
    """Tell whether a selection has a person, in plain Python."""
    named = {"s1": {"s1"}, "s[0-3]": {"s0", "s1", "s2", "s3"}, "s5": {"s5"}, "none": set(), "s2": {"s2"}}
    named["s*"] = {f"s{number}" for number in range(7)}
    time = None if one.hour is None else START + timedelta(hours=one.hour)
    return (
        (not where.sources or any(one.source in named[name] for name in where.sources))
        and not any(one.source in named[name] for name in where.exclude_sources)
        and (not where.cameras or one.camera in where.cameras)
        and (where.after is None or (time is not None and time >= where.after))
        and (where.before is None or (time is not None and time < where.before))
        and (where.min_score is None or np.float32((one.number % 10) / 10) >= np.float32(where.min_score))
    )


def plain(people, queries, where, dtype):
    """Return (similarity, source, frame, number) of all selected people, in order."""
    vectors = np.asarray(queries, np.float64)
    mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    query = mean / np.linalg.norm(mean)
    rows = [
        (float((unit([one.number], DIMENSION).astype(dtype)[0].astype(np.float64) * query).sum()), one)
        for one in people
        if fits(one, where)
    ]
    return [
        (similarity, one.source, one.frame, one.number)
        for similarity, one in sorted(rows, key=lambda row: (-row[0], row[1].source, row[1].frame))
    ]


def check_hits(hits, wanted, top, tolerance=SAME):
    """Check that hits are the first of all people, up to ties."""
    assert len(hits) == min(top, len(wanted))
    everyone = {(source, frame, number): similarity for similarity, source, frame, number in wanted}
    for hit, (similarity, *_) in zip(hits, wanted, strict=False):
        assert abs(hit.similarity - similarity) <= tolerance
        assert abs(everyone[hit.source, hit.frame, int(hit.box[0])] - similarity) <= 2 * tolerance
    assert len({hit.row for hit in hits}) == len(hits)


ways = pytest.mark.parametrize("way", ["exact", "flat", "fp16"])
dtypes = pytest.mark.parametrize("dtype", ["float16", "float32"])


@ways
@dtypes
@given(
    people=sources_with_people(),
    queries=st.lists(st.integers(0, 15), min_size=1, max_size=3, unique=True),
    top=st.integers(1, 12),
    where=selections,
)
def test_hits_are_those_of_a_plain_product(tmp_path, way, dtype, people, queries, top, where):
    with stored(tmp_path / "people", people, dtype).snapshot() as snapshot:
        own = LoadedPeople.of(snapshot)
    vectors = unit(queries, DIMENSION) * np.float32(3)
    searched = own if way == "exact" else FaissPeople(own, way)
    hits = rank(searched, vectors, top, where)
    rounded = way == "fp16" and dtype == "float32"
    check_hits(hits, plain(people, vectors, where, dtype), top, HALF if rounded else SAME)
    if not rounded:
        assert hits == rank(own, vectors, top, where)
    keys = [(-hit.similarity, hit.source, hit.frame) for hit in hits]
    assert keys == sorted(keys)


@given(people=sources_with_people(), where=selections, top=st.integers(1, 50))
def test_hits_do_not_depend_on_how_files_lie(tmp_path, people, where, top):
    query = unit([3], DIMENSION)
    answers = []
    for commits in (1, 3, 7):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "SIZES", (0,))
            patch.setattr(writer.StoreWriter, "_finish", lambda _self: None)
            store = stored(tmp_path / "people", people, "float16", commits)
        answers.append([replace(hit, row=0) for hit in rank(store, query, top, where)])
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_many_people_in_blocks(tmp_path, monkeypatch, threads, dtype):
    monkeypatch.setenv("PERSON_SEARCH_THREADS", str(threads))
    monkeypatch.setattr(loaded, "ROWS_AT_ONCE", 7)
    people = [Person(f"s{number % 50}", 0, number, "hall" if number % 3 else None) for number in range(500)]
    with stored(tmp_path / "people", people, "float16", commits=4).snapshot() as snapshot:
        own = LoadedPeople.of(snapshot, dtype=dtype)
    assert own.embeddings.dtype == dtype
    for where in (None, Selection(cameras=["hall"])):
        hits = rank(own, unit([499], DIMENSION), 30, where)
        check_hits(hits, plain(people, unit([499], DIMENSION), where or Selection(), "float16"), 30)


def test_a_hit_says_all_that_is_known(tmp_path):
    people = [Person("a b.jpg", 0, 7, "hall", 3), Person("v.mp4", 25, 5)]
    store = stored(tmp_path / "people", people)
    first, second = rank(store, unit([7], DIMENSION))
    assert (first.source, first.frame, first.camera, *first.box) == ("a b.jpg", 0, "hall", 7, 0, 8, 1)
    assert first.time == START + timedelta(hours=3)
    assert first.similarity == pytest.approx(1) and first.score == pytest.approx(0.7)
    assert (second.frame, second.camera, second.time) == (25, None, None)


def test_the_row_of_a_hit_gives_its_embedding(tmp_path):
    people = [Person(f"s{number}", 0, number) for number in range(5)]
    with stored(tmp_path / "people", people).snapshot() as snapshot:
        own = LoadedPeople.of(snapshot)
    hit = rank(own, unit([3], DIMENSION), 1)[0]
    np.testing.assert_allclose(own.vectors(np.array([hit.row])), unit([3], DIMENSION), atol=1e-6)


def test_equal_people_come_in_order_of_source_frame_and_place(tmp_path):
    people = [Person(source, frame, 1) for source in ("b", "a") for frame in (2, 0) for _ in range(3)]
    store = stored(tmp_path / "people", people)
    for top in (1, 5, 12):
        hits = rank(store, unit([1], DIMENSION), top)
        keys = [(hit.source, hit.frame, hit.row) for hit in hits]
        assert keys == sorted(keys) and len(keys) == top
        assert keys[0][:2] == ("a", 0)


def test_faiss_is_asked_for_more_where_people_are_equal(tmp_path):
    people = [Person(f"s{number:03d}", 0, 1) for number in range(300)] + [Person("z", 0, 2)]
    with stored(tmp_path / "people", people).snapshot() as snapshot:
        own = LoadedPeople.of(snapshot)
    for kind in ("flat", "fp16"):
        hits = rank(FaissPeople(own, kind), unit([1], DIMENSION), 4)
        assert [hit.source for hit in hits] == ["s000", "s001", "s002", "s003"]


@ways
def test_an_empty_store_and_a_selection_of_nobody(tmp_path, way):
    for people, where in (([], None), ([Person("a", 0, 1)], Selection(cameras=["none"]))):
        with stored(tmp_path / "people", people).snapshot() as snapshot:
            own = LoadedPeople.of(snapshot)
        assert rank(own if way == "exact" else FaissPeople(own, way), unit([1], DIMENSION), 5, where) == []


def test_loading_a_selection_loads_no_others(tmp_path):
    people = [Person(f"s{number}", 0, number, "hall" if number % 2 else None) for number in range(9)]
    with stored(tmp_path / "people", people, commits=3).snapshot() as snapshot:
        own = LoadedPeople.of(snapshot, Selection(cameras=["hall"]))
    assert len(own) == len(own.people) == 4
    assert rank(own, unit([3], DIMENSION), 1)[0].source == "s3"


def test_several_queries_weigh_the_same_whatever_their_length():
    one, other = unit([1, 2], DIMENSION)
    mean = mean_query(np.stack([one, other]), DIMENSION)
    np.testing.assert_allclose(mean_query(np.stack([5 * one, other]), DIMENSION), mean, atol=1e-7)
    assert np.linalg.norm(mean) == pytest.approx(1)


@pytest.mark.parametrize(
    ("queries", "says"),
    [
        (np.ones((1, 4)), "embeddings of 16 numbers"),
        (np.ones(DIMENSION), "embeddings of 16 numbers"),
        (np.ones((0, DIMENSION)), "embeddings of 16 numbers"),
        (np.zeros((1, DIMENSION)), "no direction"),
        (np.full((1, DIMENSION), np.nan), "no direction"),
        (np.stack([np.ones(DIMENSION), -np.ones(DIMENSION)]), "cancel each other out"),
    ],
)
def test_queries_that_are_none(queries, says):
    with pytest.raises(UserError, match=says):
        mean_query(queries, DIMENSION)


def test_no_hits_are_not_asked_for(tmp_path):
    with pytest.raises(ValueError, match="1 or more"):
        rank(stored(tmp_path / "people", []), unit([1], DIMENSION), 0)


@pytest.mark.parametrize("wrong", [{"sources": "a"}, {"cameras": "a"}, {"after": START.replace(tzinfo=None)}])
def test_a_selection_that_is_never_meant(wrong):
    with pytest.raises(ValueError):
        Selection(**wrong)


def test_times_between_which_nothing_is():
    for hours in (0, 1):
        second = START - timedelta(hours=hours)
        says = re.escape(f"before {second.astimezone(UTC).isoformat(' ')}: give")
        with pytest.raises(UserError, match=says):
            check_times(START, second.astimezone(timezone(timedelta(hours=2))))
    check_times(START, (START + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-2))))
    for times in ((START, None), (None, START), (None, None)):
        check_times(*times)


def test_a_missing_faiss_is_said_in_one_line(tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with stored(tmp_path / "people", []).snapshot() as snapshot, pytest.raises(UserError) as caught:
        FaissPeople(LoadedPeople.of(snapshot))
    assert faiss.INSTALL in str(caught.value) and "\n" not in str(caught.value)


def test_scores_fall_strictly_where_people_differ(tmp_path):
    people = [Person("a", 0, number) for number in range(20)]
    hits = rank(stored(tmp_path / "people", people), unit([3], DIMENSION), 20)
    assert all(one.similarity > other.similarity for one, other in pairwise(hits))


def test_bytes_of_a_table_given_twice(tmp_path):
    """The arrays of a commit are not changed by it."""
    rows = rows_of([Person("b", 0, 1), Person("a", 0, 2)], DIMENSION)
    before = rows.embeddings.copy()
    PeopleStore.create(tmp_path / "p", About("a", DIMENSION)).commit(rows, {"a": STATE, "b": STATE})
    np.testing.assert_array_equal(rows.embeddings, before)
    assert isinstance(rows, PeopleRows) and list(rows.source) == ["b", "a"]
