"""The frames of a camera's stream, which has no end."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol

from person_search.networks.network import Picture
from person_search.sources.addresses import ADDRESS, shown_address
from person_search.sources.decoded_frames import frame_distance, frame_time, upright
from person_search.sources.decoded_video import DecodedVideo, pyav, reason_of, video_stream
from person_search.sources.frames import Frame
from person_search.sources.moments import Clock, Picker
from person_search.sources.times import later, time_of_creation
from person_search.sources.waiting import Waiting
from pipeline.basics.errors import UserError

if TYPE_CHECKING:
    from av import VideoFrame

TIMEOUT = 10.0
"""Seconds to wait for a connection, or for the next data."""
KEPT = 4
"""How many frames of a live stream wait to be searched; older ones are dropped."""
DROPPING = "frames are dropped: they come faster than people are looked for"
WEB = {"protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy"}
RTSP = {"protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto", "rtsp_transport": "tcp"}
"""What FFmpeg may open for an address: no files, whatever a playlist says."""


class Connection(Protocol):
    """An open stream.

    Attributes:
        live: whether its frames come as they are taken; otherwise it is a whole video at an address.
        start: when a whole video was taken, if it tells.
        distance: the usual distance of its frames in seconds.
    """

    live: bool
    start: datetime | None
    distance: Fraction

    @property
    def stopped(self) -> str | None:
        """Why it ended; None where it ended as it should."""
        ...

    def frames(self) -> "Iterator[VideoFrame]":
        """Yield its decoded frames."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class AvConnection:
    """A stream opened with PyAV; see `Connection`.

    Args:
        address: of the stream, with its password, or the device of a camera.

    Raises:
        UserError: it cannot be opened or shows no video.
    """

    def __init__(self, address: str) -> None:
        av, shown = pyav(), shown_address(address)
        scheme = ADDRESS.fullmatch(address)
        options = {} if scheme is None else RTSP if scheme.group(1).lower().startswith("rtsp") else WEB
        try:
            self._container = av.open(
                address,
                format="v4l2" if scheme is None else None,
                options=options,
                timeout=TIMEOUT,
                metadata_errors="replace",
            )
        except Exception as error:  # a stream may hold any bytes, and PyAV raises many types
            raise UserError(f"{shown} cannot be opened: {reason_of(error)}") from None
        try:
            stream = video_stream(self._container, shown)
        except UserError:
            self._container.close()
            raise
        self._video = DecodedVideo(self._container, stream)
        self.live = not self._container.duration and self._container.size <= 0
        self.start = time_of_creation(self._container.metadata)
        self.distance = frame_distance(stream)

    @property
    def stopped(self) -> str | None:
        """Why it ended; None where it ended as it should."""
        return self._video.stopped

    def frames(self) -> "Iterator[VideoFrame]":
        """Yield its decoded frames."""
        return self._video.frames()

    def close(self) -> None:
        """Close it."""
        self._container.close()


def stream_frames(
    address: str,
    *,
    every: Fraction | None = None,
    source: str | None = None,
    camera: str | None = None,
    attempts: int = 5,
    pause: float = 2.0,
    say: Callable[[str], None] = lambda _line: None,
    connect: Callable[[str], Connection] = AvConnection,
) -> Iterator[Frame]:
    """Yield frames of a stream, until it is lost.

    A live stream's frames have the time at which they came; a thread reads them, so that the stream does not
    stall while the caller works. Where the caller is slower than the stream, frames are dropped. A lost
    connection is made anew. A whole video at an address is read to its end, without dropping.

    Args:
        address: `rtsp://`, `http://` or the like, with its password; or the device of a camera.
        every: take the first frame of each so many seconds; None for every frame.
        source: what the frames name as their source; by default the address without its password.
        camera: the camera's name.
        attempts: how often a lost stream is connected to before it is given up; each frame counts anew.
        pause: seconds before the first attempt; each further one waits as long again.
        say: called with a line when the stream is lost, and when frames are dropped for the first time.
        connect: opens the stream.

    Raises:
        UserError: it cannot be opened, or it is lost and does not come back; or PyAV is not installed.
    """
    shown = shown_address(address) if source is None else source
    numbers, failed, known = count(), 0, False
    while True:
        try:
            connection, reason = connect(address), "it ended"
        except UserError as error:
            if not known:
                raise
            reason = str(error)
        else:
            known = True
            for taken in _taken(connection, every, numbers, lambda: say(f"{shown}: {DROPPING}")):
                failed = 0
                yield Frame(shown, taken.number, taken.time, camera, taken.pixels, taken.size, taken.remark)
            if not connection.live:
                _check_whole(connection, shown)
                return
            reason = connection.stopped or reason
        if failed == attempts:
            raise UserError(f"{shown} was lost and did not come back in {attempts} attempts: {reason}")
        failed += 1
        say(f"{shown} was lost ({reason}); connecting again, attempt {failed} of {attempts}")
        time.sleep(pause * failed)


class _Taken(NamedTuple):
    """A frame that was taken, and when it came or was taken."""

    number: int
    time: datetime | None
    pixels: Picture
    size: tuple[int, int]
    remark: str | None


def _taken(
    connection: Connection, every: Fraction | None, numbers: Iterator[int], dropping: Callable[[], None]
) -> Iterator[_Taken]:
    """Yield the frames of a connection, and close it in the end."""
    frames = _picked(connection, every, numbers)
    if connection.live:
        yield from _newest(frames, dropping)
    else:
        with closing(frames):
            yield from frames


def _picked(
    connection: Connection, every: Fraction | None, numbers: Iterator[int]
) -> Generator[_Taken, None, None]:
    clock, picker = Clock(connection.distance), Picker(every)
    with closing(connection):
        for decoded in connection.frames():
            number, seconds = next(numbers), clock.since_first(frame_time(decoded))
            if not decoded.is_corrupt and picker.takes(seconds):
                time = datetime.now(UTC) if connection.live else later(connection.start, seconds)
                yield _Taken(number, time, *upright(decoded))


def _newest(frames: Generator[_Taken, None, None], dropping: Callable[[], None]) -> Iterator[_Taken]:
    """Yield frames that a thread reads, the newest `KEPT` of them where the caller is slower.

    The thread ends with the frame that it is reading, or after `TIMEOUT`, when the caller stops.
    """
    waiting = Waiting[_Taken](KEPT)
    threading.Thread(target=waiting.fill, args=(frames,), daemon=True).start()
    try:
        said = False
        for taken in waiting:
            yield taken
            if waiting.dropped and not said:
                dropping()
                said = True
    finally:
        waiting.stop()


def _check_whole(connection: Connection, shown: str) -> None:
    if connection.stopped is not None:
        raise UserError(f"{shown} is cut off or damaged: {connection.stopped}; its first frames were read")
