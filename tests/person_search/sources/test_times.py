"""When pictures were taken, in UTC; odd dates are none."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from person_search.sources.times import later, time_of_creation, time_taken, zone_named
from pipeline.basics.errors import UserError

DATE, OFFSET, FRACTION = 0x9003, 0x9011, 0x9291
BERLIN = zone_named("Europe/Berlin")


def exif(**texts):
    """Return EXIF data with entries by name."""
    data = Image.Exif()
    entries = data.get_ifd(ExifTags.IFD.Exif)
    for name, value in texts.items():
        entries[{"date": DATE, "offset": OFFSET, "fraction": FRACTION}[name]] = value
    return data


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"date": "2024:07:01 12:00:00"}, "2024-07-01T10:00:00"),
        ({"date": "2024:01:01 12:00:00"}, "2024-01-01T11:00:00"),
        ({"date": "2024:07:01 12:00:00", "offset": "-05:30"}, "2024-07-01T17:30:00"),
        ({"date": "2024:07:01 12:00:00", "offset": "+00:00"}, "2024-07-01T12:00:00"),
        ({"date": "2024:07:01 12:00:00", "offset": "   :  "}, "2024-07-01T10:00:00"),
        ({"date": "2024:07:01 12:00:00", "offset": "+99:00"}, "2024-07-01T10:00:00"),
        ({"date": "2024:07:01 12:00:00", "fraction": "25"}, "2024-07-01T10:00:00.250000"),
        ({"date": "2024:07:01 12:00:00", "fraction": "123456789"}, "2024-07-01T10:00:00.123456"),
        ({"date": "2024:07:01 12:00:00", "fraction": "x"}, "2024-07-01T10:00:00"),
        ({"date": "2024:07:01 12:00:00\0"}, "2024-07-01T10:00:00"),
        ({"date": b"2024:07:01 12:00:00"}, "2024-07-01T10:00:00"),
    ],
)
def test_times_in_exif(texts, expected):
    time = time_taken(exif(**texts), BERLIN)
    assert time == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "date",
    [
        *("", "0000:00:00 00:00:00", "    :  :     :  :  ", "2024:02:30 12:00:00", "2024:07:01 24:00:00"),
        *(
            "2024-07-01 12:00:00",
            "2024:07:01",
            "yesterday",
            "٢٠٢٤:07:01 12:00:00",
            b"\xff\xfe",
            5,
            1.5,
            (1, 2),
        ),
        "0001:01:01 00:00:00",
    ],
)
def test_odd_dates_are_none(date):
    assert time_taken(exif(date=date), zone_named("+14:00")) is None


@given(st.text() | st.binary(), st.text() | st.binary(), st.text() | st.binary())
def test_any_texts_are_read_without_an_error(date, offset, fraction):
    for day in (date, "2024:07:01 12:00:00"):
        time_taken(exif(date=day, offset=offset, fraction=fraction), UTC)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_every_time_comes_back(time, minutes):
    sign, rest = "-" if minutes < 0 else "+", abs(minutes)
    data = exif(
        date=time.strftime("%Y:%m:%d %H:%M:%S"),
        fraction=f"{time.microsecond:06}",
        offset=f"{sign}{rest // 60:02}:{rest % 60:02}",
    )
    assert time_taken(data, BERLIN) == time.replace(tzinfo=timezone(timedelta(minutes=minutes)))


def test_zones():
    assert zone_named("utc") is UTC
    assert zone_named("+05:30").utcoffset(None) == timedelta(hours=5, minutes=30)
    assert zone_named("-02:00").utcoffset(None) == timedelta(hours=-2)


@pytest.mark.parametrize(
    "name", ["", "Europe/Bonn", "/etc/passwd", "../UTC", "+25:00", "a\0b", "\n", "x" * 9999]
)
def test_zones_that_there_are_not(name):
    with pytest.raises(UserError, match="there is no such time zone; give one as Europe/Berlin") as caught:
        zone_named(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01T12:00:00.000000Z", "2024-07-01T12:00:00+00:00"),
        ("2024-07-01T12:00:00+02:00", "2024-07-01T10:00:00+00:00"),
        ("2024-07-01 12:00:00", "2024-07-01T10:00:00+00:00"),
        *(
            (text, None)
            for text in ("1970-01-01T00:00:00Z", "1904-01-01T00:00:00Z", "", "soon", "0001-01-01")
        ),
    ],
)
def test_times_of_creation(text, expected):
    time = time_of_creation({"creation_time": text}, BERLIN)
    assert (time and time.isoformat()) == expected


def test_later():
    begin = datetime(2024, 7, 1, tzinfo=UTC)
    assert later(begin, Fraction(1, 3)) == begin + timedelta(microseconds=333_333)
    assert later(None, Fraction(1)) is None
    assert later(datetime.max.replace(tzinfo=UTC), Fraction(1)) is None
