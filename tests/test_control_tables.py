"""Control tables: unit rows that fit the data, and say nothing, or of the wrong people."""

import numpy as np
import pytest

from pipeline.lookup_table import LookupTable, check_fits, read_lookup_table, write_lookup_table
from stages.ablation.control_tables import control_table


def teachers(people=40, dim=16):
    rows = np.random.default_rng(3).standard_normal((people, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return LookupTable(rows, np.arange(people), np.ones(people, dtype=np.int64), "tiny", "aa", "bb")


@pytest.mark.parametrize("control", ["random", "permuted"])
def test_it_is_a_table_for_the_same_people(control, tmp_path):
    table = control_table(teachers(), control, seed=0)
    path = tmp_path / "table.h5"
    write_lookup_table(path, table)
    check_fits(read_lookup_table(path), path, "tiny", "aa", 40, 16)
    again, other = control_table(teachers(), control, seed=0), control_table(teachers(), control, seed=1)
    assert np.array_equal(table.features, again.features)
    assert not np.array_equal(table.features, other.features)


@pytest.mark.parametrize(("people", "dim"), [(5, 16), (16, 16), (40, 16)])
def test_random_rows_are_orthogonal_basis_by_basis(people, dim):
    rows = control_table(teachers(people, dim), "random", seed=0).features.astype(float)
    for start in range(0, people, dim):
        basis = rows[start : start + dim]
        assert basis @ basis.T == pytest.approx(np.eye(len(basis)), abs=1e-6)


@pytest.mark.parametrize("people", [2, 3, 40])
def test_permuted_rows_are_the_teachers_and_nobody_keeps_the_own(people):
    before = teachers(people)
    after = control_table(before, "permuted", seed=5)
    same = (before.features[:, None] == after.features[None]).all(axis=2)
    assert not same.diagonal().any()
    assert (same.sum(axis=0) == 1).all()
    assert (same.sum(axis=1) == 1).all()
