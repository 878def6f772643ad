"""What sources hold: each thing once, odd files in a line, and what is gone."""

import os
from pathlib import Path

import pytest
from PIL import Image

from person_search.sources.frames import path_of, source_text
from person_search.sources.places import Kind, listed, webcam_source
from pipeline.basics.errors import UserError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0"
TS = b"".join(b"\x47" + bytes(187) for _ in range(8))


def write(path, content=None):
    if content is None:
        with path.open("wb") as file:
            Image.new("RGB", (8, 8)).save(file, "PNG")
    else:
        path.write_bytes(content)
    return path


def look(*places):
    said = []
    return listed(places, said.append), said


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_pictures_and_videos_by_name(folder):
    (folder / "b").mkdir()
    for name in ("c.png", "a.png", "b/d.png"):
        write(folder / name)
    write(folder / "b.mp4", MP4)
    listing, said = look(folder)
    kinds = [(item.path.name, item.kind) for item in listing.items]
    assert kinds == [
        ("a.png", Kind.PICTURE),
        ("d.png", Kind.PICTURE),
        ("b.mp4", Kind.VIDEO),
        ("c.png", Kind.PICTURE),
    ]
    assert said == []
    for item in listing.items:
        status = item.path.stat()
        assert (item.size, item.mtime_ns) == (status.st_size, status.st_mtime_ns)
        assert path_of(item.source) == item.path == Path(item.shown)
        assert item.source == source_text(item.path)


def test_what_is_given_twice_comes_once(folder, monkeypatch):
    write(folder / "a.png")
    (folder / "z.png").symlink_to("a.png")
    (folder.parent / "again").symlink_to(folder)
    monkeypatch.chdir(folder)
    places = ["a.png", ".", folder, "../again", "../in/a.png", folder / "z.png", "../again/z.png"]
    listing, said = look(*places, "http://door/", "http://door/")
    assert [item.source for item in listing.items] == [source_text(folder / "a.png"), "http://door/"]
    assert said == []


def test_order_is_that_of_the_sources(folder):
    for name in ("a.png", "b.png"):
        write(folder / name)
    listing, _ = look(folder / "b.png", folder)
    assert [item.path.name for item in listing.items] == ["b.png", "a.png"]


def test_an_empty_folder_is_no_error(folder):
    assert look(folder)[0].items == ()


@pytest.mark.parametrize(
    ("name", "content", "video"),
    [
        ("a.bin", MP4, True),
        ("a", b"\x1aE\xdf\xa3", True),
        ("a.dat", TS, True),
        ("a.m2t", b"\0\0\0\0" + b"".join(b"\x47" + bytes(191) for _ in range(8)), True),
        ("a.y4m", b"YUV4MPEG2 W8", True),
        ("a.avi", b"", True),
        ("a.DAV", b"DHAV", True),
        ("a.ts", b"const answer: number = 42;" * 40, False),
        ("a.m4a", b"\0\0\0\x18ftypM4A \0\0\0\0", False),
        ("a.mp3", b"ID3\3", False),
        ("a.txt", b"text", False),
    ],
)
def test_what_is_a_video(folder, name, content, video):
    write(folder / name, content)
    listing, said = look(folder)
    assert [item.kind for item in listing.items] == [Kind.VIDEO] * video
    assert said == ([] if video else ["note: 1 other file passed over"])
    if video:
        assert look(folder / name)[0].items == listing.items


def test_odd_files_are_a_line_each_kind(folder):
    write(folder / "a.png")
    for number in range(200):
        write(folder / f"{number}.json", b"{}")
    for number in range(8):
        write(folder / f"{number}.heic", HEIC)
    write(folder / "raw.dng")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "loop").symlink_to(folder)
    listing, said = look(folder, write(folder.parent / "one.heic", HEIC), write(folder.parent / "x.txt", b""))
    assert [item.path.name for item in listing.items] == ["a.png"]
    assert len(said) == 4
    assert sum("9 more: HEIC" in line or " and 4 more: HEIC" in line for line in said) == 1
    assert sum("raw.dng: a camera's raw format" in line for line in said) == 1
    assert sum("gone.png: No such file" in line for line in said) == 1
    assert said[-1] == "note: 202 other files passed over"


@pytest.mark.parametrize(
    "names", [[b"\xff\xfe.png", "a b.png", "'\"$(x);.png", "假日.png", "a\nb.png", "-r"]]
)
def test_odd_names(folder, names):
    for name in names:
        write(folder / os.fsdecode(name))
    listing, _ = look(folder)
    assert {path_of(item.source) for item in listing.items} == {folder / os.fsdecode(name) for name in names}
    assert all(len(item.shown.splitlines()) == 1 and item.shown.encode() for item in listing.items)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("none.png", "none.png does not exist"),
        ("a\nb", r"a\\nb does not exist"),
        ("ftp://me:secret@door/x", "streams are read from rtsp://, rtsps://, http://, https:// only"),
        ("webcam:77", "webcam:77: there is no /dev/video77"),
        ("webcam:/dev/null", "webcam:/dev/null: /dev/null is no camera"),
        ("x" * 5000, "File name too long"),
        ("", "a source is empty"),
    ],
)
def test_missing_sources_are_errors(folder, place, said, monkeypatch):
    monkeypatch.chdir(folder)
    write(folder / "a.png")
    with pytest.raises(UserError, match=said) as caught:
        look("a.png", place)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_files_of_which_none_can_be_read_are_an_error(folder):
    with pytest.raises(UserError, match="none of the given files is a picture or video"):
        look(write(folder / "a.heic", HEIC), write(folder / "b.txt", b""))


def test_a_file_that_goes_away_meanwhile_is_left_out(folder, monkeypatch):
    write(folder / "a.png")
    monkeypatch.setattr("person_search.sources.places.found_below", lambda path, _: _removed(path))
    listing, said = look(folder)
    assert listing.items == ()
    assert said == [f"warning: left out: {folder / 'a.png'}: No such file or directory"]


def _removed(folder):
    from pipeline.inference.own_pictures.folders import found_below  # noqa: PLC0415

    found = found_below(folder)
    (folder / "a.png").unlink()
    return found


def test_streams_hide_their_passwords(folder):
    listing, _ = look("rtsp://me:se@cret@door:554/1?token=secret", "HTTPS://door/live")
    assert [item.source for item in listing.items] == ["rtsp://me@door:554/1?token=...", "https://door/live"]
    assert [item.kind for item in listing.items] == [Kind.STREAM] * 2
    assert listing.items[0].address == "rtsp://me:se@cret@door:554/1?token=secret"
    assert "cret" not in repr(listing)


def test_cameras_of_this_machine():
    assert webcam_source(Path("/dev/video0")) == "webcam:0"
    assert webcam_source(Path("/dev/v4l/by-id/usb-x")) == "webcam:/dev/v4l/by-id/usb-x"


def test_a_camera_is_a_stream_by_its_device(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "person_search.sources.places.VIDEO_DEVICES", os.major(Path("/dev/null").stat().st_rdev)
    )
    listing, _ = look("/dev/null", "webcam:/dev/null")
    assert [(item.source, item.address) for item in listing.items] == [("webcam:/dev/null", "/dev/null")]


def test_what_is_gone(folder):
    kept, gone = write(folder / "a.png"), write(folder / "b.png")
    outside, stream = write(folder.parent / "c.png"), "rtsp://door/1"
    before = [source_text(path) for path in (kept, gone, outside)]
    gone.unlink()
    listing, _ = look(folder)
    assert [listing.lacks(source) for source in [*before, stream]] == [False, True, False, False]
    listing, _ = look(kept, outside)
    assert [listing.lacks(source) for source in before] == [False, False, False]


def test_what_lies_in_an_unreadable_folder_is_not_known_to_be_gone(folder, monkeypatch):
    (folder / "closed").mkdir()
    source = source_text(write(folder / "closed" / "a.png"))
    listed_by = Path.iterdir

    def iterdir(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed_by(path)

    assert not look(folder)[0].lacks(source)
    monkeypatch.setattr(Path, "iterdir", iterdir)
    listing, said = look(folder)
    assert said == [f"warning: left out: {folder / 'closed'}: Permission denied"]
    assert listing.items == () and not listing.lacks(source)
    monkeypatch.undo()
    (folder / "closed" / "a.png").unlink()
    assert look(folder)[0].lacks(source)
