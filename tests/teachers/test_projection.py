"""Fewer dimensions: against a plain singular value decomposition, whatever the blocks and the order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.inference.teachers.projection import SecondMoment, projected, unit_rows
from pipeline.inference.teachers.rows_on_disk import RowsOnDisk


def rows_of(count=40, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    return unit_rows((rng.normal(size=(count, dim)) * np.linspace(3, 1, dim)).astype(np.float32))


def fitted(rows, dim, cuts=()):
    moment = SecondMoment(dim)
    for block in np.split(rows, cuts):
        moment.add(block)
    return moment.projection()


@given(dim=st.integers(1, 8), seed=st.integers(0, 20))
def test_it_is_what_a_singular_value_decomposition_of_the_rows_gives(dim, seed):
    rows = rows_of(seed=seed)
    found = fitted(rows, dim)
    _, _, axes = np.linalg.svd(rows.astype(np.float64))
    for column, axis in zip(found.T, axes[:dim], strict=True):
        np.testing.assert_allclose(column * np.sign(column @ axis), axis, atol=1e-4)
        assert column[np.abs(column).argmax()] > 0
    np.testing.assert_allclose(found.T @ found, np.eye(dim), atol=1e-5)


@given(cuts=st.lists(st.integers(0, 40), max_size=4).map(sorted), seed=st.integers(0, 20))
def test_neither_blocks_nor_the_order_of_rows_matter(cuts, seed):
    rows = rows_of(seed=seed)
    whole = fitted(rows, 3)
    np.testing.assert_allclose(fitted(rows, 3, cuts), whole, atol=1e-5)
    np.testing.assert_allclose(fitted(np.random.default_rng(seed).permutation(rows), 3), whole, atol=1e-5)


def test_equal_rows_give_equal_bytes():
    assert fitted(rows_of(), 3).tobytes() == fitted(rows_of(), 3).tobytes()


def test_all_dimensions_keep_all_similarities_and_fewer_keep_unit_length():
    rows = rows_of()
    all_of_them = projected(rows, fitted(rows, 8))
    np.testing.assert_allclose(all_of_them @ all_of_them.T, rows @ rows.T, atol=1e-5)
    fewer = projected(rows, fitted(rows, 3))
    np.testing.assert_allclose(np.linalg.norm(fewer, axis=1), 1, atol=1e-6)
    assert projected(rows, None) is rows


def test_more_dimensions_than_there_are_are_one_line():
    with pytest.raises(UserError, match="is 9, but the teacher's embedding has 8 dimensions"):
        fitted(rows_of(), 9)
    with pytest.raises(UserError, match="is 5, but 4 boxes span 4 dimensions alone"):
        fitted(rows_of(count=4), 5)
    flat = rows_of()
    flat[:, 2:] = 0
    with pytest.raises(UserError, match="is 3, but 40 boxes span 2 dimensions alone"):
        fitted(unit_rows(flat), 3)


def test_a_row_that_loses_everything_is_one_line():
    with pytest.raises(UserError, match="1 rows have nothing in the 1 dimensions"):
        projected(np.eye(2, dtype=np.float32), np.array([[1.0], [0.0]], np.float32))


@given(cuts=st.lists(st.integers(0, 40), max_size=4).map(sorted))
def test_rows_come_back_from_the_disk_as_they_went(cuts, tmp_path):
    rows = rows_of()
    with RowsOnDisk(tmp_path) as waiting:
        for block in np.split(rows, cuts):
            waiting.append(block)
        assert not [*tmp_path.iterdir()]  # without a name
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate([*waiting.blocks()]), rows)
