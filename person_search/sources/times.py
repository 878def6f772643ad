"""When a picture or video was taken, and the time zone of clocks that do not tell theirs."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from fractions import Fraction
from zoneinfo import ZoneInfo

from PIL import ExifTags, Image

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

DATE = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", re.ASCII)
OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)", re.ASCII)
MICROSECOND_DIGITS = 6
TAGS = (
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.SubsecTimeOriginal,
    ExifTags.Base.OffsetTimeOriginal,
)
"""The entries of EXIF data that are read."""
UNSET = datetime(1970, 1, 2, tzinfo=UTC)
"""Earlier times of creation are those of a clock that was not set."""


def zone_named(name: str) -> tzinfo:
    """Return a time zone: `UTC`, a place such as `Europe/Berlin`, or an offset such as `+02:00`.

    Raises:
        UserError: there is no such time zone.
    """
    offset = _offset(name)
    if offset is not None:
        return offset
    try:
        return UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise UserError(
            f"--timezone {printable(name)}: there is no such time zone; give one as Europe/Berlin or +02:00"
        ) from None


def in_utc(time: datetime, zone: tzinfo) -> datetime | None:
    """Return a time in UTC, taken in `zone` where it has none; None at the ends of the calendar."""
    try:
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def time_taken(exif: Image.Exif, zone: tzinfo) -> datetime | None:
    """Return when a picture was taken, in UTC, from its EXIF data; None where they tell no date.

    Args:
        exif: as Pillow gives it; it may hold anything.
        zone: of pictures that do not tell their offset from UTC.
    """
    try:
        entries = exif.get_ifd(ExifTags.IFD.Exif)
        texts = {tag: _text(entries.get(tag)) for tag in TAGS}
    except Exception:  # EXIF data may be any bytes, and Pillow's parser raises many types
        return None
    date = DATE.fullmatch(texts[ExifTags.Base.DateTimeOriginal])
    fraction = texts[ExifTags.Base.SubsecTimeOriginal]
    if date is None:
        return None
    micro = int(fraction[:MICROSECOND_DIGITS].ljust(MICROSECOND_DIGITS, "0")) if _digits(fraction) else 0
    try:
        time = datetime.strptime(date.group(), "%Y:%m:%d %H:%M:%S").replace(microsecond=micro)
    except ValueError:
        return None
    return in_utc(time, _offset(texts[ExifTags.Base.OffsetTimeOriginal]) or zone)


def time_of_creation(metadata: Mapping[str, str], zone: tzinfo = UTC) -> datetime | None:
    """Return a video's time of creation in UTC, from its metadata; None where they have none."""
    try:
        time = in_utc(datetime.fromisoformat(metadata.get("creation_time", "")), zone)
    except ValueError:
        return None
    return None if time is None or time < UNSET else time


def later(begin: datetime | None, seconds: Fraction) -> datetime | None:
    """Return the time so many seconds after another one; None where that is unknown or past the calendar."""
    try:
        return begin and begin + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:
        return None


def _text(value: object) -> str:
    """Return an EXIF text without the zeros and blanks around it; other values are empty."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return text.strip("\0 \t\r\n") if isinstance(text, str) else ""


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _offset(text: str) -> timezone | None:
    """Return an offset such as `+02:00` as a time zone; None for other texts."""
    match = OFFSET.fullmatch(text)
    if match is None or int(match.group(2)) > 23:
        return None
    shift = timedelta(hours=int(match.group(2)), minutes=int(match.group(3)))
    return timezone(-shift if match.group(1) == "-" else shift)
