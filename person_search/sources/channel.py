"""What a process that loads frames and the program say to each other, over a socket.

A message is a pickled Python value behind its length. The pixels of a frame lie in a file in memory, whose
descriptor travels with the message. So a frame of any size is handed over at once. Through a socket it would
go in pieces, each of which waits for a processor where all of them are busy.
"""

import os
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


class SentFrame:
    """A frame as it was received, whose pixels are not read yet.

    Args:
        frame: without its pixels.
        shape: of the pixels.
        descriptor: of the file that they are in; this object owns it.
    """

    def __init__(self, frame: Frame, shape: tuple[int, int, int], descriptor: int) -> None:
        self._frame, self._shape, self._descriptor = frame, shape, descriptor
        self.size = shape[0] * shape[1] * shape[2]

    def read(self) -> Frame:
        """Return the frame with its pixels."""
        pixels = np.empty(self._shape, np.uint8)
        left, place = pixels.reshape(-1).data, 0
        while place < self.size:
            place += os.preadv(self._descriptor, [left[place:]], place)
        return replace(self._frame, pixels=pixels)

    def close(self) -> None:
        """Free the memory that the pixels were sent in."""
        os.close(self._descriptor)


class Channel:
    """One end of a channel.

    Args:
        end: of a pair of connected Unix sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Any, *descriptors: int) -> None:
        """Send a message, and file descriptors with it. Raises `ClosedError`."""
        data = pickle.dumps(message)
        try:
            socket.send_fds(self._end, [LENGTH.pack(len(data))], descriptors)
            self._end.sendall(data)
        except OSError:
            raise ClosedError from None

    def send_frame(self, frame: Frame) -> None:
        """Send a frame; `receive` gives a `SentFrame`. Raises `ClosedError`."""
        pixels = np.ascontiguousarray(frame.pixels)
        descriptor = os.memfd_create("frame")
        try:
            left = pixels.reshape(-1).data
            while left:
                left = left[os.write(descriptor, left) :]
            self.send((replace(frame, pixels=NO_PIXELS), pixels.shape), descriptor)
        finally:
            os.close(descriptor)

    def receive(self, timeout: float | None = None) -> Any:
        """Return the next message.

        Raises:
            ClosedError: the other side is gone.
            TimeoutError: nothing came for so many seconds.
        """
        descriptors: list[int] = []
        self._end.settimeout(timeout)  # of the body as well: the other side may be stopped behind the length
        try:
            head, descriptors, _, _ = socket.recv_fds(self._end, LENGTH.size, 1)
            message: Any = pickle.loads(self._received(LENGTH.unpack(head)[0]))
        except (OSError, struct.error, ClosedError) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            if isinstance(error, TimeoutError):
                raise
            raise ClosedError from None
        finally:
            self._end.settimeout(None)
        if not descriptors:
            return message
        frame, shape = message
        return SentFrame(frame, shape, descriptors[0])

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _received(self, length: int) -> bytearray:
        """Return so many bytes."""
        buffer = bytearray(length)
        left = memoryview(buffer)
        while left:
            number = self._end.recv_into(left, 0, socket.MSG_WAITALL)
            if not number:
                raise ClosedError
            left = left[number:]
        return buffer
