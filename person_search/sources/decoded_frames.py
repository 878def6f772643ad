"""Decoded frames of videos and streams: when they are shown, and their pixels as upright RGB."""

import math
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from person_search.networks.network import Picture
from person_search.sources.decoded_video import pyav
from pipeline.inference.own_pictures.reading import KEPT_PIXELS

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream

USUAL_RATE = Fraction(25)
"""Frames a second, where a video does not tell."""


def frame_distance(stream: "VideoStream") -> Fraction:
    """Return the usual distance of a stream's frames, in seconds."""
    rate = stream.average_rate or stream.guessed_rate
    return 1 / Fraction(rate) if rate else 1 / USUAL_RATE


def frame_time(frame: "VideoFrame") -> Fraction | None:
    """Return when a frame is shown, in seconds; None where it does not tell."""
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * Fraction(frame.time_base)


def upright(frame: "VideoFrame") -> tuple[Picture, tuple[int, int], str | None]:
    """Return a decoded frame as RGB `[h, w, 3]`, upright as its display matrix says.

    Also its upright width and height before it was reduced, and a remark where it was.
    """
    stored: Any = frame.to_ndarray(format="rgb24")
    pixels = turned(stored, display_matrix(frame))
    height, width = pixels.shape[:2]
    step = math.ceil(math.sqrt(max(1.0, height * width / KEPT_PIXELS)))
    if step == 1:
        return np.ascontiguousarray(pixels), (width, height), None
    smaller = np.array(Image.fromarray(np.ascontiguousarray(pixels)).reduce(step))
    seen = f"{smaller.shape[1]} x {smaller.shape[0]}"
    remark = f"it is large, {width} x {height} pixels: it is looked at in {seen}"
    return smaller, (width, height), remark


def display_matrix(frame: "VideoFrame") -> tuple[int, int, int, int] | None:
    """Return a, b, c, d of a frame's display matrix; None where there is none.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y), but for a shift and a scale.
    """
    matrix: Any = frame.side_data.get(pyav().sidedata.sidedata.Type.DISPLAYMATRIX)
    if matrix is None:
        return None
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
    return a, b, c, d


def turned(pixels: Picture, matrix: tuple[int, int, int, int] | None) -> Picture:
    """Turn and mirror a picture by a display matrix, to the next right angle."""
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if abs(a) >= abs(b):
        flips = d < 0, a < 0
    else:
        pixels, flips = pixels.transpose(1, 0, 2), (b < 0, c < 0)
    return pixels[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
