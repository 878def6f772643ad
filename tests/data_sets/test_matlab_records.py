"""Galleries that are read in bulk are what scipy reads entry by entry, whatever the file holds."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from benchmarks import matlab_writer
from pipeline.basics.errors import UserError
from pipeline.datasets import cuhk_protocols
from pipeline.datasets.checks import Findings
from pipeline.datasets.cuhk_protocols import Protocol, read_protocol
from pipeline.datasets.matlab import numbers, structs, text
from pipeline.datasets.matlab_elements import Undecoded
from pipeline.datasets.matlab_records import alike
from pipeline.datasets.matlab_stream import stream_structs
from pipeline.datasets.scene_index import SceneIndex
from tests.data_sets.trees import cell, struct_array

SCENES = ["s1.jpg", "s2.jpg", "s33.jpg", "s444.jpg", "s 5.jpg", "sé.jpg", "7"]
NAMES = st.one_of(
    st.sampled_from(["s1.jpg", "s2.jpg", "s33.jpg", "s444.jpg"]),  # most entries are of this kind
    st.sampled_from([*SCENES, " s2.jpg", "s1.jpg ", "none.jpg", "s", "", np.array([[7]]), cell(["s2.jpg"])]),
)
BOXES = st.one_of(
    st.none(),
    st.sampled_from(
        [(1, 2, 3, 4), (1, 2, 300, 4), (0.5, 2, 3, 4), (5, 6, 7, 8), (1, 2, 0, 4), (9, 9, -1, 2)]
    ),
)
BROKEN_BOXES = st.sampled_from([(1, 2, 3), (1, 2, np.inf, 4), "text"])
ENTRIES = st.lists(st.tuples(NAMES, BOXES, st.integers(0, 2)), min_size=1, max_size=40)
BROKEN_ENTRIES = st.lists(
    st.tuples(NAMES, st.one_of(BOXES, BROKEN_BOXES), st.integers(0, 2)), min_size=1, max_size=12
)


def _box(value: Any) -> Any:
    if value is None:
        return np.empty((0, 0))
    if isinstance(value, str):
        return value
    whole = all(float(number).is_integer() and number >= 0 for number in value)
    return np.array([value], dtype=np.min_scalar_type(max(value)) if whole else np.float64)


def _query(entries: list[tuple[Any, Any, int]]) -> dict[str, Any]:
    entry = [{"imname": name, "idlocate": _box(box), "ishard": np.uint8(hard)} for name, box, hard in entries]
    query = {"imname": "s1.jpg", "idlocate": _box((1, 2, 3, 4)), "idname": "p1"}
    return {"Query": struct_array([query]), "Gallery": struct_array(entry)}


def _write(path: Path, galleries: list[Any], compressed: bool) -> None:
    savemat(path, {"T": struct_array([_query(one) for one in galleries])}, do_compression=compressed)


def _read(path: Path) -> tuple[Protocol | str, Findings]:
    """Return what a file holds, or why it cannot be read, and the findings."""
    findings = Findings()
    try:
        return read_protocol(path, "T", SceneIndex(SCENES), findings), findings
    except UserError as error:
        return str(error), findings


def _check_against_scipy(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Read a file in bulk, and with every gallery decoded by scipy; compare all that comes out."""

    def decoding(path: Path, variable: str, **_options: Any) -> Any:
        return stream_structs(path, variable)

    in_bulk, notes = _read(path)
    with patch.context() as patched:
        patched.setattr(cuhk_protocols, "stream_structs", decoding)
        one_by_one, want = _read(path)
    assert notes == want
    if isinstance(in_bulk, str) or isinstance(one_by_one, str):
        assert in_bulk == one_by_one
        return
    assert (in_bulk.people, in_bulk.scenes) == (one_by_one.people, one_by_one.scenes)
    assert in_bulk.boxes.tolist() == one_by_one.boxes.tolist()
    for name, value in vars(one_by_one.galleries).items():
        got = getattr(in_bulk.galleries, name)
        if isinstance(value, np.ndarray):
            assert got.dtype == value.dtype
            np.testing.assert_array_equal(got, value)
        else:
            assert got == value


@settings(max_examples=150, deadline=None)
@given(galleries=st.lists(ENTRIES, min_size=1, max_size=3), compressed=st.booleans())
def test_a_protocol_read_in_bulk(
    tmp_path_factory: pytest.TempPathFactory, galleries: list[Any], compressed: bool
) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    _write(path, galleries, compressed)
    with pytest.MonkeyPatch.context() as patch:
        _check_against_scipy(path, patch)


@settings(max_examples=60, deadline=None)
@given(galleries=st.lists(BROKEN_ENTRIES, min_size=1, max_size=3))
def test_broken_entries_give_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, galleries: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    _write(path, galleries, compressed=False)
    with pytest.MonkeyPatch.context() as patch:
        _check_against_scipy(path, patch)


@settings(max_examples=100, deadline=None)
@given(galleries=st.lists(ENTRIES, min_size=1, max_size=2), data=st.data())
def test_damage_gives_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, galleries: list[Any], data: st.DataObject
) -> None:
    """A file that was cut off, or in which something else stands where an array should be.

    Other damage can end the process: scipy trusts the types of numbers.
    """
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    _write(path, galleries, compressed=False)
    content = bytearray(path.read_bytes())
    tags = [at for at in range(136, len(content), 8) if content[at : at + 4] == b"\x0e\0\0\0"]
    if data.draw(st.booleans()):
        content[data.draw(st.sampled_from(tags))] = data.draw(st.sampled_from([0, 1, 9, 13, 15]))
    else:
        content = content[: data.draw(st.integers(len(content) // 3, len(content)))]
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        _check_against_scipy(path, patch)


def _written_by_matlab(path: Path, galleries: list[list[tuple[str, Any, int]]], wide: bool) -> None:
    """Write galleries with MATLAB's empty arrays and small numbers, which differ from scipy's in their bytes.

    `wide`: characters of two bytes.
    """

    def entry(name: str, box: Any, hard: int) -> dict[str, bytes]:
        return {
            "imname": matlab_writer.text(name, wide),
            "idlocate": matlab_writer.whole_numbers([] if box is None else map(int, box)),
            "ishard": matlab_writer.whole_numbers([hard]),
        }

    query = matlab_writer.struct_array(
        [entry("s1.jpg", (1, 2, 3, 4), 0) | {"idname": matlab_writer.text("p")}]
    )
    elements = [query + matlab_writer.struct_array(entry(*one) for one in entries) for entries in galleries]
    body = matlab_writer.struct_body(["Query", "Gallery"], elements)
    whole = matlab_writer.matrix(matlab_writer.STRUCT, 1, len(elements), body, "T")
    path.write_bytes(matlab_writer.HEADER + whole)


MATLAB_ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["s1.jpg", "s2.jpg", "s33.jpg", "s444.jpg", "s 5.jpg", "none.jpg", "s", " s2.jpg"]),
        st.sampled_from([None, None, None, (1, 2, 3, 4), (14, 14, 14, 14), (1, 2, 0, 4)]),
        st.sampled_from([0, 1, 14]),  # 14 looks like the tag of an array
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(galleries=st.lists(MATLAB_ENTRIES, min_size=1, max_size=3), wide=st.booleans())
def test_so_is_one_that_matlab_wrote(
    tmp_path_factory: pytest.TempPathFactory, galleries: list[Any], wide: bool
) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    _written_by_matlab(path, galleries, wide)
    assert [element.dtype.names for element in loadmat(path)["T"].ravel()] == [("Query", "Gallery")] * len(
        galleries
    )
    with pytest.MonkeyPatch.context() as patch:
        _check_against_scipy(path, patch)


def _gallery(path: Path) -> Undecoded:
    (element,) = stream_structs(path, "T", undecoded=("Gallery",))
    gallery = element["Gallery"]
    assert isinstance(gallery, Undecoded)
    return gallery


@pytest.mark.parametrize("wide", [False, True])
def test_most_of_a_gallery_is_read_in_bulk(tmp_path: Path, wide: bool) -> None:
    names = [f"s{number}.jpg" for number in np.random.default_rng(0).permutation(np.arange(900, 2900))]
    entries = [("s7.jpg", (1, 2, 3, 4), 1), *[(name, None, index % 2) for index, name in enumerate(names)]]
    _written_by_matlab(tmp_path / "a.mat", [entries], wide)
    groups = list(alike(_gallery(tmp_path / "a.mat"), "imname", ("idlocate",)))
    assert [len(group.places) for group in groups] == [1, 1900, 100]
    assert sorted(place for group in groups for place in group.places) == list(range(2001))
    for group in groups:
        assert [text(group.element["imname"]), *(one.decode() for one in group.texts.tolist())] == [
            entries[place][0] for place in group.places
        ]


def test_many_kinds_of_entries_are_read_one_by_one(tmp_path: Path) -> None:
    entries = [("s1.jpg", (number, 2, 3, 4), 0) for number in range(100, 220)]
    _written_by_matlab(tmp_path / "a.mat", [entries], wide=False)
    groups = list(alike(_gallery(tmp_path / "a.mat"), "imname", ("idlocate",)))
    assert [numbers(group.element["idlocate"])[0] for group in groups] == list(range(100, 220))


def test_words_that_look_like_tags_are_walked_past(tmp_path: Path) -> None:
    """Two numbers of 32 bits that are 14 and 0: the tag of an empty array."""
    path, number = tmp_path / "a.mat", np.array([14], dtype=np.uint64)
    entries = [{"imname": f"s{index}.jpg", "idlocate": np.empty((0, 0)), "n": number} for index in range(9)]
    savemat(path, {"T": struct_array([{"Gallery": struct_array(entries)}])})
    groups = list(alike(_gallery(path), "imname", ("idlocate",)))
    assert [len(group.places) for group in groups] == [9]
    assert [text(entry["imname"]) for entry in structs(_gallery(path).value())] == [
        text(groups[0].element["imname"]),
        *(name.decode() for name in groups[0].texts.tolist()),
    ]


def test_a_damaged_gallery_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    _write(path, [[("s1.jpg", None, 0)] * 9], compressed=False)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rindex(b"s1.jpg") - 56, 9)  # the type of the array it is in
    path.write_bytes(content)
    damage, findings = _read(path)
    assert str(damage).startswith(f"{path} is damaged: ") and findings == Findings()
