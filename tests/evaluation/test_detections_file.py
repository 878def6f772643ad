from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.evaluation.detections import PAIRS, Detections
from pipeline.evaluation.detections_file import read_detections, write_detections
from tests.evaluation.cases import random_case, with_ground_truth
from tests.evaluation.pair_cases import as_pairs

SPLIT, PLAIN = random_case(6, scenes=12)
FULL = as_pairs(with_ground_truth(SPLIT, PLAIN, np.random.default_rng(0)))


def arrays(detections):
    named = {item.name: getattr(detections, item.name) for item in fields(Detections)}
    return {name: array for name, array in named.items() if array is not None}


def same(left, right):
    assert arrays(left).keys() == arrays(right).keys()
    for name, array in arrays(left).items():
        other = arrays(right)[name]
        assert np.array_equal(array, other), name
        assert array.dtype == other.dtype, name


@pytest.mark.parametrize("detections", [PLAIN, FULL, random_case(6, empty=1.1)[1], as_pairs(PLAIN)])
def test_hdf5_and_npz_give_back_what_was_written(tmp_path, detections):
    write_detections(detections, tmp_path / "d.h5")
    np.savez(tmp_path / "d.npz", **arrays(detections))
    same(read_detections(tmp_path / "d.h5"), detections)
    same(read_detections(tmp_path / "d.npz"), detections)


def test_names_outside_ascii_survive(tmp_path):
    names = np.array([f"straße-{i}.jpg" for i in range(12)])
    detections = replace(PLAIN, gallery_names=names)
    write_detections(detections, tmp_path / "d.h5")
    assert read_detections(tmp_path / "d.h5").gallery_names.tolist() == names.tolist()


def test_the_same_detections_give_the_same_bytes_and_nothing_else_is_left(tmp_path):
    write_detections(FULL, tmp_path / "one" / "a.h5")
    write_detections(FULL, tmp_path / "one" / "b.h5")
    one, two = (tmp_path / "one" / name for name in ("a.h5", "b.h5"))
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["a.h5", "b.h5"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "d.h5"
    write_detections(PLAIN, path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(h5py.File, "create_dataset", fail)
    with pytest.raises(OSError, match="disk full"):
        write_detections(FULL, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.h5"]


@pytest.mark.parametrize("name", ["gallery_feats", "pair_queries", "pair_dets", "pair_similarities"])
def test_every_chunk_has_a_checksum_and_damage_is_noticed(name, tmp_path):
    path = tmp_path / "d.h5"
    write_detections(FULL, path)
    with h5py.File(path) as file:
        assert all(file[name].fletcher32 for name in file)
        chunk = file[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 5] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_detections(path)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_a_missing_array_is_named(tmp_path, suffix):
    path = tmp_path / f"d{suffix}"
    some = {name: array for name, array in arrays(PLAIN).items() if name != "gallery_feats"}
    if suffix == ".npz":
        np.savez(path, **some)
    else:
        write_detections(PLAIN, path)
        with h5py.File(path, "a") as file:
            del file["gallery_feats"]
    with pytest.raises(UserError, match=rf"d\{suffix}: lacks gallery_feats"):
        read_detections(path)


def test_a_wrong_array_is_told_with_the_files_name(tmp_path):
    np.savez(tmp_path / "d.npz", **{**arrays(PLAIN), "gallery_counts": PLAIN.gallery_counts + 1})
    with pytest.raises(UserError, match=r"d\.npz: detections: gallery_counts add up to"):
        read_detections(tmp_path / "d.npz")


@pytest.mark.parametrize("name", ["d.npz", "d.h5", "d.txt"])
@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04broken"])
def test_files_of_another_kind(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="not a readable"):
        read_detections(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_truncated_files(tmp_path, suffix):
    path = tmp_path / f"d{suffix}"
    np.savez(path, **arrays(PLAIN)) if suffix == ".npz" else write_detections(PLAIN, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="not a readable"):
        read_detections(path)


def test_nothing_is_unpickled(tmp_path):
    objects = np.array([{"a": 1}] * 12, dtype=object)
    np.savez(tmp_path / "d.npz", **{**arrays(PLAIN), "gallery_names": objects})
    with pytest.raises(UserError, match="plain arrays"):
        read_detections(tmp_path / "d.npz")


def test_one_bare_array(tmp_path):
    with (tmp_path / "d.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match="one bare array"):
        read_detections(tmp_path / "d.npz")


def test_another_format_version(tmp_path):
    write_detections(PLAIN, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "a") as file:
        file.attrs["format_version"] = 9
    with pytest.raises(UserError, match="format_version is 9"):
        read_detections(tmp_path / "d.h5")


def test_a_version_that_is_no_number_and_an_array_that_is_none(tmp_path):
    path = tmp_path / "d.h5"
    write_detections(PLAIN, path)
    with h5py.File(path, "a") as file:
        del file["gallery_dets"]
        file["gallery_dets"] = h5py.Empty("f8")
    with pytest.raises(UserError, match="gallery_dets holds nothing"):
        read_detections(path)
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = [1, 1]
    with pytest.raises(UserError, match="not a readable HDF5 file of detections"):
        read_detections(path)


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_detections(tmp_path / "absent.npz")
    with pytest.raises(UserError, match="is a folder"):
        read_detections(tmp_path)


def same_values(read, written):
    """Names and whole numbers as ours; floats of any width."""
    for name, array in arrays(read).items():
        assert array.tolist() == arrays(written)[name].tolist(), name
        assert array.dtype.kind == arrays(written)[name].dtype.kind, name
        assert array.dtype.isnative


def foreign(detections, texts, whole="<i8", floats="<f8"):
    """Arrays as another program may hand them to HDF5 or NumPy."""
    kinds = {"U": texts, "i": whole, "f": floats}
    return {name: array.astype(kinds[array.dtype.kind]) for name, array in arrays(detections).items()}


HALVES = replace(
    FULL,
    **{name: np.round(array * 4) / 4 for name, array in arrays(FULL).items() if array.dtype.kind == "f"},
)
"""Of values that a float16 holds."""


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"chunks": True, "shuffle": True}])
@pytest.mark.parametrize(
    ("texts", "whole", "floats"),
    [
        (h5py.string_dtype(), "<i8", "<f4"),
        (h5py.string_dtype("ascii"), "u1", "<f2"),
        ("S", ">i2", ">f4"),
        (h5py.string_dtype("utf-8", 40), "<u8", ">f8"),
        (h5py.string_dtype(), "<f8", "<f8"),
    ],
)
def test_an_hdf5_of_another_program(texts, whole, floats, options, tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        for name, array in foreign(HALVES, texts, whole, floats).items():
            file.create_dataset(name, data=array, **options)
    same_values(read_detections(tmp_path / "d.h5"), HALVES)


@pytest.mark.parametrize(("whole", "floats"), [("u1", "<f2"), (">i4", ">f8"), ("<f4", "<f4")])
@pytest.mark.parametrize("texts", ["U", "S", ">U40"])
def test_an_npz_of_other_types(texts, whole, floats, tmp_path):
    np.savez(tmp_path / "d.npz", **foreign(HALVES, texts, whole, floats))
    same_values(read_detections(tmp_path / "d.npz"), HALVES)


def test_the_content_says_which_kind_it_is_and_not_the_name(tmp_path):
    np.savez(tmp_path / "d.npz", **arrays(PLAIN))
    write_detections(PLAIN, tmp_path / "d.h5")
    (tmp_path / "d.npz").rename(tmp_path / "a.h5")
    (tmp_path / "d.h5").rename(tmp_path / "b.npz")
    same(read_detections(tmp_path / "a.h5"), PLAIN)
    same(read_detections(tmp_path / "b.npz"), PLAIN)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_no_detections_as_lists_of_nothing(suffix, tmp_path):
    nothing = np.array([])
    empty = {"gallery_counts": 0.0 * PLAIN.gallery_counts, "gallery_dets": nothing, "gallery_feats": nothing}
    empty |= dict.fromkeys(PAIRS, nothing)
    given = {**arrays(PLAIN), **empty}
    if suffix == ".npz":
        np.savez(tmp_path / "d.npz", **given)
    else:
        with h5py.File(tmp_path / "d.h5", "w") as file:
            for name, array in given.items():
                file[name] = array.astype(h5py.string_dtype()) if array.dtype.kind == "U" else array
    read = read_detections(tmp_path / f"d{suffix}")
    assert read.gallery_dets.shape == (0, 5)
    assert read.gallery_feats.shape == (0, PLAIN.query_feats.shape[1])
    assert read.gallery_counts.tolist() == [0] * 12
    assert read.pair_dets.shape == (0, 5)
    assert read.has_pairs and all(getattr(read, name).shape == (0,) for name in PAIRS if name != "pair_dets")


def test_a_file_without_pairs_names_none(tmp_path):
    write_detections(PLAIN, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        assert not set(PAIRS) & set(file)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gallery_counts": PLAIN.gallery_counts + 0.5}, r"gallery_counts must be whole numbers, not \d+\.5"),
        ({"query_pids": PLAIN.query_pids * np.nan}, "query_pids must be whole numbers, not nan"),
        ({"query_pids": PLAIN.query_pids * 0 + 1e300}, "query_pids must be whole numbers"),
        ({"query_pids": np.full(len(PLAIN.query_pids), 2**64 - 1, np.uint64)}, "beyond 2"),
        ({"gallery_names": np.array([b"caf\xe9.jpg"] * 12)}, "gallery_names must be UTF-8, which b'caf"),
        ({"gallery_names": PLAIN.gallery_names.astype(object)}, "gallery_names holds Python objects"),
    ],
)
def test_what_no_type_helps_is_named(changes, says, tmp_path):
    np.savez(tmp_path / "d.npz", **{**arrays(PLAIN), **changes})
    with pytest.raises(UserError, match=says):
        read_detections(tmp_path / "d.npz")


def test_arrays_in_a_group_and_a_group_in_an_arrays_place(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("detections")["gallery_counts"] = PLAIN.gallery_counts
    with pytest.raises(UserError, match="at the top of the file, not in its group 'detections'"):
        read_detections(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_group("gallery_names")
    with pytest.raises(UserError, match="gallery_names is a group, not an array"):
        read_detections(tmp_path / "b.h5")
