"""Small videos that tests write, of which every frame tells its number."""

from fractions import Fraction

import av
import numpy as np

SIZE = (64, 48)
STRIPES = 6
"""A frame's number is written in as many stripes, white for 1 and black for 0."""
CODECS = {
    "a.mp4": ("libx264", "yuv420p"),
    "a.mkv": ("libx264", "yuv420p"),
    "a.ts": ("libx264", "yuv420p"),
    "a.webm": ("libvpx-vp9", "yuv420p"),
    "b.webm": ("libvpx", "yuv420p"),
    "a.avi": ("mpeg4", "yuv420p"),
    "b.mkv": ("ffv1", "yuv444p"),
    "c.mkv": ("mjpeg", "yuvj420p"),
    "a.mov": ("prores_ks", "yuv422p10le"),
    "a.flv": ("flv", "yuv420p"),
    "a.mpg": ("mpeg2video", "yuv420p"),
}


def numbered(number, size=SIZE):
    """Return a picture `[h, w, 3]` that shows a number."""
    width, height = size
    pixels = np.full((height, width, 3), 128, np.uint8)
    for stripe in range(STRIPES):
        pixels[:, stripe * 8 : stripe * 8 + 8] = 240 if number >> stripe & 1 else 16
    pixels[: height // 3, 48:] = (200, 40, 40)
    return pixels


def number_of(pixels):
    """Return the number that an upright frame shows."""
    middle = pixels.shape[0] // 2
    return sum(
        1 << stripe for stripe in range(STRIPES) if pixels[middle, stripe * 8 + 4].astype(int).mean() > 128
    )


def write_film(
    path,
    codec="libx264",
    pixels="yuv420p",
    *,
    times=None,
    number=30,
    rate=25,
    matrix=None,
    metadata=None,
    sound=False,
    size=SIZE,
    options=None,
):
    """Write a video and return its path.

    Args:
        path: its suffix is its format.
        times: of the frames, in milliseconds; by default `number` frames at `rate`.
        matrix: a, b, c, d of its display matrix.
        sound: whether to add a second of silence.
    """
    tick = Fraction(1, 1000) if times else Fraction(1, rate)
    with av.open(str(path), "w", container_options=options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=1000 if times else rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = 10
        stream.codec_context.time_base = tick
        if matrix:
            a, b, c, d = (value << 16 for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        silence = container.add_stream("aac", rate=8000) if sound else None
        for place, time in enumerate(times or range(number)):
            frame = av.VideoFrame.from_ndarray(numbered(place % (1 << STRIPES), size), format="rgb24")
            frame.pts, frame.time_base = time, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if silence:
            _mux_silence(container, silence)
    return path


def write_sound(path):
    """Write a file that holds sound alone, and return its path."""
    with av.open(str(path), "w") as container:
        _mux_silence(container, container.add_stream("aac", rate=8000))
    return path


def _mux_silence(container, stream):
    for start in range(0, 8000, 1000):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
