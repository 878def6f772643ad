"""Loading frames beside the network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from person_search.sources.frames import Frame
from person_search.sources.pictures import picture_frame
from person_search.sources.places import Item, Kind
from pipeline.basics.errors import UserError


@dataclass(frozen=True)
class LoadedFrame:
    """A frame of an item."""

    item: Item
    frame: Frame


@dataclass(frozen=True)
class ItemEnd:
    """All frames of an item were given.

    Attributes:
        item: the item.
        gap: why it, or its rest, is passed over; None where nothing is.
    """

    item: Item
    gap: str | None = None


FrameOrGap = LoadedFrame | ItemEnd


def load_frames(items: Sequence[Item], *, zone: tzinfo = UTC) -> Iterator[FrameOrGap]:
    """Yield the frames of all items in order, and an `ItemEnd` behind those of each."""
    for item in items:
        if item.kind != Kind.PICTURE or item.path is None:
            continue
        try:
            yield LoadedFrame(item, picture_frame(item.path, source=item.source, zone=zone))
        except UserError as error:
            yield ItemEnd(item, str(error))
        else:
            yield ItemEnd(item)
