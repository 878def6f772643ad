"""The shelf holds no more than it may, keeps each item's order, and lets nobody wait for ever."""

import threading
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from person_search.sources.channel import ClosedError
from person_search.sources.shelf import Shelf
from person_search.sources.waiting import Waiting


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.integers(1, 50), max_size=6), min_size=1, max_size=6),
    st.integers(0, 4),
    st.integers(0, 100),
    st.integers(1, 3),
)
def test_items_come_in_order_and_within_bounds(items, most, most_bytes, workers):
    shelf, held, peaks = Shelf(most, most_bytes), [0, 0], []
    lock, waiting = threading.Lock(), iter(range(len(items)))

    def change(size, sign):
        with lock:
            held[0] += sign
            held[1] += sign * size
            peaks.append(tuple(held))

    def work():
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            for place, size in enumerate(items[number]):
                shelf.wait_for_room(number, size)
                change(size, 1)
                shelf.put(number, (place, size), size)
            shelf.put(number, None)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for number, sizes in enumerate(items):
        expected = [*enumerate(sizes), None]
        for value in expected:
            taken = shelf.take([number])
            assert taken == (number, value)
            if value is not None:
                change(value[1], -1)
    for thread in threads:
        thread.join(10)
    largest = max((size for sizes in items for size in sizes), default=0)
    # What was taken is counted here a little later than on the shelf: one more.
    assert all(number <= most + 2 and size <= most_bytes + 2 * largest for number, size in peaks)


def test_items_take_turns():
    shelf = Shelf(100, 100)
    for number in (0, 0, 0, 1, 1, 2):
        shelf.put(number, number)
    assert [shelf.take({0, 1, 2})[0] for _ in range(6)] == [0, 1, 2, 0, 1, 0]


def test_who_waits_is_told_of_the_end():
    shelf, told = Shelf(0, 0), defaultdict(int)

    def wait(action):
        try:
            action()
        except ClosedError:
            told[action] += 1

    actions = [lambda: shelf.take([0]), lambda: shelf.wait_for_room(5, 1)]
    threads = [threading.Thread(target=wait, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    shelf.close()
    for thread in threads:
        thread.join(10)
    assert [told[action] for action in actions] == [1, 1]


def test_an_error_is_raised_where_results_are_taken():
    shelf = Shelf(1, 1)
    shelf.fail(RuntimeError("no process"))
    with pytest.raises(RuntimeError, match="no process"):
        shelf.take([0])


@given(st.integers(1, 5), st.integers(0, 20))
def test_the_newest_things_wait(most, number):
    waiting = Waiting(most)
    waiting.fill(thing for thing in range(number))
    assert list(waiting) == list(range(number))[-most:]
    assert waiting.dropped == max(0, number - most)
