"""A picture of any kind becomes one frame, or one clear line."""

import os
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from person_search.sources.frames import path_of
from person_search.sources.pictures import exif_time, picture_frame
from person_search.sources.times import zone_named
from pipeline.basics.errors import UserError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"
TIME = datetime(2024, 7, 1, 12, tzinfo=UTC)
ORIENTATION, DATE, EXIF = 0x0112, 0x9003, 0x8769


def dated(orientation=1, date="2024:07:01 12:00:00"):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(EXIF)[DATE] = date
    return exif


def drawn(mode="RGB", size=(40, 30)):
    """Return a picture, white but for its dark left half."""
    image = Image.new("L", size, 255)
    image.paste(0, (0, 0, size[0] // 2, size[1]))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    if mode == "RGBA":
        image = image.convert("RGB")
        image.putalpha(200)
        return image
    return image.convert("RGB").convert(mode)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *((mode, "a.png") for mode in ("RGB", "L", "P", "1", "LA", "RGBA", "I;16")),
        *((mode, "a.tif") for mode in ("RGB", "L", "CMYK", "I;16", "F", "LAB")),
        *((mode, "a.jpg") for mode in ("RGB", "L", "CMYK")),
        *(("RGB", f"a.{suffix}") for suffix in ("webp", "bmp", "gif", "jp2", "avif", "ppm")),
    ],
)
def test_pictures_of_all_modes(tmp_path, mode, name):
    path = tmp_path / name
    drawn("L").convert("F").save(path) if mode == "F" else drawn(mode).save(path)
    frame = picture_frame(path, camera="door")
    assert frame.pixels.dtype == np.uint8 and frame.pixels.shape == (30, 40, 3) and frame.size == (40, 30)
    assert frame.pixels[:, :16].mean() < 80 and frame.pixels[:, 24:].mean() > 200
    assert (frame.frame, frame.time, frame.camera, path_of(frame.source)) == (0, None, "door", path)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2), (641, 479)])
def test_pictures_of_any_size(tmp_path, size):
    drawn(size=size).save(tmp_path / "a.png")
    frame = picture_frame(tmp_path / "a.png")
    assert frame.size == size and frame.pixels.shape == (size[1], size[0], 3)


def test_a_huge_picture_is_reduced_and_keeps_its_size(tmp_path):
    drawn("L", (9000, 5000)).save(tmp_path / "a.png")
    frame = picture_frame(tmp_path / "a.png")
    assert frame.size == (9000, 5000)
    assert frame.pixels.shape == (2500, 4500, 3)
    assert frame.remark.startswith("it is large")


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_and_dates_a_picture(tmp_path, kind, orientation):
    path = tmp_path / f"a.{kind}"
    drawn().save(path, exif=dated(orientation).tobytes())
    frame = picture_frame(path, zone=zone_named("+02:00"))
    assert frame.size == ((40, 30) if orientation < 5 else (30, 40))
    assert frame.pixels.shape[1::-1] == frame.size
    assert frame.time == TIME.replace(hour=10)
    pixels = frame.pixels if orientation < 5 else frame.pixels.transpose(1, 0, 2)
    dark = pixels[:, :16] if orientation in (1, 4, 5, 6) else pixels[:, 24:]
    assert dark.mean() < 80


def test_a_given_time_is_taken_first(tmp_path):
    drawn().save(tmp_path / "a.jpg", exif=dated())
    assert picture_frame(tmp_path / "a.jpg", time=TIME.replace(year=2020)).time.year == 2020


def test_an_animated_picture_is_its_first_frame(tmp_path):
    others = [Image.new("RGB", (40, 30), "green")]
    for name in ("a.gif", "a.png", "a.webp"):
        drawn().save(tmp_path / name, save_all=True, append_images=others)
        assert picture_frame(tmp_path / name).pixels[:, 24:].mean() > 200


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_a_truncated_picture_is_one_line(tmp_path, kind):
    path = tmp_path / f"a\n b.{kind}"
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"a\\n b\.\w+ is no picture that can be read") as caught:
        picture_frame(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_picture_is_one_line(tmp_path):
    for name, content, said in (
        ("a.heic", HEIC, "is HEIC, which cannot be read: convert it to JPEG"),
        ("a.jpg", b"", "is empty"),
        ("b.jpg", b"<html>", "is no picture that can be read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=said):
            picture_frame(tmp_path / name)
        assert exif_time(tmp_path / name) is None
    assert exif_time(tmp_path / "none.jpg") is None


@pytest.mark.parametrize(
    "name", ["a b.png", "'\"$(x);.png", "假日 ü.png", "a\nb.png", "a\\b.png", b"\xff\xfe.png"]
)
def test_names(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    with path.open("wb") as file:
        drawn().save(file, "PNG")
    frame = picture_frame(path)
    assert path_of(frame.source) == path
    frame.source.encode()
