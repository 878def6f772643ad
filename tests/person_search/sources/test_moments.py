"""Frames are taken by their times, and equally wherever the reading begins."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search.sources.moments import Clock, Picker, interval
from pipeline.basics.errors import UserError

STEP = Fraction(1, 25)
SECONDS = st.fractions(min_value=0, max_value=100, max_denominator=90_000)


@given(st.lists(SECONDS, min_size=1, max_size=40).map(sorted), st.fractions(Fraction(1, 50), 5))
def test_the_first_frame_of_each_interval_is_taken(times, every):
    picker = Picker(every)
    taken = [time for time in times if picker.takes(time)]
    firsts = {}
    for time in times:
        firsts.setdefault(time // every, time)
    assert taken == list(firsts.values())


@given(st.lists(SECONDS, max_size=20))
def test_without_an_interval_all_are_taken(times):
    picker = Picker(None)
    assert all(picker.takes(time) for time in times)


@given(st.lists(SECONDS, min_size=1, max_size=40).map(sorted), SECONDS)
def test_rising_times_count_from_the_first(times, first):
    clock = Clock(STEP)
    assert [clock.since_first(first + time) for time in times] == [time - times[0] for time in times]


@given(st.lists(st.none() | st.fractions(-50, 50), max_size=40))
def test_no_times_make_the_clock_fall(times):
    clock = Clock(STEP)
    seconds = [clock.since_first(time) for time in times]
    assert seconds == sorted(seconds)
    assert not seconds or seconds[0] == 0


def test_frames_without_times_have_the_usual_distance():
    clock = Clock(STEP)
    assert [clock.since_first(None) for _ in range(4)] == [STEP * number for number in range(4)]


def test_a_clock_that_is_set_back_goes_on():
    clock = Clock(STEP)
    seconds = [clock.since_first(Fraction(time)) for time in (10, 11, 12, 3, 4, 5)]
    assert seconds == [0, 1, 2, 2 + STEP, 3 + STEP, 4 + STEP]


def test_times_that_are_slightly_out_of_order_do_not_add_up():
    clock = Clock(STEP)
    for number in range(100):
        clock.since_first(number * STEP)
        last = clock.since_first((number - 1) * STEP)
    assert last == 99 * STEP


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0.5s", "1/2"), ("500ms", "1/2"), ("2", "2"), ("1m", "60"), (" .1 s", "1/10"), ("3min", "180")],
)
def test_intervals(text, seconds):
    assert interval(text) == Fraction(seconds)


@pytest.mark.parametrize("text", ["", "0", "0.0s", "-1", "nan", "inf", "1e3", "5 x", "1/2", "s", "٣", "\n"])
def test_other_texts_are_no_intervals(text):
    with pytest.raises(UserError, match=r"^--every .*: give a time such as 0.5s, 200ms or 1m$"):
        interval(text)
