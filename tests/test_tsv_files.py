"""Tables of numbers: six digits, whole numbers whole, and one line about a file that cannot be used."""

import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.basics.tsv_files import read_tsv, write_tsv


def test_the_bytes(tmp_path):
    path = tmp_path / "new/a.tsv"
    write_tsv(path, ("step", "loss"), [(1234567.0, 1 / 3), (2, 1e-7), (3, np.float32(0.1))], whole=["step"])
    assert path.read_bytes() == b"step\tloss\n1234567\t0.333333\n2\t1e-07\n3\t0.1\n"
    columns = read_tsv(path, "loss")
    assert list(columns) == ["step", "loss"]
    np.testing.assert_array_equal(columns["step"], [1234567, 2, 3])
    np.testing.assert_array_equal(columns["loss"], [0.333333, 1e-7, 0.1])


def test_a_table_without_lines(tmp_path):
    write_tsv(tmp_path / "a.tsv", ("recall", "precision"), [])
    assert {name: len(column) for name, column in read_tsv(tmp_path / "a.tsv").items()} == {
        "recall": 0,
        "precision": 0,
    }


@pytest.mark.parametrize(
    "content", [b"a\tb\n1\n", b"a\tb\n1\tx\n", b"a\n1\t2\n", b"\xff\xfe1", b"a\n1\n2\t3\n"]
)
def test_a_damaged_table_is_one_line(content, tmp_path):
    (tmp_path / "a.tsv").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.tsv is damaged"):
        read_tsv(tmp_path / "a.tsv")


def test_a_column_that_is_needed_and_not_there(tmp_path):
    write_tsv(tmp_path / "a.tsv", ("step",), [(1,)])
    with pytest.raises(UserError, match="no column 'identity'; run `dvc repro`"):
        read_tsv(tmp_path / "a.tsv", "step", "identity")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.tsv is missing; run `dvc repro`"):
        read_tsv(tmp_path / "nothing.tsv")
