"""The frames of a video file."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from person_search.sources.decoded_frames import frame_distance, frame_time, upright
from person_search.sources.decoded_video import DecodedVideo, pyav, video_stream
from person_search.sources.frames import Frame, source_text
from person_search.sources.moments import Clock, Picker
from person_search.sources.times import later, time_of_creation
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

if TYPE_CHECKING:
    from av.container import InputContainer

FILES_ONLY = {"protocol_whitelist": "file"}
"""A file that is a playlist must not make FFmpeg open addresses."""


def video_frames(
    path: Path,
    *,
    every: Fraction | None = None,
    after: int | None = None,
    source: str | None = None,
    camera: str | None = None,
    start: datetime | None = None,
    zone: tzinfo = UTC,
    threads: int = 1,
) -> Iterator[Frame]:
    """Yield frames of a video; after a damage what can still be decoded, and then an error that says so.

    A frame's number is that of the decoded frame. Its time is the video's start and the seconds since the
    first frame. Frames are taken by the time when they are shown, whatever the rate, so that a video gives
    equal frames whether it is read at once or in parts (`after`).

    Args:
        path: of the file.
        every: take the first frame of each so many seconds; None for every frame.
        after: leave out frames up to this number, which are known already.
        source: what the frames name as their source; by default `source_text(path)`.
        camera: the camera's name, where it is known.
        start: when the first frame was taken; by default the file's time of creation, if it has one.
        zone: of a time of creation that does not tell its own.
        threads: of the decoder.

    Raises:
        UserError: it is missing, unreadable, no video, without a frame, or, after the last frame that can be
            decoded, damaged or cut off; or PyAV is not installed.
    """
    name, source = printable(path), source_text(path) if source is None else source
    with _opened(path, name) as container:
        stream = video_stream(container, name)
        stream.codec_context.thread_count = threads
        begin = start or time_of_creation(container.metadata, zone)
        video = DecodedVideo(container, stream)
        clock, picker = Clock(frame_distance(stream)), Picker(every)
        for number, decoded in enumerate(video.frames()):
            seconds = clock.since_first(frame_time(decoded))
            if decoded.is_corrupt or not picker.takes(seconds) or (after is not None and number <= after):
                continue
            pixels, size, remark = upright(decoded)
            yield Frame(source, number, later(begin, seconds), camera, pixels, size, remark)
        video.check(name)


def _opened(path: Path, name: str) -> "InputContainer":
    """Open a video. Raises `UserError` where it is missing, unreadable or no video."""
    av = pyav()
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            raise UserError(f"{name} is no ordinary file; give a video")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise UserError(f"{name} does not exist") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from None
    try:
        container = av.open(str(path.absolute()), options=FILES_ONLY, metadata_errors="replace")
    except Exception:  # a damaged file may hold any bytes, and PyAV raises many types
        raise UserError(f"{name} is no video that can be read (or it is damaged or cut off)") from None
    return container  # type: ignore[no-any-return]
