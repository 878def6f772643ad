"""Videos give the frames of the right moments, upright, up to where they are damaged."""

import os
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from person_search.sources import decoded_frames
from person_search.sources.decoded_frames import turned
from person_search.sources.frames import path_of
from person_search.sources.times import zone_named
from person_search.sources.videos import video_frames
from pipeline.basics.errors import UserError
from tests.person_search.sources.films import CODECS, number_of, numbered, write_film, write_sound

HALF = Fraction(1, 2)
CLUSTER = b"\x1f\x43\xb6\x75"
"""What begins the frames of a Matroska file."""
START = datetime(2024, 7, 1, 12, tzinfo=UTC)


def read(path, **options):
    """Return the frames that can be read, and the line about the others."""
    frames = []
    try:
        for frame in video_frames(path, **options):
            frames.append(frame)
    except UserError as error:
        assert "\n" not in str(error)
        return frames, str(error)
    return frames, None


def numbers(frames):
    """Return the numbers of frames, which are those that they show, too."""
    assert [number_of(frame.pixels) for frame in frames] == [frame.frame for frame in frames]
    return [frame.frame for frame in frames]


@pytest.mark.parametrize("name", CODECS)
def test_all_codecs(tmp_path, name):
    path = write_film(tmp_path / name, *CODECS[name])
    frames, line = read(path)
    assert line is None
    assert numbers(frames) == list(range(30))
    assert all(path_of(frame.source) == path and frame.size == (64, 48) for frame in frames)
    assert all(frame.pixels.dtype == np.uint8 and frame.pixels.flags.c_contiguous for frame in frames)
    assert np.abs(frames[5].pixels[:14, 52:62].astype(int) - (200, 40, 40)).max() < 25
    assert numbers(read(path, every=HALF)[0]) == [0, 13, 25]


def test_moments_of_a_variable_rate(tmp_path):
    times = [0, 10, 20, 480, 510, 520, 2400, 2410, 2500, 2990, 3000, 3001, 9000]
    frames, line = read(write_film(tmp_path / "a.mkv", times=times), every=HALF, start=START)
    assert line is None
    assert numbers(frames) == [0, 4, 6, 8, 10, 12]
    expected = [START + timedelta(milliseconds=times[frame.frame]) for frame in frames]
    assert [frame.time for frame in frames] == expected


@settings(max_examples=8)
@given(st.lists(st.integers(5, 900), min_size=4, max_size=30), st.sampled_from([100, 250, 1000]))
def test_moments_against_a_plain_rule(tmp_path_factory, distances, every):
    times = [int(time) for time in np.cumsum([0, *distances])]
    path = write_film(tmp_path_factory.mktemp("film") / "a.mkv", times=times)
    expected = [
        number
        for number, time in enumerate(times)
        if number == 0 or time // every > times[number - 1] // every
    ]
    assert numbers(read(path, every=Fraction(every, 1000))[0]) == expected


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.webm", "a.avi"])
@pytest.mark.parametrize("every", [None, Fraction(1, 5)])
def test_a_video_in_parts_gives_the_frames_of_the_whole(tmp_path, name, every):
    path = write_film(tmp_path / name, *CODECS[name])
    whole, _ = read(path, every=every, start=START)
    for after in (-1, 0, 1, 13, whole[-1].frame - 1, whole[-1].frame, 999):
        rest, line = read(path, every=every, after=after, start=START)
        assert line is None
        expected = [frame for frame in whole if frame.frame > after]
        assert [(frame.frame, frame.time) for frame in rest] == [
            (frame.frame, frame.time) for frame in expected
        ]
        for one, other in zip(rest, expected, strict=True):
            np.testing.assert_array_equal(one.pixels, other.pixels)


def test_threads_of_the_decoder_change_nothing(tmp_path):
    path = write_film(tmp_path / "a.mp4")
    for one, other in zip(read(path)[0], read(path, threads=3)[0], strict=True):
        assert (one.frame, one.time) == (other.frame, other.time)
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("metadata", "zone", "start"),
    [
        ({"creation_time": "2024-07-01T12:00:00Z"}, UTC, START),
        ({"creation_time": "1970-01-01T00:00:00Z"}, UTC, None),
        ({}, zone_named("+02:00"), None),
    ],
)
def test_times(tmp_path, metadata, zone, start):
    path = write_film(tmp_path / "a.mp4", metadata=metadata)
    frames, _ = read(path, zone=zone)
    expected = [start and start + timedelta(milliseconds=40 * number) for number in range(30)]
    assert [frame.time for frame in frames] == expected
    given_start = START.replace(year=2020)
    assert read(path, start=given_start)[0][1].time == given_start + timedelta(milliseconds=40)


MATRICES = {
    "as stored": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "half a turn": (-1, 0, 0, -1),
    "upside down": (1, 0, 0, -1),
    "to the right": (0, 1, -1, 0),
    "to the left": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "transversed": (0, -1, -1, 0),
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_turned_pixels_lie_where_the_matrix_says(matrix):
    a, b, c, d = matrix
    pixels = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
    seen = turned(pixels, matrix)
    places = {(x, y): (a * x + c * y, b * x + d * y) for x in range(3) for y in range(4)}
    left = min(place[0] for place in places.values())
    top = min(place[1] for place in places.values())
    assert seen.shape == ((4, 3, 3) if a else (3, 4, 3))
    for (x, y), (to_x, to_y) in places.items():
        np.testing.assert_array_equal(seen[to_y - top, to_x - left], pixels[y, x])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_frames_are_turned_upright(tmp_path, name, matrix):
    frames, _ = read(write_film(tmp_path / name, matrix=matrix, number=3))
    plain = turned(numbered(2), matrix)
    assert frames[2].size == plain.shape[1::-1]
    assert np.abs(frames[2].pixels.astype(int) - plain).mean() < 12


def test_a_huge_frame_is_reduced(tmp_path, monkeypatch):
    monkeypatch.setattr(decoded_frames, "KEPT_PIXELS", 64 * 48 // 4)
    frames, _ = read(write_film(tmp_path / "a.mp4", number=2))
    assert frames[0].pixels.shape == (24, 32, 3)
    assert frames[0].size == (64, 48)
    assert frames[0].remark == "it is large, 64 x 48 pixels: it is looked at in 32 x 24"


def test_a_frame_beyond_measure_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("person_search.sources.decoded_video.MOST_PIXELS", 3000)
    assert read(write_film(tmp_path / "a.mp4")) == (
        [],
        f"{tmp_path}/a.mp4 is too large: 64 x 48 pixels, more than 3,000",
    )


CUT = {"a.mkv": 0.6, "a.ts": 0.6, "a.webm": 0.6, "b.mkv": 0.6, "c.mkv": 0.6, "a.flv": 0.8, "a.mpg": 0.7}
CUT_RATE = {"a.mpg": 25}
"""MPEG-2 has no slow rates."""


@pytest.mark.parametrize(
    ("name", "sound"),
    [*((name, False) for name in CUT), *((name, True) for name in ("a.mkv", "a.ts", "a.flv"))],
)
def test_a_video_that_is_cut_off(tmp_path, name, sound):
    path = write_film(tmp_path / name, *CODECS[name], number=60, rate=CUT_RATE.get(name, 10), sound=sound)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * CUT[name]) | 1])
    frames, line = read(path)
    assert line.startswith(f"{path} is ") and ("cut off" in line or "damaged in" in line)
    assert 5 < len(frames) < 60
    whole = frames[:-6]  # behind the last whole group of pictures, some are missing
    assert numbers(whole) == list(range(len(whole)))


def test_an_mp4_that_is_cut_off(tmp_path):
    path = write_film(tmp_path / "a.mp4", number=60, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    frames, line = read(path)
    assert "is cut off or damaged: it was read up to frame" in line
    assert numbers(frames[:10]) == list(range(10)) and len(frames) < 60
    path = write_film(tmp_path / "b.mp4", number=60)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    frames, line = read(path)
    assert frames == [] and line.startswith(f"{path} ") and line.endswith("(or it is damaged or cut off)")


def test_a_whole_video_with_sound_is_not_cut_off(tmp_path):
    for name in ("a.mp4", "a.mkv", "a.ts", "a.flv"):
        for number in (5, 100):
            frames, line = read(write_film(tmp_path / name, *CODECS[name], number=number, sound=True))
            assert (line, len(frames)) == (None, number)


def test_a_damaged_packet_costs_some_frames(tmp_path):
    path = write_film(tmp_path / "a.webm", *CODECS["a.webm"], number=60)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    frames, line = read(path)
    assert line is not None and ("is damaged in" in line or "is cut off or damaged" in line)
    assert frames[0].frame == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.webm", "a.mpg", "a.flv"])
def test_damage_of_any_kind_is_frames_and_at_most_a_line(tmp_path, name):
    path = write_film(tmp_path / name, *CODECS[name])
    content, drawn = path.read_bytes(), np.random.default_rng(0)
    for _ in range(12):
        damaged = bytearray(content[: drawn.integers(1, len(content))] if drawn.random() < 0.3 else content)
        for place in drawn.integers(0, len(damaged), drawn.integers(1, 40)):
            damaged[place] = drawn.integers(256)
        path.write_bytes(damaged)
        frames, line = read(path)
        assert len(frames) <= 90
        assert frames or line


def test_files_without_frames(tmp_path):
    sound = write_sound(tmp_path / "a.m4a").rename(tmp_path / "a.mp4")
    empty, text = tmp_path / "b.mp4", tmp_path / "c.mp4"
    empty.touch()
    text.write_text("#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n")
    os.mkfifo(tmp_path / "d.mp4")
    cut = write_film(tmp_path / "e.mkv")
    content = cut.read_bytes()
    cut.write_bytes(content[: content.index(CLUSTER) + 20])
    assert read(sound) == ([], f"{sound} holds only sound; give a video")
    for path in (empty, text):
        assert read(path) == ([], f"{path} is no video that can be read (or it is damaged or cut off)")
    assert read(tmp_path / "d.mp4") == ([], f"{tmp_path}/d.mp4 is no ordinary file; give a video")
    assert read(tmp_path / "x.mp4") == ([], f"{tmp_path}/x.mp4 does not exist")
    assert read(cut) == ([], f"{cut} holds no frame that can be decoded (or it is damaged or cut off)")


@pytest.mark.parametrize(
    "name", ["a b.mp4", "'\"$(x).mp4", "假日.mp4", "a\nb.mp4", "a\\%03d.mp4", b"\xff\xfe.mp4"]
)
def test_names(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    write_film(tmp_path / "a.mp4", number=2).rename(path)
    frames, line = read(path)
    assert line is None
    assert path_of(frames[1].source) == path


def test_odd_titles(tmp_path):
    path = write_film(tmp_path / "a.mkv", number=2, metadata={"title": "MARK1234"})
    path.write_bytes(path.read_bytes().replace(b"MARK1234", b"\xff\xfe\xff\xfe\0\n\xff\xff"))
    assert len(read(path)[0]) == 2


def test_nothing_is_printed(tmp_path, capfd):
    path = write_film(tmp_path / "a.ts", number=40)
    capfd.readouterr()
    path.write_bytes(path.read_bytes()[4000:-4000])
    read(path)
    assert capfd.readouterr() == ("", "")


def test_a_reader_may_stop_at_any_frame(tmp_path):
    frames = video_frames(write_film(tmp_path / "a.mp4"))
    assert next(frames).frame == 0
    frames.close()
    assert not [file for file in psutil.Process().open_files() if file.path.endswith("a.mp4")]


def test_without_pyav_a_line_says_what_to_install(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", number=2)
    monkeypatch.setitem(sys.modules, "av", None)
    assert read(path) == (
        [],
        "videos and streams are read with PyAV, which is not installed: pip install '.[index]'",
    )
