"""Reading one item, whatever its kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from fractions import Fraction

from person_search.sources.cameras import UNKNOWN, Label
from person_search.sources.frames import Frame
from person_search.sources.pictures import picture_frame
from person_search.sources.places import Item, Kind
from person_search.sources.streams import stream_frames
from person_search.sources.videos import video_frames
from pipeline.basics.errors import UserError


@dataclass(frozen=True)
class Job:
    """An item to read, and how.

    Attributes:
        item: the item.
        label: its camera and the time of its first frame, where they are known.
        every: of videos and streams, take the first frame of each so many seconds; None for every frame.
        after: of a video, leave out frames up to this number.
        zone: of times that do not tell their own.
    """

    item: Item
    label: Label = UNKNOWN
    every: Fraction | None = None
    after: int | None = None
    zone: tzinfo = UTC


def frames_of(job: Job, say: Callable[[str], None]) -> Iterator[Frame]:
    """Yield an item's frames. Raises `UserError` where it, or its rest, cannot be read."""
    item, (camera, time) = job.item, job.label
    if item.path is None:
        yield from stream_frames(
            item.address or "", every=job.every, source=item.source, camera=camera, say=say
        )
    elif item.kind == Kind.PICTURE:
        yield picture_frame(item.path, source=item.source, camera=camera, time=time, zone=job.zone)
    else:
        yield from video_frames(
            item.path,
            every=job.every,
            after=job.after,
            source=item.source,
            camera=camera,
            start=time,
            zone=job.zone,
        )


def gap_of(item: Item, error: Exception) -> str:
    """Return the line that says why an item, or its rest, is passed over."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{item.shown} is too large for this machine's memory"
    return f"{item.shown} cannot be read: {type(error).__name__}: {error}"
