"""Every file has one text, and every text its file."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search.sources.frames import is_file, path_of, source_text

NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
)
ODD = [
    b"\xff\xfe.png",
    b"a\nb",
    b"\\",
    b"\\x0a",
    b"\\\\xff",
    b"a\xc2\x85b",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b" ",
]


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_a_name_of_any_bytes_comes_back(names):
    path = Path(os.fsdecode(b"/nowhere/" + b"/".join(names)))
    text = source_text(path)
    assert path_of(text) == path
    assert is_file(text)
    text.encode()
    assert len(text.splitlines()) == 1


@given(NAMES, NAMES)
def test_two_names_have_two_texts(one, other):
    paths = [Path(os.fsdecode(b"/nowhere/" + name)) for name in (one, other)]
    assert (source_text(paths[0]) == source_text(paths[1])) == (one == other)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_real_files(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(name)
    assert path_of(source_text(path)).read_bytes() == name


@pytest.mark.parametrize(
    "name", ["a.png", "a b.png", "'\"$(x).png", "假日 ü é.png", "-n", "%5C%00", "~", "a:b"]
)
def test_an_ordinary_path_is_its_own_text(tmp_path, name):
    assert source_text(tmp_path / name) == f"{tmp_path.resolve()}/{name}"


def test_one_file_has_one_text_from_everywhere(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "real")
    ways = ["a.png", "./a.png", "../real/a.png", "../folder/a.png", tmp_path / "folder" / "a.png"]
    assert {source_text(Path(way)) for way in ways} == {f"{tmp_path.resolve()}/real/a.png"}
    assert source_text(Path("..")) == source_text(tmp_path)


def test_a_link_keeps_its_own_name(tmp_path):
    (tmp_path / "3f2a").touch()
    (tmp_path / "door.jpg").symlink_to(tmp_path / "3f2a")
    assert source_text(tmp_path / "door.jpg").endswith("/door.jpg")


@pytest.mark.parametrize("text", ["rtsp://camera/1", "webcam:0", "a.png", "", "/a\\b", "/\\xg0"])
def test_other_texts_name_no_file(text):
    with pytest.raises(ValueError, match="does not name a file"):
        path_of(text)
