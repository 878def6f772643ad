"""No password is shown, and two streams stay two."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from person_search.sources.addresses import is_address, shown_address

PASSWORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=4, max_size=12)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://door/1", "rtsp://door/1"),
        ("rtsp://me:secret@door:554/1", "rtsp://me@door:554/1"),
        ("rtsp://me@door/1", "rtsp://me@door/1"),
        ("rtsp://:secret@door/1", "rtsp://door/1"),
        ("rtsp://me:a@b@door/1", "rtsp://me@door/1"),
        ("rtsp://me:a/b@door/1", "rtsp://me@door/1"),
        ("rtsp://me:a#b?c@door/1", "rtsp://me@door/1"),
        ("http://door/@me/live", "http://door/@me/live"),
        ("http://[::1]:80/@me", "http://[::1]:80/@me"),
        ("http://[::1]/a", "http://[::1]/a"),
        ("http://door/a?user=me&password=x&channel=2", "http://door/a?user=me&password=...&channel=2"),
        ("rtsp://door/user=me_password=xy_channel=1", "rtsp://door/user=me_password=..._channel=1"),
        ("http://door/a?Token=x#b", "http://door/a?Token=...#b"),
        ("webcam:0", "webcam:0"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_shown(address, shown):
    assert shown_address(address) == shown


@given(PASSWORDS)
def test_no_password_is_shown(password):
    assume(password not in "rtsp://me:@0.0:554/1?pwd=&n=2")  # "rtsp" is shown, whatever it is besides
    assert password not in shown_address(f"rtsp://me:{password}@0.0:554/1?pwd={password}&n=2").replace(
        "...", ""
    )


@pytest.mark.parametrize(
    "text", ["a.png", "/a/b", "rtsp:/door", "ftp://door", "file:///etc/passwd", "concat:a|b"]
)
def test_other_texts_are_no_addresses(text):
    assert not is_address(text)
