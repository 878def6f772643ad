"""Values come out the same however MATLAB, or scipy, wrapped them."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from pipeline.basics.errors import UserError
from pipeline.datasets.matlab import load, matrix, numbers, structs, text, texts
from pipeline.datasets.matlab_stream import stream_structs
from tests.data_sets.trees import CASES, cell, struct_array


def _wrapped(value: Any, depth: int) -> Any:
    for _ in range(depth):
        outer = np.empty((1, 1), dtype=object)
        outer[0, 0] = value
        value = outer
    return value


def _plain(value: Any) -> Any:
    """Return a MATLAB value as nested tuples that compare by content, shape and type."""
    if isinstance(value, np.void):
        return tuple((name, _plain(value[name])) for name in value.dtype.names or ())
    if isinstance(value, np.ndarray) and (value.dtype == object or value.dtype.names):
        return value.shape, tuple(_plain(element) for element in value.ravel())
    return (
        (value.shape, str(value.dtype), tuple(value.ravel().tolist())) if hasattr(value, "shape") else value
    )


@given(st.text(alphabet="abcs_.0189", max_size=12), st.integers(0, 4), st.sampled_from(["", " ", "   "]))
def test_a_name_is_the_same_at_any_depth_and_without_trailing_spaces(
    name: str, depth: int, space: str
) -> None:
    assert text(_wrapped(np.array([name + space]), depth)) == name


def test_an_empty_value_is_an_empty_name() -> None:
    assert text(np.zeros((0, 0))) == ""
    assert text(_wrapped(np.zeros((1, 0), dtype="U1"), 2)) == ""


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_numbers_are_float64_whatever_they_were_stored_in(dtype: type) -> None:
    box = numbers(_wrapped(np.array([[100, 100, 120, 127]], dtype=dtype), 1))
    assert box.dtype == np.float64
    assert (box[:2] + box[2:]).tolist() == [220.0, 227.0]


@pytest.mark.parametrize(
    "empty", [np.zeros((1, 0)), np.zeros((0, 0)), np.zeros((0, 4), np.uint8), np.empty((0, 0), object)]
)
def test_every_kind_of_empty_is_no_numbers(empty: np.ndarray) -> None:
    assert numbers(empty).shape == (0,)


def test_text_is_no_number() -> None:
    with pytest.raises(UserError, match="numbers expected"):
        numbers(np.array(["12"]))
    with pytest.raises(UserError, match="numbers expected"):
        matrix(np.array(["12"]))


def test_a_matrix_keeps_its_shape() -> None:
    assert matrix(_wrapped(np.ones((3, 5), np.uint8), 2)).shape == (3, 5)


def test_struct_arrays_squeezed_nested_or_empty() -> None:
    elements = struct_array([{"a": 1.0}, {"a": 2.0}])
    assert [element["a"] for element in structs(elements)] == [1.0, 2.0]
    assert [element["a"] for element in structs(elements[:, :1].squeeze())] == [1.0]
    assert [element["a"] for element in structs(cell([elements[:, :1], elements[:, 1:]]))] == [1.0, 2.0]
    assert [element["a"] for element in structs(elements.squeeze()[0])] == [1.0]
    assert list(structs(np.zeros((0, 0)))) == []
    assert list(structs(elements[:, :0])) == []
    with pytest.raises(UserError, match="a struct expected"):
        list(structs(np.ones((1, 1))))


def test_a_list_of_names_in_any_direction() -> None:
    column = cell([np.array(["a "]), np.array(["b"])])
    assert texts(column) == texts(column.T) == texts(_wrapped(column, 1)) == ["a", "b"]
    assert texts(np.array(["a", "b "])) == ["a", "b"]
    assert texts(np.empty((0, 0), dtype=object)) == []


def test_load_takes_the_first_variable_there_is(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"anno_file": np.ones(2), "anno_previous": np.zeros(2)})
    assert load(tmp_path / "a.mat", "box_new", "anno_file", "anno_previous").sum() == 2


def test_load_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(UserError, match=r"a\.mat is missing"):
        load(path, "x")
    savemat(path, {"y": 1.0})
    with pytest.raises(UserError, match="no variable x or z, only y"):
        load(path, "x", "z")
    whole = path.read_bytes()
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + whole)
    with pytest.raises(UserError, match=r"a\.mat is damaged or no MATLAB file"):
        load(path, "x")
    v73 = bytearray(512)
    v73[124:128] = b"\x00\x02IM"
    v73[:6] = b"MATLAB"
    path.write_bytes(bytes(v73))
    with pytest.raises(UserError, match=r"v7\.3 format"):
        load(path, "x")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_cut_off_file_is_damaged(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"S": struct_array([{"a": np.ones((9, 9)), "b": "name"}] * 9)}, do_compression=compressed)
    whole = path.read_bytes()
    for length in (100, 130, 200, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"a\.mat"):
            load(path, "S")
        with pytest.raises(UserError, match=r"a\.mat"):
            list(stream_structs(path, "S"))


VALUES = st.one_of(
    st.text(alphabet="abcdefg", max_size=20),
    st.lists(st.integers(-300, 70000), max_size=5).map(lambda entry: np.array([entry])),
    st.floats(-1e6, 1e6).map(lambda value: np.array([[value]])),
    st.lists(st.integers(0, 255), max_size=5).map(lambda entry: np.array([entry], dtype=np.uint8)),
    st.integers(1, 3).map(
        lambda length: struct_array([{"imname": "s1", "idlocate": np.ones((1, 4))}] * length)
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6),
    st.booleans(),
    st.text("xyz", min_size=1, max_size=9),
)
def test_reading_element_by_element_gives_what_scipy_gives_at_once(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[Any, Any]], compressed: bool, name: str
) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    array = struct_array([{"Query": first, "a_longer_field": second} for first, second in entries])
    savemat(path, {"before": np.ones((3, 3)), name: array}, do_compression=compressed)
    expected = loadmat(path)[name].ravel()
    streamed = list(stream_structs(path, name))
    assert len(streamed) == len(expected)
    for got, want in zip(streamed, expected, strict=True):
        assert list(got) == ["Query", "a_longer_field"]
        for key, value in got.items():
            assert _plain(value) == _plain(want[key])


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_streaming_the_fixtures(case: str) -> None:
    path = CASES / case / "cuhk/annotation/test/train_test/TestG50.mat"
    expected = loadmat(path)["TestG50"].ravel()
    for got, want in zip(stream_structs(path, "TestG50"), expected, strict=True):
        assert _plain(got["Query"]) == _plain(want["Query"])
        assert _plain(got["Gallery"]) == _plain(want["Gallery"])


def test_streaming_anything_else_falls_back_to_scipy(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"C": cell([struct_array([{"a": 1.0}]), struct_array([{"a": 2.0}])])})
    assert [numbers(element["a"]).tolist() for element in stream_structs(path, "C")] == [[1.0], [2.0]]
    with pytest.raises(UserError, match="no variable D, only C"):
        list(stream_structs(path, "D"))
    with pytest.raises(UserError, match="missing"):
        list(stream_structs(tmp_path / "b.mat", "C"))


def test_streaming_a_big_endian_file(tmp_path: Path) -> None:
    """One struct with one empty-named field matrix, by hand: scipy writes little-endian files only."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    def array(mx_class: int, name: bytes, rest: bytes) -> bytes:
        flags, dimensions = struct.pack(">II", mx_class, 0), struct.pack(">ii", 1, 1)
        return element(14, element(6, flags) + element(5, dimensions) + element(1, name) + rest)

    number = array(6, b"", element(9, struct.pack(">d", 2.5)))
    fields = struct.pack(">HHi", 4, 5, 8) + element(1, b"field\0\0\0")
    content = array(2, b"S", fields + number)
    header = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI"
    path = tmp_path / "a.mat"
    for body in (content, struct.pack(">II", 15, len(zlib.compress(content))) + zlib.compress(content)):
        path.write_bytes(header + body)
        assert loadmat(path)["S"]["field"][0, 0] == 2.5
        assert [numbers(values["field"]).tolist() for values in stream_structs(path, "S")] == [[2.5]]


def test_matlab_strings_are_refused_with_what_to_do(tmp_path: Path) -> None:
    """An object of MATLAB's class `string`, by hand: scipy writes none."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    number = element(14, element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", 1, 1)))
    names = b"".join(element(1, name) for name in (b"pool", b"MCOS", b"string"))
    value = struct.pack("<II", 9, 8) + struct.pack("<d", 1)
    number = element(14, number[8:] + element(1, b"") + value)
    opaque = element(14, element(6, struct.pack("<II", 17, 0)) + names + number)
    path = tmp_path / "pool.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + opaque)
    with pytest.raises(UserError, match=r"pool\.mat holds a MATLAB string, table or other object: save"):
        load(path, "pool")
    (held,) = (value for value in loadmat(path).values() if isinstance(value, np.ndarray))
    for wrapped in (held, _wrapped(held, 2)):
        with pytest.raises(UserError, match="a name expected, found a MATLAB string"):
            text(wrapped)
        with pytest.raises(UserError, match="a name expected, found a MATLAB string"):
            texts(wrapped)


def test_a_struct_is_no_name() -> None:
    with pytest.raises(UserError, match="a name expected, found a struct"):
        text(struct_array([{"a": 1.0}]))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_a_number_as_a_name_is_the_same_in_any_type(dtype: type) -> None:
    assert text(np.array([[12]], dtype=dtype)) == "12"
