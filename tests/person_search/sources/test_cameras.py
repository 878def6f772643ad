"""Cameras and times from paths; wrong patterns are one clear line."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from person_search.sources.cameras import Cameras, Label
from person_search.sources.times import zone_named
from pipeline.basics.errors import UserError


def test_one_camera_for_all():
    cameras = Cameras("Tür 1")
    assert cameras.of_path(Path("/a.png")) == cameras.of_stream() == Label("Tür 1")
    assert Cameras().of_path(Path("/a.png")) == Cameras().of_stream() == Label()


def test_cameras_from_paths():
    cameras, said = Cameras(pattern=r"/cam(?P<camera>\d+)/"), []
    labels = [
        cameras.of_path(Path(path)) for path in ("/x/cam1/a.png", "/x/cam22/b/c.png", "/x/a.png", "/b\n")
    ]
    assert [label.camera for label in labels] == ["1", "22", None, None]
    cameras.say(said.append)
    assert said == ["warning: --camera-from does not match 2 files, which have no camera: first /x/a.png"]


def test_an_empty_camera_is_none():
    cameras, said = Cameras(pattern=r"/(?P<camera>\d*)x|y(?P<other>)"), []
    assert cameras.of_path(Path("/x")).camera is None
    cameras.say(said.append)
    assert len(said) == 1


def test_a_camera_of_odd_bytes_is_valid_text():
    camera = Cameras(pattern=r"/(?P<camera>[^/]+)/").of_path(Path(os.fsdecode(b"/\xff\n1/a.png"))).camera
    assert camera == r"\xff\n1"
    camera.encode()


def test_times_from_paths():
    pattern = r"(?P<camera>c\d)_(?P<time>\d+)"
    cameras = Cameras(None, pattern, "%Y%m%d%H%M%S", zone_named("+02:00"))
    label = cameras.of_path(Path("/c1_20240701120000.jpg"))
    assert label == Label("c1", datetime(2024, 7, 1, 10, tzinfo=UTC))
    assert cameras.of_path(Path("/c2_20249901120000.jpg")) == Label("c2", None)
    said = []
    cameras.say(said.append)
    assert said == [
        "warning: --time-format does not match 1 file, which has no time from its name: first "
        "/c2_20249901120000.jpg"
    ]


def test_a_format_with_a_zone():
    cameras = Cameras("door", r"(?P<time>\d{4}-\S+)\.jpg", "%Y-%m-%dT%H%M%S%z", zone_named("+09:00"))
    label = cameras.of_path(Path("/2024-07-01T120000-0400.jpg"))
    assert label == Label("door", datetime(2024, 7, 1, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("",), "--camera is empty"),
        ((" \n",), "--camera is empty"),
        ((None, "cam("), r"--camera-from cam\( is no regular expression"),
        ((None, "(?P<camera>a)" + "(" * 5), "is no regular expression"),
        ((None, r"cam\d"), "has no group of the name camera or time; write"),
        ((None, r"(?P<cam>a)"), r"of the name camera or time, but \(\?P<cam>...\); write \(\?P<camera>"),
        (("door", "(?P<camera>a)"), "needs no"),
        ((None, "(?P<time>a)"), "--time-format and a group"),
        ((None, "(?P<camera>a)", "%Y"), "--time-format and a group"),
        ((None, None, "%Y"), "--time-format and a group"),
        ((None, "(?P<time>a)", "%Q"), "--time-format %Q"),
        ((None, "(?P<time>a)", "%"), "--time-format %"),
        ((None, "a{99999999999999999999}(?P<camera>a)"), "is no regular expression"),
    ],
)
def test_wrong_options_are_one_line(arguments, said):
    with pytest.raises(UserError, match=said) as caught:
        Cameras(*arguments)
    assert "\n" not in str(caught.value)
