"""Ranges of frames against sets of numbers, and the JSON in which files keep them."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search.index.coverage import (
    Covered,
    SourceState,
    columns_of,
    coverage_of,
    joined,
    overlap,
    to_json,
    without,
)
from person_search.index.schema import MOST_FRAMES

ranges = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: tuple(sorted(pair))), max_size=4
)
states = st.one_of(
    st.builds(SourceState, st.integers(0, 2**60), st.integers(-(2**60), 2**60)),
    st.builds(SourceState, st.just(7), st.just(8), st.just(False), st.integers(0, 50)),
    st.none(),
)
separate = ranges.map(joined).filter(bool)


def numbers(parts):
    return {number for first, last in parts for number in range(first, last + 1)}


@given(ranges, ranges)
def test_ranges_are_sets_of_frames(one, other):
    assert numbers(without(joined(one), other)) == numbers(one) - numbers(other)
    assert numbers(joined(one)) == numbers(one)
    assert overlap(one, other) == bool(numbers(one) & numbers(other))


@given(ranges)
def test_joined_ranges_are_in_order_and_apart(parts):
    result = joined(parts)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(result))


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.builds(Covered, states, separate), max_size=4)
)
def test_json_gives_back_what_it_was_given(coverage):
    assert coverage_of(columns_of(to_json(coverage).encode())) == coverage


def test_json_does_not_depend_on_the_order():
    one = {"b": Covered(SourceState(1, 2)), "a": Covered(None)}
    assert to_json(one) == to_json(dict(reversed(one.items())))


@pytest.mark.parametrize("text", [b"null", b"[]", b"{}", b"\xff", b'{"source": ["a"]}'])
def test_other_json_is_refused(text):
    with pytest.raises(ValueError):
        columns_of(text)


def test_lists_of_unequal_length_are_refused():
    content = json.loads(to_json({"a": Covered(SourceState(1, 2))}))
    content["size"].append(3)
    with pytest.raises(ValueError, match="not whole"):
        columns_of(json.dumps(content).encode())


def test_an_unfinished_video_has_read_up_to_its_last_frame():
    unfinished = Covered(SourceState(1, 2, complete=False, last_frame=9), ((5, MOST_FRAMES),))
    assert unfinished.read_ranges() == ((5, 9),)


@pytest.mark.parametrize(("complete", "last"), [(True, 3), (False, None)])
def test_only_an_unfinished_source_has_a_last_frame(complete, last):
    with pytest.raises(ValueError, match="last frame"):
        SourceState(1, 2, complete, last)
