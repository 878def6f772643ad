"""Which files of a folder are searched, and what is said about the others."""

import os
from pathlib import Path

import pytest
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.folders import pictures_in

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"


@pytest.fixture
def folder(tmp_path):
    """Return a folder; the query lies beside it."""
    write(tmp_path / "query.png")
    (tmp_path / "gallery").mkdir()
    return tmp_path / "gallery"


def write(path, kind="PNG"):
    Image.new("RGB", (8, 8)).save(path, kind)
    return path


def look(*places):
    said = []
    query = places[0].parent / "query.png"
    return [path.name for path in pictures_in(list(places), query, said.append)], said


def test_a_picture_is_one_whatever_its_name(folder):
    kinds = {
        **{f"a.{suffix}": "JPEG" for suffix in ("jfif", "jpe", "jfi", "pjpeg", "JPG", "txt", "mpo")},
        **{
            "b.gif": "GIF",
            "b.avif": "AVIF",
            "b.webp": "WEBP",
            "b": "PNG",
            "b.PPM": "PPM",
            "b.jp2": "JPEG2000",
        },
        **{"c.heic": "JPEG", "c.tga.bmp": "BMP"},
    }
    for name, kind in kinds.items():
        write(folder / name, kind)
    assert look(folder) == (sorted(kinds), [])


def test_formats_that_are_not_read_are_named(folder):
    write(folder / "a.png")
    for name in ("b.HEIC", "c.heif", *(f"d{number}.heic" for number in range(5))):
        (folder / name).write_bytes(HEIC)
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0")
    (folder / "unnamed").write_bytes(b"\0\0\0\x0cJXL \r\n\x87\n")
    write(folder / "raw.dng", "TIFF")
    names, said = look(folder)
    assert names == ["a.png"]
    kinds = ("HEIC", "video", "JPEG XL", "a camera's raw format")
    lines = [
        next(line for line in said if f": {kind} cannot be read; convert to JPEG" in line) for kind in kinds
    ]
    assert len(said) == len(kinds)
    assert lines[0].startswith(f"warning: left out: {folder / 'b.HEIC'}, {folder / 'c.heif'}, ")
    assert " and 2 more: " in lines[0]


def test_other_files_are_counted_in_one_line(folder):
    write(folder / "a.png")
    for number in range(1200):
        (folder / f"{number}.json").write_text("{}")
    (folder / "Thumbs.db").write_bytes(bytes(100))
    (folder / "._a.png").write_bytes(bytes(100))
    os.mkfifo(folder / "pipe.jpg")
    assert look(folder) == (["a.png"], ["note: 1,203 other files passed over"])


def test_links_are_followed_once(folder):
    (folder / "real").mkdir()
    write(folder / "real" / "a.png")
    (folder / "again").symlink_to(folder / "real")
    (folder / "real" / "loop").symlink_to(folder)
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere / "b.png")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "endless.jpg").symlink_to(folder / "endless.jpg")
    (folder / "broken.jpg").symlink_to(folder / "none.jpg")
    names, said = look(folder)
    assert names == ["b.png", "a.png"]
    assert len(said) == 2
    assert "broken.jpg" in "".join(said) and "endless.jpg" in "".join(said)
    assert "No such file" in "".join(said)


def test_a_folder_that_may_not_be_read_is_named(folder, monkeypatch):
    write(folder / "a.png")
    (folder / "closed").mkdir()
    listed = Path.iterdir

    def iterdir(path):
        if path.name == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    closed = "closed"
    names, said = look(folder)
    assert names == ["a.png"]
    assert said == [f"warning: left out: {folder / 'closed'}: Permission denied"]
    closed = "gallery"
    with pytest.raises(UserError, match="gallery cannot be read: Permission denied"):
        look(folder)


def test_a_folder_without_pictures_says_what_there_is(folder):
    with pytest.raises(UserError, match=r"holds no picture that can be read$"):
        look(folder)
    (folder / "a.heic").write_bytes(HEIC)
    (folder / "b.txt").write_text("text")
    with pytest.raises(
        UserError, match=r"holds no picture that can be read: .*a\.heic: HEIC cannot.*; 1 other file"
    ):
        look(folder)


def test_odd_names(folder):
    names = ["-a.png", "$^_{\\.png", "[a-b]*?.png", "a\nb\t.png", "x" * 240 + ".png", "假日.png"]
    for name in names:
        write(folder / name)
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes((folder / "-a.png").read_bytes())
    (folder / os.fsdecode(b"\xff.heic")).write_bytes(HEIC)
    found, said = look(folder)
    assert sorted(found) == sorted([*names, os.fsdecode(b"\xff\xfe.png")])
    assert r"/\xff.heic: HEIC" in said[0]
    said[0].encode()
