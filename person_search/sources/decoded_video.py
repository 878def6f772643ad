"""Decoding a video with PyAV, as far as it can be decoded.

PyAV is imported here, and where it is needed, since it is an extra.
"""

from collections.abc import Iterator
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.reading import MOST_PIXELS

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MISSING = Fraction(1)
"""A video that ends so many seconds before it should was cut off."""
TS, TS_PACKETS = "mpegts", (188, 192, 204)
"""FFmpeg's name of MPEG transport streams, and the lengths that their packets have."""


def pyav() -> ModuleType:
    """Return PyAV. Raises `UserError` where it is not installed."""
    try:
        import av  # noqa: PLC0415 (an extra)
        import av.error  # noqa: PLC0415
    except ImportError:
        raise UserError(
            "videos and streams are read with PyAV, which is not installed: pip install '.[index]'"
        ) from None
    return av


def reason_of(error: Exception) -> str:
    """Return why PyAV failed, without the address, which may hold a password."""
    if isinstance(error, pyav().error.ExitError):
        return "it gave no data in time"
    return str(getattr(error, "strerror", None) or type(error).__name__)


def video_stream(container: "InputContainer", name: str) -> "VideoStream":
    """Return the stream of a container that holds the video.

    Raises:
        UserError: there is none, no decoder for it, or its frames are too large.
    """
    cover = pyav().stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    best = container.streams.best("video")
    if not streams:
        if container.streams.audio:
            raise UserError(f"{name} holds only sound; give a video")
        raise UserError(f"{name} holds no stream of pictures (or it is damaged or cut off)")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise UserError(f"{name} cannot be decoded: its codec is unknown; convert it to MP4 (H.264)")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MOST_PIXELS:
        raise UserError(f"{name} is too large: {width} x {height} pixels, more than {MOST_PIXELS:,}")
    return stream


class DecodedVideo:
    """Decodes a video, and notes what could not be decoded.

    Attributes:
        decoded: number of frames so far, whole or not.
        damaged: number of packets and frames that are no good.
        reached: the latest time of a packet of any stream, in seconds.
        stopped: why it could not be read to its end; None where it could.
    """

    def __init__(self, container: "InputContainer", stream: "VideoStream") -> None:
        self._container, self._stream = container, stream
        self.decoded, self.damaged = 0, 0
        self.reached: Fraction | None = None
        self.stopped: str | None = None

    def frames(self) -> "Iterator[VideoFrame]":
        """Yield all decoded frames, also those that PyAV knows to be damaged."""
        for packet in self._packets():
            self._note_time(packet)
            if packet.stream.index != self._stream.index:  # a packet that ends a stream has no number of it
                continue
            if packet.is_corrupt and packet.size:
                self.damaged += 1
                continue
            yield from self._decoded(packet)
        if self.stopped is not None:
            yield from self._decoded(None)

    def check(self, name: str) -> None:
        """Raise `UserError` where not all of the video was decoded."""
        if not self.decoded:
            raise UserError(f"{name} holds no frame that can be decoded (or it is damaged or cut off)")
        if self.stopped is not None or self._is_short():
            raise UserError(f"{name} is cut off or damaged: it was read up to frame {self.decoded - 1}")
        if self.damaged:
            places = "place" if self.damaged == 1 else "places"
            raise UserError(
                f"{name} is damaged in {self.damaged:,} {places}: what can be decoded was read, up to frame "
                f"{self.decoded - 1}"
            )

    def _packets(self) -> "Iterator[Packet[Any]]":
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except Exception as error:  # a damaged file may hold any bytes, and PyAV raises many types
                self.stopped = reason_of(error)
                return
            yield packet

    def _decoded(self, packet: "Packet[Any] | None") -> "list[VideoFrame]":
        """Decode a packet; None takes out what the decoder holds back."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except Exception:  # see `_packets`
            self.damaged += 1
            return []
        self.decoded += len(frames)
        self.damaged += sum(frame.is_corrupt for frame in frames)
        return frames

    def _note_time(self, packet: "Packet[Any]") -> None:
        if packet.pts is not None and packet.time_base is not None:
            end = (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
            self.reached = end if self.reached is None else max(end, self.reached)

    def _is_short(self) -> bool:
        """Return whether the file ends before the time that its header tells."""
        size = self._container.size
        if self._container.format.name == TS and all(size % packet for packet in TS_PACKETS):
            return True
        duration, begin = self._container.duration, self._container.start_time or 0
        if duration is None or self.reached is None:
            return False
        return self.reached + MISSING < Fraction(begin + duration, pyav().time_base)
