"""Streams: the newest frames, connecting again, no password in any line."""

import http.server
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import pytest

from person_search.sources import streams
from person_search.sources.streams import AvConnection, stream_frames
from pipeline.basics.errors import UserError
from tests.person_search.sources.films import number_of, numbered, write_film

ADDRESS = "rtsp://me:secret@door/1"
SHOWN = "rtsp://me@door/1"
START = datetime(2024, 7, 1, 12, tzinfo=UTC)


class Pretended:
    """A stream that gives some frames, 25 a second by their times, and then stops."""

    live, start, distance = True, None, Fraction(1, 25)

    def __init__(self, number, stopped="it was pulled out", before=lambda _number: None, first=0):
        self.stopped, self.closed = stopped, False
        self._number, self._before, self._first = number, before, first

    def frames(self):
        for number in range(self._number):
            self._before(number)
            frame = av.VideoFrame.from_ndarray(numbered(self._first + number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            yield frame

    def close(self):
        self.closed = True


def connecting(*connections):
    """Return something that gives one connection after the other; errors are raised, and then refused."""
    waiting = iter(connections)

    def connect(address):
        assert address == ADDRESS
        connection = next(waiting, None) or UserError("refused")
        if isinstance(connection, Exception):
            raise connection
        return connection

    return connect


def read(connect, **options):
    frames, said = [], []
    options = {"pause": 0.0, "attempts": 3, **options}
    try:
        for frame in stream_frames(ADDRESS, connect=connect, say=said.append, **options):
            frames.append(frame)
    except UserError as error:
        said.append(str(error))
    assert not any("secret" in line or "\n" in line for line in said)
    return frames, said


def in_step(taken, number):
    """Wait until the frames before are taken, as if the stream were slow."""
    deadline = time.monotonic() + 10
    while len(taken) < number and time.monotonic() < deadline:
        time.sleep(0.001)


def test_a_lost_stream_is_connected_to_again_and_numbers_go_on():
    taken, said = [], []
    connections = [
        Pretended(3, before=lambda number: in_step(taken, number)),
        UserError("refused"),
        Pretended(2, before=lambda number: in_step(taken, 3 + number), first=3),
    ]
    begun = datetime.now(UTC)
    with pytest.raises(UserError) as caught:
        for frame in stream_frames(
            ADDRESS, connect=connecting(*connections), say=said.append, pause=0.0, attempts=2, camera="door"
        ):
            taken.append(frame)
    assert [frame.frame for frame in taken] == [number_of(frame.pixels) for frame in taken] == [0, 1, 2, 3, 4]
    assert {(frame.source, frame.camera, frame.size) for frame in taken} == {(SHOWN, "door", (64, 48))}
    assert all(begun <= frame.time <= datetime.now(UTC) for frame in taken)
    assert [frame.time for frame in taken] == sorted(frame.time for frame in taken)
    assert said == [
        f"{SHOWN} was lost (it was pulled out); connecting again, attempt 1 of 2",
        f"{SHOWN} was lost (refused); connecting again, attempt 2 of 2",
        f"{SHOWN} was lost (it was pulled out); connecting again, attempt 1 of 2",
        f"{SHOWN} was lost (refused); connecting again, attempt 2 of 2",
    ]
    assert str(caught.value) == f"{SHOWN} was lost and did not come back in 2 attempts: refused"
    assert connections[0].closed and connections[2].closed


def test_a_stream_that_never_opens_is_an_error_at_once():
    assert read(connecting(UserError("wrong password"), Pretended(3))) == ([], ["wrong password"])


def test_streams_without_frames_are_given_up():
    frames, said = read(connecting(*(Pretended(0) for _ in range(9))))
    assert frames == [] and len(said) == 4
    assert said[-1].endswith("did not come back in 3 attempts: it was pulled out")


def test_a_slow_caller_gets_the_newest_frames():
    begun, finished = threading.Event(), threading.Event()

    def before(number):
        if number == 1:
            begun.wait(10)
        if number == 49:
            finished.set()

    connect, said = connecting(Pretended(50, before=before)), []
    frames = stream_frames(ADDRESS, connect=connect, say=said.append, attempts=0)
    first = next(frames)
    begun.set()
    finished.wait(10)
    time.sleep(0.05)
    with pytest.raises(UserError, match="was lost"):
        for frame in frames:
            last = frame
    assert first.frame == 0
    assert last.frame == 49 == number_of(last.pixels)
    assert said == [f"{SHOWN}: frames are dropped: they come faster than people are looked for"]


def test_moments_are_those_of_the_stream():
    taken = []
    connect = connecting(Pretended(50, before=lambda number: in_step(taken, number // 10)))
    with pytest.raises(UserError):
        for frame in stream_frames(ADDRESS, connect=connect, every=Fraction(2, 5), attempts=0):
            taken.append(frame)
    assert [frame.frame for frame in taken] == [0, 10, 20, 30, 40]


def test_an_error_of_the_reader_reaches_the_caller():
    def before(number):
        if number == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(stream_frames(ADDRESS, connect=connecting(Pretended(5, before=before))))


def test_a_caller_may_stop():
    go_on = threading.Event()
    connection = Pretended(9, before=lambda number: number and go_on.wait(10))
    frames = stream_frames(ADDRESS, connect=connecting(connection))
    next(frames)
    frames.close()
    go_on.set()
    deadline = time.monotonic() + 10
    while not connection.closed and time.monotonic() < deadline:
        time.sleep(0.001)
    assert connection.closed


@contextmanager
def served(content, length=True):
    """Serve bytes at an address on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/film" else 404)
            if length:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.path == "/film":
                self.wfile.write(content)

        def log_message(self, *_arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://me:secret@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_whole_video_at_an_address_is_read_once(tmp_path):
    metadata = {"creation_time": START.isoformat()}
    options = {"movflags": "faststart"}
    film = write_film(tmp_path / "a.mp4", metadata=metadata, options=options).read_bytes()
    with served(film) as address:
        frames = list(stream_frames(f"{address}/film"))
    assert (
        [frame.frame for frame in frames] == [number_of(frame.pixels) for frame in frames] == list(range(30))
    )
    assert [frame.time for frame in frames] == [START + timedelta(milliseconds=40 * n) for n in range(30)]
    assert frames[0].source == address.replace(":secret", "") + "/film"


def test_an_endless_address_is_a_stream(tmp_path):
    film = write_film(tmp_path / "a.ts", number=25).read_bytes()
    frames, said = [], []
    with served(film, length=False) as address:
        for frame in stream_frames(f"{address}/film", pause=0.0, say=said.append):
            frames.append(frame)
            if frame.frame >= 60:  # the server begins anew each time
                break
    assert [frame.frame for frame in frames] == sorted({frame.frame for frame in frames})
    assert len([line for line in said if "was lost (" in line]) >= 2
    assert not any("secret" in line for line in said)


@pytest.mark.parametrize("path", ["/film", "/none"])
def test_addresses_without_video(tmp_path, path):
    with served(b"<html></html>") as address, pytest.raises(UserError, match="cannot be opened: ") as caught:
        next(stream_frames(f"{address}{path}"))
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_playlist_at_an_address_cannot_open_files(tmp_path):
    film = write_film(tmp_path / "a.ts")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{film}\n#EXT-X-ENDLIST\n".encode()
    with served(playlist) as address, pytest.raises(UserError):
        list(stream_frames(f"{address}/film"))


def test_a_silent_server_is_given_up(monkeypatch):
    monkeypatch.setattr(streams, "TIMEOUT", 0.2)
    with http.server.socketserver.TCPServer(("127.0.0.1", 0), None) as silent:
        address = f"http://me:secret@127.0.0.1:{silent.server_address[1]}/"
        with pytest.raises(UserError, match=r"me@127\.0\.0\.1.* cannot be opened: it gave no data in time"):
            AvConnection(address)


def test_nobody_listens():
    for address in ("http://me:secret@127.0.0.1:1/", "rtsp://me:secret@127.0.0.1:1/", "/dev/null"):
        with pytest.raises(UserError, match="cannot be opened: ") as caught:
            AvConnection(address)
        assert "secret" not in str(caught.value)
