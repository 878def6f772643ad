"""The table by box: what it holds, that it is the same bytes, and each way in which it can be wrong."""

import random

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import box_table
from pipeline.basics.errors import UserError
from pipeline.box_table import (
    TableOrigin,
    check_fits,
    read_box_table,
    table_dim,
    table_level,
    writing_box_table,
)
from pipeline.lookup_table import LookupTable, read_lookup_table, write_lookup_table
from pipeline.scenes.box_rows import box_offsets
from pipeline.scenes.scene import Scene

DIM = 8
OFFSETS = np.array([0, 3, 3, 4, 11])
ORIGIN = TableOrigin("tiny", "a" * 64, "b" * 64)
FLIPS = 60


def features_of(count=11, dim=DIM):
    rng = np.random.default_rng(count)
    return (rng.normal(size=(count, dim)) * rng.uniform(0.01, 100, (count, 1))).astype(np.float32)


def identity_table(dim=DIM):
    rows = features_of(4, dim)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return LookupTable(rows, np.arange(4), np.ones(4, dtype=np.int64), "tiny", "a" * 64, "b" * 64)


def write(path, features=None, offsets=OFFSETS, blocks=(), identities=None):
    features = features_of(int(offsets[-1])) if features is None else features
    with writing_box_table(path, offsets, DIM, ORIGIN) as writer:
        for block in np.split(features, blocks):
            writer.append(block)
        if identities is not None:
            writer.add_identities(identities)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "artifacts" / "box_lut.h5"


def check(table, path, dataset="tiny", sha256="a" * 64, offsets=OFFSETS, dim=DIM):
    check_fits(table, path, dataset, sha256, offsets, dim)


def test_round_trip(path):
    table = read_box_table(write(path))
    features = features_of().astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert table.features.dtype == np.float16
    np.testing.assert_array_equal(table.features, unit.astype(np.float16))
    np.testing.assert_array_equal(table.offsets, OFFSETS)
    assert table.origin == ORIGIN
    assert (table_level(path), table_dim(path)) == ("box", DIM)
    check(table, path)


def test_file_is_as_the_contract_says(path):
    with h5py.File(write(path)) as file:
        assert {name: (file[name].shape, file[name].dtype.str) for name in file} == {
            "box_features": ((11, DIM), "<f2"),
            "box_offsets": ((5,), "<i8"),
        }
        assert all(file[name].fletcher32 for name in file)
        assert dict(file.attrs) == {
            "format_version": 2,
            "level": "box",
            "dataset": "tiny",
            "dataset_sha256": "a" * 64,
            "teacher_sha256": "b" * 64,
            "embedding_dim": DIM,
        }


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 30), cuts=st.lists(st.integers(0, 30), max_size=6), chunk=st.integers(1, 12))
def test_the_bytes_do_not_depend_on_the_blocks(count, cuts, chunk, tmp_path_factory):
    folder, offsets = tmp_path_factory.mktemp("boxes"), np.array([0, count])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_table, "BLOCK", chunk)
        one = write(folder / "one.h5", offsets=offsets)
        other = write(folder / "other.h5", offsets=offsets, blocks=sorted(min(cut, count) for cut in cuts))
        assert one.read_bytes() == other.read_bytes()
        assert len(read_box_table(one).features) == count


def test_a_file_of_both_levels_is_read_as_either(path, tmp_path):
    write(path, identities=identity_table())
    assert table_level(path) == "both"
    np.testing.assert_array_equal(read_lookup_table(path).features, identity_table().features)
    np.testing.assert_array_equal(
        read_box_table(path).features, read_box_table(write(tmp_path / "box.h5")).features
    )


def test_a_table_of_the_other_level_is_one_line(path, tmp_path):
    with pytest.raises(UserError, match=r"is a table by box and has no identity rows.*`level: identity`"):
        read_lookup_table(write(path))
    write_lookup_table(tmp_path / "id.h5", identity_table())
    with pytest.raises(UserError, match=r"one row an identity and none a box.*`level: box`"):
        read_box_table(tmp_path / "id.h5")
    assert (table_level(tmp_path / "id.h5"), table_dim(tmp_path / "id.h5")) == ("identity", DIM)


def test_offsets_count_all_boxes():
    scenes = [Scene("s", np.zeros((n, 4)), np.full(n, -1)) for n in (3, 0, 1, 7)]
    assert box_offsets(scenes).tolist() == OFFSETS.tolist()
    assert box_offsets([]).tolist() == [0]


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (features_of(11) * np.where(np.arange(11) == 6, 0, 1)[:, None], "box 6 is zero or not finite, 1 of"),
        (np.where(np.arange(11)[:, None] == 2, np.nan, features_of(11)), "box 2 is zero or not finite"),
        (np.where(np.arange(11)[:, None] == 2, np.inf, features_of(11)), "box 2 is zero or not finite"),
        (features_of(10), "of 10 of the 11 training boxes"),
        (features_of(12), "more than the 11 training boxes"),
        (features_of(11, DIM + 1), "the table has .N, 8."),
        (features_of(11)[:, 0], "the table has .N, 8."),
    ],
)
def test_a_teacher_that_cannot_be_learned_from(features, says, path):
    write(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=says) as error:
        write(path, features)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before


def test_no_boxes_make_no_table(path):
    with pytest.raises(UserError, match="no boxes"):
        write(path, offsets=np.array([0, 0, 0]))
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"offsets": OFFSETS[:-1]}, "4 scenes, the training 3"),
        ({"offsets": np.array([0, 3, 4, 5, 11])}, "0 boxes in scene 1, the training 1"),
        ({"dim": DIM + 1}, "8 dimensions, the student's embedding 9"),
        ({"dataset": "prw"}, "data set 'tiny', the data are 'prw'"),
        ({"sha256": "c" * 64}, "another version of 'tiny' .aaaaaaaaaaaa, the data are cccccccccccc"),
    ],
)
def test_a_table_that_does_not_fit(change, says, path):
    table = read_box_table(write(path))
    with pytest.raises(UserError, match=says):
        check(table, path, **change)


def test_a_table_of_another_size_says_who_can_change(path):
    table = read_box_table(write(path))
    with pytest.raises(UserError) as error:
        check(table, path, dim=DIM - 1)
    assert str(error.value) == (
        f"{path} does not fit: its rows have {DIM} dimensions, the student's embedding {DIM - 1}; set "
        f"`network: {{embedding_dim: table}}` in the student's entry, or `embedding_dim: {DIM - 1}` in "
        "the table's entry for a PCA"
    )


def replaced(path, name, values):
    write(path)
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("box_features", np.full((11, DIM), np.nan, np.float16), "first: box 0, length nan"),
        ("box_features", np.full((11, DIM), np.inf, np.float16), "first: box 0, length inf"),
        ("box_features", np.eye(11, DIM, dtype=np.float16), "first: box 8, length 0.0"),
        ("box_features", np.eye(10, DIM, dtype=np.float16), "disagree"),
        ("box_features", np.ones(11, dtype=np.float16), "disagree"),
        ("box_offsets", np.array([0, 5, 3, 4, 11]), "disagree"),
        ("box_offsets", np.array([1, 3, 3, 4, 11]), "disagree"),
        ("box_offsets", np.array([], dtype=np.int64), "disagree"),
    ],
)
def test_a_table_that_is_wrong_in_itself(name, values, says, path):
    replaced(path, name, values)
    with pytest.raises(UserError, match=says) as error:
        read_box_table(path)
    assert "\n" not in str(error.value)


def test_a_row_is_wrong_in_a_later_block(path, monkeypatch):
    monkeypatch.setattr(box_table, "BLOCK", 4)
    rows = np.eye(11, DIM, dtype=np.float16)
    rows[8:, 0] = 1
    rows[10] *= 2
    replaced(path, "box_features", rows)
    with pytest.raises(UserError, match="first: box 10, length 2"):
        read_box_table(path)


def test_no_flipped_byte_goes_unnoticed(path):
    content = write(path, identities=identity_table()).read_bytes()
    good = read_box_table(path)
    for position in random.Random(0).sample(range(len(content)), FLIPS):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            table = read_box_table(path)
        except UserError:
            continue
        np.testing.assert_array_equal(table.features, good.features)
        np.testing.assert_array_equal(table.offsets, good.offsets)


def test_missing_damaged_and_foreign_files(path, tmp_path):
    with pytest.raises(UserError, match=r"no look-up table at .*dvc repro export_lut"):
        read_box_table(path)
    (tmp_path / "text.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(UserError, match=r"not a sound look-up table"):
        table_dim(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(UserError, match=r"not a sound look-up table"):
        table_level(tmp_path / "other.h5")
    write(path)
    with h5py.File(path, "r+") as file:
        file.attrs["level"] = "scene"
    with pytest.raises(UserError, match=r"its level is 'scene'"):
        read_box_table(path)
