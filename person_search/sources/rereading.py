"""Reading a frame again from its source, to show it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from person_search.networks.network import Picture
from person_search.sources.frames import is_file, path_of
from person_search.sources.video_kinds import is_video
from person_search.sources.videos import video_frames
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import is_picture, read_picture
from pipeline.scenes.scene import FloatArray

Wanted = TypeVar("Wanted")


@dataclass(frozen=True)
class Shown:
    """A frame as it is shown.

    Attributes:
        pixels: `[h, w, 3]`.
        scale: `[4]`, the factors that turn a box in the source's pixels into one in `pixels`.
    """

    pixels: Picture
    scale: FloatArray


def read_again(
    wanted: Iterable[Wanted], place_of: Callable[[Wanted], tuple[str, int]]
) -> Iterator[tuple[Wanted, Shown]]:
    """Yield frames of sources, each source read once, and one frame in memory at a time.

    Args:
        wanted: what is shown, in any order.
        place_of: says of each the source and the frame.

    Yields:
        Each of `wanted`, with its frame, source by source.

    Raises:
        UserError: a source is a stream, or can no longer be read; a video no longer has the frame.
    """
    by_source: dict[str, dict[int, list[Wanted]]] = {}
    for one in wanted:
        source, frame = place_of(one)
        by_source.setdefault(source, {}).setdefault(frame, []).append(one)
    for source, by_frame in by_source.items():
        for frame, shown in _frames(source, sorted(by_frame)):
            for one in by_frame[frame]:
                yield one, shown


def _frames(source: str, numbers: list[int]) -> Iterator[tuple[int, Shown]]:
    if not is_file(source):
        raise UserError(f"{source}: pictures of a stream are not kept, so they cannot be shown")
    path = path_of(source)
    if is_picture(path) or not is_video(path):
        picture = read_picture(path)
        yield 0, Shown(picture.pixels, picture.scale)
        return
    yield from _video_frames(path, numbers)


def _video_frames(path: Path, numbers: list[int]) -> Iterator[tuple[int, Shown]]:
    left = set(numbers)
    for frame in video_frames(path, after=numbers[0] - 1 if numbers[0] else None):
        if frame.frame in left:
            height, width = frame.pixels.shape[:2]
            scale = np.tile([width / frame.size[0], height / frame.size[1]], 2)
            left.remove(frame.frame)
            yield frame.frame, Shown(frame.pixels, scale)
        if not left:
            return
    raise UserError(f"{printable(path)} has no frame {min(left)} any more")
