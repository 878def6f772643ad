"""What a process that loads frames and the program say to each other, over a socket.

A message is a pickled Python value. The pixels of a frame follow as they are, and are received straight into
a new array.
"""

import pickle
import socket
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from person_search.networks.network import Picture
from person_search.sources.frames import Frame

LENGTH = struct.Struct("<Q")
NO_PIXELS: Picture = np.zeros((0, 0, 3), np.uint8)


class ClosedError(Exception):
    """The other side has closed the channel, or died."""


class Channel:
    """One end of a channel.

    Args:
        end: of a pair of connected sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Any) -> None:
        """Send a message that has no pixels. Raises `ClosedError`."""
        data = pickle.dumps(message)
        self._send(LENGTH.pack(len(data)) + data)

    def send_frame(self, frame: Frame) -> None:
        """Send a frame, and its pixels behind it. Raises `ClosedError`."""
        pixels = np.ascontiguousarray(frame.pixels)
        self.send((replace(frame, pixels=NO_PIXELS), pixels.shape))
        self._send(pixels.reshape(-1).data)

    def receive(self, timeout: float | None = None) -> Any:
        """Return the next message; of a frame, it has no pixels, and their shape.

        Raises:
            ClosedError: the other side is gone.
            TimeoutError: nothing came for so many seconds.
        """
        self._end.settimeout(timeout)
        try:
            head = self._received(bytearray(LENGTH.size))
        finally:
            self._end.settimeout(None)
        return pickle.loads(self._received(bytearray(LENGTH.unpack(head)[0])))

    def receive_pixels(self, shape: tuple[int, int, int]) -> Picture:
        """Return the pixels of the frame whose message was received last. Raises `ClosedError`."""
        pixels = np.empty(shape, np.uint8)
        self._received(pixels.reshape(-1).data)
        return pixels

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self._end.sendall(data)
        except OSError:
            raise ClosedError from None

    def _received(self, buffer: "bytearray | memoryview") -> "bytearray | memoryview":
        """Fill a buffer."""
        left = memoryview(buffer)
        while left:
            try:
                number = self._end.recv_into(left, 0, socket.MSG_WAITALL)
            except TimeoutError:
                raise
            except OSError:
                number = 0
            if not number:
                raise ClosedError
            left = left[number:]
        return buffer
