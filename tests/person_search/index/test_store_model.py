"""Any sequence of changes, killed anywhere, against a plain dict."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from person_search.index import writer
from person_search.index.coverage import SourceState
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore
from tests.person_search.index.drawn import (
    ABOUT,
    START,
    STATE,
    Person,
    rows_of,
    seen,
    seen_by_others,
)
from tests.person_search.index.dying import Dying

SOURCES = ["a", "b", "d/e", "d/f"]
CAMERAS = [None, "hall", "door"]
SEGMENT = 10
"""Frames of a video that are read at a time."""


@dataclass
class Model:
    """What a store should hold."""

    people: dict[str, list[Person]] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)

    def rows(self):
        return sorted(
            (one for people in self.people.values() for one in people),
            key=lambda one: (one.source, one.frame, one.number),
        )

    def copy(self):
        return Model({source: list(people) for source, people in self.people.items()}, dict(self.states))

    def forget(self, fits):
        for source in [source for source in self.states if fits(source)]:
            del self.states[source], self.people[source]

    def remove(self, fits):
        for people in self.people.values():
            people[:] = [one for one in people if not fits(one)]


MODES = st.sampled_from(["replace", "continue", "continue", "again"])
draws = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(0, 3), st.sampled_from([False, False, True]), MODES),
    min_size=1,
    max_size=3,
    unique_by=lambda draw: draw[0],
)
operations = st.one_of(
    st.tuples(st.just("commit"), draws),
    st.tuples(st.just("commit"), draws),
    st.tuples(st.just("commit"), draws),
    st.tuples(st.just("forget"), st.sampled_from([*SOURCES, "d/*", "*"])),
    st.tuples(st.just("camera"), st.sampled_from(CAMERAS[1:])),
    st.tuples(st.just("age"), st.integers(0, 40)),
    st.tuples(st.just("prune"), st.sets(st.sampled_from(SOURCES))),
)
steps = st.lists(st.tuples(operations, st.none() | st.integers(0, 11)), min_size=1, max_size=12)


class Run:
    """Applies operations to a store and to its model."""

    def __init__(self, path):
        self.store = PeopleStore.create(path, ABOUT)
        self.model = Model()
        self._numbers = count(1)

    def planned(self, name, argument):
        """Return what an operation does to a writer, and the model after it."""
        after = self.model.copy()
        if name == "commit":
            people, states, continues = self._commit(argument, after)
            return lambda own: own.commit(rows_of(people), states, continues), after
        if name == "forget":
            where = Selection(sources=[argument])
            after.forget(where.has_source)
            return lambda own: own.remove(where), after
        if name == "prune":
            after.forget(lambda source: source not in argument)
            return lambda own: own.prune(argument), after
        if name == "camera":
            after.remove(lambda one: one.camera == argument)
            return lambda own: own.remove(Selection(cameras=[argument])), after
        after.remove(lambda one: one.hour is not None and one.hour < argument)
        return lambda own: own.remove(Selection(before=START + timedelta(hours=argument))), after

    def _commit(self, drawn, after):
        people, states, continues = [], {}, {}
        for source, amount, whole, mode in drawn:
            known = after.states.get(source)
            first = 0
            if mode != "replace" and known and known.last_frame is not None:
                # Read again from a little before its end: what is read twice is replaced.
                first = known.last_frame + 1 if mode == "continue" else max(1, known.last_frame - 8)
                continues[source] = first
            size = known.size if continues.get(source) else next(self._numbers)
            states[source] = SourceState(size, 0, whole, None if whole else first + SEGMENT)
            own = [self._person(source, first + 3 * place) for place in range(amount)]
            kept = [one for one in after.people.get(source, []) if one.frame < first]
            after.people[source] = kept + own
            after.states[source] = states[source]
            people += own
        return people, states, continues

    def _person(self, source, frame):
        number = next(self._numbers)
        return Person(source, frame, number, CAMERAS[number % 3], None if number % 4 == 0 else number)


def check(run, model):
    """Check that a store holds what the model does, for its own readers."""
    assert seen(run.store.path) == model.rows()
    assert run.store.sources() == model.states


@pytest.fixture
def small(monkeypatch):
    """Files are merged after a few commits, and no disk is waited for."""
    monkeypatch.setattr(writer, "COMMITS_BETWEEN", 2)
    monkeypatch.setattr(writer, "LARGEST", 9)
    monkeypatch.setattr(writer, "SIZES", (2, 4, 9))
    monkeypatch.setattr(os, "fsync", lambda _file: None)


@settings(max_examples=60)
@given(steps)
def test_any_sequence_of_changes_gives_the_rows_of_a_dict(small, tmp_path, steps):
    path = tmp_path / "people"
    shutil.rmtree(path, ignore_errors=True)
    run = Run(path)
    with run.store.writing() as own:
        for (name, argument), _ in steps:
            change, after = run.planned(name, argument)
            change(own)
            run.model = after
            check(run, after)
            assert seen_by_others(path) == after.rows()
            assert own.sources() == after.states
    check(run, run.model)
    assert seen_by_others(path) == run.model.rows()


@settings(max_examples=60)
@given(steps)
def test_a_kill_anywhere_leaves_the_rows_from_before_or_after(small, tmp_path, monkeypatch, steps):
    path = tmp_path / "people"
    shutil.rmtree(path, ignore_errors=True)
    run = Run(path)
    for (name, argument), step in steps:
        change, after = run.planned(name, argument)
        with Dying(monkeypatch, -1 if step is None else step), run.store.writing() as own:
            change(own)
        found, states = seen(path), run.store.sources()
        if name in ("camera", "age"):  # file by file: it is called again
            assert states == after.states
            assert set(after.rows()) <= set(found) <= set(run.model.rows())
            with run.store.writing() as own:
                change(own)
        elif found != after.rows() or states != after.states:
            assert step is not None
            after = run.model
            assert (found, states) == (after.rows(), after.states)
        run.model = after
    with run.store.writing():
        assert seen_by_others(path) == run.model.rows()
        assert not list(path.glob(".*"))
    check(run, run.model)


def test_merging_killed_at_every_step(small, tmp_path, monkeypatch):
    def filled(path):
        store = PeopleStore.create(path, ABOUT)
        for number in range(4):
            with monkeypatch.context() as patch:
                patch.setattr(writer, "SIZES", (0,))  # leave small files
                store.commit(rows_of([Person(f"s{number}", 0, number)]), {f"s{number}": STATE})
        return store

    step = 0
    while True:
        store = filled(tmp_path / str(step))
        before = seen(store.path)
        with Dying(monkeypatch, step) as dying, store.writing():
            pass
        assert seen(store.path) == before
        with store.writing():
            assert seen_by_others(store.path) == before
        if not dying.dead:
            break
        step += 1
    assert step == 10  # before and after one renaming and four deletions


LOOP = """
import sys
from pathlib import Path
from tests.person_search.index.drawn import ABOUT, STATE, Person, rows_of
from person_search.index.store import PeopleStore
store = PeopleStore.create(Path(sys.argv[1]), ABOUT)
print("ready", flush=True)
with store.writing() as own:
    for number in range(10**6):
        source = f"s{number % 50}"
        own.commit(rows_of([Person(source, 0, 10 * number + place) for place in range(3)]), {source: STATE})
"""


@pytest.mark.parametrize("seconds", [0.3, 0.9])
def test_a_writer_that_is_killed_leaves_whole_commits(tmp_path, seconds):
    path = tmp_path / "people"
    process = subprocess.Popen([sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = seen(path)
    store = PeopleStore.open(path, ABOUT)
    by_source = {source: [one.number for one in found if one.source == source] for source in store.sources()}
    assert by_source
    for numbers in by_source.values():
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    with store.writing():
        assert seen(path) == seen_by_others(path) == found


def test_a_reader_sees_whole_commits_while_a_writer_works(tmp_path):
    path = tmp_path / "people"
    process = subprocess.Popen([sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    try:
        newest, looks, until = -1, 0, time.monotonic() + 2
        while time.monotonic() < until:
            found = seen(path)
            numbers = sorted(one.number for one in found)
            assert len(numbers) % 3 == 0
            assert all(numbers[place + 2] == numbers[place] + 2 for place in range(0, len(numbers), 3))
            commits = [number // 10 for number in numbers[::3]]
            # The newest of each source: the last commits without a gap.
            assert commits == list(range(commits[0], commits[-1] + 1)) if commits else True
            assert (commits[-1] if commits else -1) >= newest
            newest, looks = commits[-1] if commits else -1, looks + 1
        assert looks > 3 and newest > 0
    finally:
        process.kill()
        process.wait()
