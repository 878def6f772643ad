"""Reading one picture to one frame."""

from datetime import UTC, datetime, tzinfo
from pathlib import Path

from person_search.sources.frames import Frame, source_text
from person_search.sources.times import time_taken
from pipeline.datasets.jpeg import pillow_without_words
from pipeline.datasets.picture_kinds import opened
from pipeline.inference.own_pictures.reading import read_picture


def picture_frame(
    path: Path,
    *,
    source: str | None = None,
    camera: str | None = None,
    time: datetime | None = None,
    zone: tzinfo = UTC,
) -> Frame:
    """Read a picture.

    Args:
        path: of the file.
        source: what the frame names as its source; by default `source_text(path)`.
        camera: the camera's name, where it is known.
        time: when the picture was taken; by default as its EXIF data say.
        zone: of EXIF times that do not tell theirs.

    Raises:
        UserError: it is missing, unreadable, no picture, in a format that is not read, too large, or damaged.
    """
    picture = read_picture(path)
    return Frame(
        source=source_text(path) if source is None else source,
        frame=0,
        time=exif_time(path, zone) if time is None else time,
        camera=camera,
        pixels=picture.pixels,
        size=picture.size,
        remark=picture.remark,
    )


def exif_time(path: Path, zone: tzinfo = UTC) -> datetime | None:
    """Return when a picture was taken, in UTC, as its EXIF data say; None where they do not."""
    try:
        with path.open("rb") as file, pillow_without_words(), opened(file) as image:
            return time_taken(image.getexif(), zone)
    except Exception:  # see `time_taken`
        return None
