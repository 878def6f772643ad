"""The look-up table: what it holds, that it is the same bytes, and each way in which it can be wrong."""

import random
import re
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.lookup_table import (
    LookupTable,
    check_fits,
    mean_features,
    read_lookup_table,
    write_lookup_table,
)

IDENTITIES, DIM = 6, 8
FLIPS = 150


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def table_of(identities=IDENTITIES, dim=DIM):
    rows = np.random.default_rng(0).normal(size=(identities, dim))
    return LookupTable(
        features=unit(rows).astype(np.float32),
        person_ids=np.arange(identities),
        counts=np.arange(1, identities + 1),
        dataset="tiny",
        dataset_sha256="a" * 64,
        teacher_sha256="b" * 64,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "artifacts" / "id_lut.h5"


def assert_equal(one, other):
    for field in fields(LookupTable):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def check(table, path, dataset="tiny", sha256="a" * 64, identities=IDENTITIES, dim=DIM):
    check_fits(table, path, dataset, sha256, identities, dim)


def test_round_trip(path):
    write_lookup_table(path, table_of())
    table = read_lookup_table(path)
    assert_equal(table, table_of())
    assert (table.features.dtype, table.person_ids.dtype) == (np.float32, np.int64)
    check(table, path)


def test_same_content_is_the_same_bytes(path, tmp_path):
    write_lookup_table(path, table_of())
    write_lookup_table(tmp_path / "again.h5", table_of())
    assert path.read_bytes() == (tmp_path / "again.h5").read_bytes()


def test_file_is_as_the_contract_says(path):
    write_lookup_table(path, table_of())
    with h5py.File(path) as file:
        assert {name: (file[name].shape, file[name].dtype.str) for name in file} == {
            "features": ((IDENTITIES, DIM), "<f4"),
            "person_ids": ((IDENTITIES,), "<i8"),
            "counts": ((IDENTITIES,), "<i8"),
        }
        assert all(file[name].fletcher32 for name in file)
        assert dict(file.attrs) == {
            "format_version": 1,
            "dataset": "tiny",
            "dataset_sha256": "a" * 64,
            "teacher_sha256": "b" * 64,
            "embedding_dim": DIM,
        }


def test_a_failed_write_leaves_the_old_table(path):
    write_lookup_table(path, table_of())
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_lookup_table(path, replace(table_of(), counts=None))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"identities": IDENTITIES + 2}, "2 identities have no row .first: 6"),
        ({"identities": IDENTITIES - 1}, "1 rows are of no identity .first: 5"),
        ({"dim": DIM + 1}, "8 dimensions, the student's embedding 9"),
        ({"dataset": "prw"}, "data set 'tiny', the data are 'prw'"),
        ({"sha256": "c" * 64}, "another version of 'tiny' .aaaaaaaaaaaa, the data are cccccccccccc"),
    ],
)
def test_a_table_that_does_not_fit(change, says, path):
    with pytest.raises(UserError, match=says):
        check(table_of(), path, **change)


def test_all_differences_are_told_at_once(path):
    gap = replace(table_of(), person_ids=np.array([0, 1, 2, 3, 4, 9]))
    with pytest.raises(UserError, match=r"first: 5.*first: 9.*8 dimensions") as error:
        check(gap, path, dim=DIM + 1)
    assert "\n" not in str(error.value)


AS_THE_TABLE = "set `network: {embedding_dim: table}` in the student's entry"


@pytest.mark.parametrize(
    ("name", "dim", "advice"),
    [
        ("a.h5", DIM + 1, AS_THE_TABLE),
        ("a.h5", DIM - 1, f"{AS_THE_TABLE}, or `embedding_dim: {DIM - 1}` in the table's entry for a PCA"),
        ("a_table.h5", DIM - 1, AS_THE_TABLE),
    ],
)
def test_a_table_of_another_size_is_not_to_be_made_again_as_it_is(name, dim, advice, tmp_path):
    """A PCA gives fewer dimensions alone, and a student's own table has no entry that could ask for one."""
    with pytest.raises(UserError) as error:
        check(table_of(), tmp_path / name, dim=dim)
    assert str(error.value) == (
        f"{tmp_path / name} does not fit: its rows have {DIM} dimensions, "
        f"the student's embedding {dim}; {advice}"
    )


def test_another_size_and_other_data_have_both_advices(path):
    with pytest.raises(UserError) as error:
        check(table_of(), path, dim=DIM + 1, sha256="c" * 64)
    assert re.search(r"another version of.*8 dimensions.*9; make it again with `dvc repro", str(error.value))
    assert str(error.value).endswith(f"export_lut`; {AS_THE_TABLE}")


def spoiled(**changes):
    table = table_of()
    features = table.features.copy()
    for (row, column), value in changes.items():
        features[row, column] = value
    return replace(table, features=features)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (
            replace(table_of(), features=np.full((IDENTITIES, DIM), np.nan, np.float32)),
            "6 rows are not finite",
        ),
        (
            replace(table_of(), features=2 * table_of().features),
            "not of unit length .first: person 0, length 2",
        ),
        (replace(table_of(), features=0 * table_of().features), "not of unit length"),
        (replace(table_of(), person_ids=np.array([0, 1, 3, 2, 4, 5])), "not ascending"),
        (replace(table_of(), person_ids=np.array([0, 1, 1, 2, 4, 5])), "not ascending"),
        (replace(table_of(), counts=np.ones(3, dtype=np.int64)), "disagree"),
        (replace(table_of(), person_ids=np.arange(IDENTITIES)[:, None]), "disagree"),
        (replace(table_of(), features=table_of().features[:, 0]), "(disagree|not a sound)"),
    ],
)
def test_a_table_that_is_wrong_in_itself(table, says, path):
    if table.features.ndim == 1:
        write_lookup_table(path, table_of())
        with h5py.File(path, "r+") as file:
            del file["features"]
            file["features"] = table.features
    else:
        write_lookup_table(path, table)
    with pytest.raises(UserError, match=says):
        read_lookup_table(path)


@pytest.mark.parametrize("name", ["features", "person_ids", "counts"])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.99])
def test_a_damaged_chunk_is_noticed(name, place, path):
    write_lookup_table(path, table_of())
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + int(place * chunk.size)] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"id_lut.h5 is not a sound look-up table"):
        read_lookup_table(path)


def test_no_flipped_byte_goes_unnoticed(path):
    write_lookup_table(path, table_of())
    content, good = path.read_bytes(), table_of()
    for position in random.Random(0).sample(range(len(content)), FLIPS):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            table = read_lookup_table(path)
            check(table, path)
        except UserError:
            continue
        # The teacher's hash is for people to read; nothing depends on it.
        assert_equal(replace(table, teacher_sha256=good.teacher_sha256), good)


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all", b"\x89HDF\r\n\x1a\n" + bytes(50)])
def test_what_is_no_hdf5(content, tmp_path):
    (tmp_path / "lut.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"not a sound look-up table"):
        read_lookup_table(tmp_path / "lut.h5")


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_truncated_file(part, path):
    write_lookup_table(path, table_of())
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(UserError, match=r"not a sound look-up table"):
        read_lookup_table(path)


def test_missing_file_and_foreign_content(path, tmp_path):
    with pytest.raises(UserError, match=r"no look-up table at"):
        read_lookup_table(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(UserError, match=r"not a sound look-up table"):
        read_lookup_table(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("from_large.h5", "`dvc repro export_lut` (params.yaml needs an entry 'from_large' in `tables`)"),
        ("large_table.h5", "`python -m stages.train_student --keep-table` or"),
    ],
)
def test_a_missing_table_is_made_by_what_its_name_says(name, advice, tmp_path):
    with pytest.raises(UserError) as error:
        read_lookup_table(tmp_path / name)
    assert f"make it with {advice}" in str(error.value)
    with pytest.raises(UserError) as error:
        check(table_of(), tmp_path / name, dataset="prw")
    assert f"make it again with {advice.partition(' (')[0].removesuffix(' or')}" in str(error.value)


def test_another_version(path):
    write_lookup_table(path, table_of())
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 4
    with pytest.raises(UserError, match=r"format 4, this program reads 1 to 3"):
        read_lookup_table(path)


boxes = st.lists(st.integers(0, 4), min_size=1, max_size=20)
averages = st.sampled_from(["mean_then_normalise", "normalise_then_mean"])


def embeddings_of(count, seed=3):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, DIM)) * rng.uniform(0.1, 10, (count, 1))).astype(np.float32)


@given(ids=boxes, average=averages)
def test_mean_features_equal_a_plain_loop(ids, average):
    embeddings = embeddings_of(len(ids))
    features, person_ids, counts = mean_features(embeddings, np.array(ids), average)
    assert person_ids.tolist() == sorted(set(ids))
    assert counts.tolist() == [ids.count(person) for person in sorted(set(ids))]
    for row, person in zip(features, person_ids, strict=True):
        own = [e.astype(float) for e, i in zip(embeddings, ids, strict=True) if i == person]
        if average == "normalise_then_mean":
            own = [e / np.linalg.norm(e) for e in own]
        mean = sum(own) / len(own)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


@given(data=st.data(), ids=boxes, average=averages)
def test_the_order_of_boxes_does_not_matter(data, ids, average):
    order = np.array(data.draw(st.permutations(range(len(ids)))))
    embeddings, people = embeddings_of(len(ids)), np.array(ids)
    one = mean_features(embeddings, people, average)
    other = mean_features(embeddings[order], people[order], average)
    np.testing.assert_allclose(one[0], other[0], atol=1e-6)
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(one[2], other[2])


@pytest.mark.parametrize("average", ["mean_then_normalise", "normalise_then_mean"])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_person_without_direction_is_refused(average, value):
    embeddings = embeddings_of(3)
    embeddings[1] = value
    with np.errstate(invalid="ignore"), pytest.raises(UserError, match=r"of 1 people .* .first: person 7"):
        mean_features(embeddings, np.array([2, 7, 2]), average)
