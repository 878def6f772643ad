"""Arrow's memory seen as NumPy's, against Arrow's own conversions."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search.index.arrays import codes_of, flags, is_there, microseconds, moment_of, numbers, places

values = st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=20)
texts = st.lists(st.none() | st.sampled_from(["a", "b", "ä"]), max_size=20)


@given(st.lists(values, min_size=1, max_size=3), st.integers(0, 9))
def test_numbers_of_chunks_and_slices(chunks, start):
    column = pa.chunked_array([pa.array(chunk, pa.int32()) for chunk in chunks]).slice(start)
    wanted = column.to_pylist()
    there = is_there(column)
    assert there.tolist() == [value is not None for value in wanted]
    assert numbers(column, np.int32)[there].tolist() == [value for value in wanted if value is not None]


@given(texts, st.integers(0, 9))
def test_codes_of_texts(texts, start):
    column = pa.array(texts, pa.string()).dictionary_encode().slice(start)
    names = [*column.dictionary.to_pylist(), None]
    assert [names[code] for code in codes_of(column)] == texts[start:]


@given(st.lists(st.booleans(), max_size=40))
def test_masks_and_rows(mask):
    table = pa.table({"x": list(range(len(mask)))})
    wanted = np.flatnonzero(mask)
    assert table.filter(flags(np.array(mask, bool))).column("x").to_pylist() == wanted.tolist()
    assert table.take(places(wanted)).column("x").to_pylist() == wanted.tolist()
    backwards = np.arange(len(mask))[::-2]
    assert table.take(places(backwards)).column("x").to_pylist() == backwards.tolist()


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14, 14))
def test_times_are_those_of_arrow(moment, zone):
    moment = moment.replace(tzinfo=timezone(timedelta(hours=zone)))
    column = pa.array([moment], pa.timestamp("us", "UTC"))
    assert numbers(column, np.int64).tolist() == [microseconds(moment)]
    assert moment_of(microseconds(moment)) == moment and moment_of(0).tzinfo == UTC


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_numbers_share_their_memory(dtype):
    column = pa.array(np.arange(6, dtype=dtype))
    result = numbers(column.slice(2), dtype)
    assert result.tolist() == [2, 3, 4, 5]
    assert result.__array_interface__["data"][0] == column.buffers()[1].address + 2 * result.itemsize
