import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.reporting.columns import read_columns
from pipeline.training.engine.history import write_history


def test_a_history_is_read_as_written(tmp_path):
    path = tmp_path / "training.tsv"
    write_history(path, [{"step": 5.0, "total": 1.5}, {"step": 10.0, "total": 0.25}])
    columns = read_columns(path)
    assert list(columns) == ["step", "total"]
    np.testing.assert_array_equal(columns["step"], [5, 10])
    np.testing.assert_array_equal(columns["total"], [1.5, 0.25])


def test_a_table_without_rows(tmp_path):
    path = tmp_path / "empty.tsv"
    path.write_text("recall\tprecision\n")
    assert {name: len(column) for name, column in read_columns(path).items()} == {"recall": 0, "precision": 0}


@pytest.mark.parametrize("content", ["a\tb\n1\n", "a\tb\n1\tx\n", "a\tb\n1\t2\n3\n", "a\tb\n1\t2\t3\n"])
def test_a_damaged_table_is_named(tmp_path, content):
    path = tmp_path / "t.tsv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"t\.tsv is damaged"):
        read_columns(path)


def test_a_needed_column_that_is_missing_is_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("step\ttotal\n1\t2\n")
    with pytest.raises(UserError, match=r"t\.tsv is damaged: no column 'identity'"):
        read_columns(path, "step", "identity")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.tsv is missing; run `dvc repro`"):
        read_columns(tmp_path / "nothing.tsv")
