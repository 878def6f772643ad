"""Own pictures come out upright, in RGB of 8 bits, whatever their format, depth and EXIF data."""

import os
import random
import struct
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures import reading
from pipeline.inference.own_pictures.reading import MOST_PIXELS, read_picture
from tests.own_pictures.cases import (
    ODD_ENTRIES,
    ORIENTATION,
    RESOLUTION_UNIT,
    SIZE,
    X_RESOLUTION,
    claimed,
    deep_png,
    encoded,
    exif_block,
    plain_tiff,
    png_with_exif,
    turned_block,
    values,
    with_exif,
)

GREY = values()
TURNED = np.ascontiguousarray(np.rot90(GREY))
"""Upright again where it is turned to the right."""
RGB = np.repeat(GREY[..., None], 3, axis=2)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read(tmp_path, content, name="picture"):
    path = tmp_path / name
    path.write_bytes(content)
    return read_picture(path)


def assert_upright(picture):
    assert picture.size == SIZE
    np.testing.assert_array_equal(picture.pixels, RGB)


@pytest.mark.parametrize("entry", ODD_ENTRIES.values(), ids=ODD_ENTRIES)
def test_odd_exif_beside_an_orientation(tmp_path, entry):
    block = turned_block(entry)
    png, webp = encoded(TURNED, "PNG"), encoded(Image.fromarray(TURNED), "WEBP", lossless=True, exif=block)
    for content in (png_with_exif(png, block), png_with_exif(png, block, behind=True), webp):
        assert_upright(read(tmp_path, content))
    jpeg = encoded(TURNED, "JPEG")
    for jfif in (True, False):
        assert read(tmp_path, with_exif(jpeg, block, jfif=jfif)).size == SIZE


def test_exif_that_stops_pillow_at_once(tmp_path):
    odd = [(X_RESOLUTION, 1, 1, b"\1"), (RESOLUTION_UNIT, 3, 1, struct.pack(">H", 2))]
    content = with_exif(encoded(TURNED, "JPEG"), turned_block(*odd), jfif=False)
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(BytesIO(content))
    assert read(tmp_path, content).size == SIZE


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_that_there_is_not_is_upright(tmp_path, value):
    block = exif_block((ORIENTATION, 3, 1, struct.pack(">H", value)))
    assert_upright(read(tmp_path, png_with_exif(encoded(GREY, "PNG"), block)))


def test_tiffs_with_odd_entries(tmp_path):
    odd = [(305, 5, 1, 0xFFFFFF), (531, 9, 1, 0xFFFFFFFF), (0x8769, 4, 1, 0xFFFFFF), (34853, 2, 3, 7)]
    for more in ([], odd[:1], odd[1:2], odd[2:3], odd[3:]):
        assert_upright(read(tmp_path, plain_tiff(TURNED, 8, 1, (ORIENTATION, 3, 1, 6), *more)))
        deep = TURNED.astype(np.uint16) * 257
        assert_upright(read(tmp_path, plain_tiff(deep, 16, 1, (ORIENTATION, 3, 1, 6), *more)))


def test_all_orientations_of_all_formats(tmp_path):
    for value, turn in reading.TURNS.items():
        exif = Image.Exif()
        exif[ORIENTATION] = value
        stored = Image.fromarray(GREY)
        upright = np.asarray(stored.transpose(turn).convert("RGB"))
        for kind, more in (("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})):
            picture = read(tmp_path, encoded(stored, kind, exif=exif, **more))
            np.testing.assert_array_equal(picture.pixels, upright)
            assert picture.size == upright.shape[1::-1]


def test_drawn_exif_blocks(tmp_path):
    """No block of EXIF data, however it is built or cut off, keeps a whole picture from being read."""
    drawn = random.Random(0)
    jpeg, png = encoded(TURNED, "JPEG"), encoded(TURNED, "PNG")
    tags = [ORIENTATION, X_RESOLUTION, RESOLUTION_UNIT, 0x0131, 0x8769, 0x8825, 0xA005, 0x927C]
    for _ in range(400):
        entries = [
            (
                drawn.choice(tags),
                drawn.choice([*range(15), 99]),
                drawn.choice([0, 1, 1, 2, 9, 0xFFFFFFFF]),
                drawn.randbytes(drawn.choice([2, 4, 8])),
            )
            for _ in range(drawn.randrange(6))
        ]
        block = bytearray(turned_block(*entries))
        block[drawn.randrange(len(block))] = drawn.randrange(256)
        block = bytes(block[: drawn.choice([len(block), drawn.randrange(len(block))])])
        for content in (
            with_exif(jpeg, block),
            with_exif(jpeg, block, jfif=False),
            png_with_exif(png, block),
            encoded(Image.fromarray(TURNED), "WEBP", exif=block),
        ):
            assert sorted(read(tmp_path, content).size) == sorted(SIZE)


@pytest.mark.parametrize("factor", [256, 257])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bits_show_what_8_bits_show(tmp_path, kind, factor):
    picture = read(tmp_path, encoded(GREY.astype(np.uint16) * factor, kind))
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.remark is None
    big = read(tmp_path, encoded((GREY.astype(np.uint16) * factor).astype(">u2"), "TIFF"))
    np.testing.assert_array_equal(big.pixels, RGB)


def test_other_depths_whose_range_is_known(tmp_path):
    deep = RGB.astype(np.uint16) * 257
    opaque = np.full_like(deep[..., :1], 65535)
    for content in (
        encoded((GREY / 255).astype(np.float32), "TIFF"),
        plain_tiff(GREY.astype(np.uint32) * 0x01010101, 32, 1),
        plain_tiff(GREY.astype(np.int32) << 23, 32, 2),
        deep_png(deep, 2),
        deep_png(np.concatenate([deep, opaque], axis=2), 6),
        deep_png(np.concatenate([deep[..., :1], opaque], axis=2), 4),
    ):
        picture = read(tmp_path, content)
        np.testing.assert_array_equal(picture.pixels, RGB)
        assert picture.remark is None


@pytest.mark.parametrize(
    ("content", "guess"),
    [
        (encoded(GREY.astype(np.uint16) << 2, "PNG"), "only 1,020 of 65,535; they are taken as values of 10"),
        (encoded(GREY.astype(np.uint16) << 4, "TIFF"), "values of 12 bits"),
        (encoded(GREY.astype(np.uint16) << 6, "PNG"), "values of 14 bits"),
        (plain_tiff(GREY.astype(np.int16) << 7, 16, 2), "values of 15 bits"),
        (encoded(GREY.astype(np.int32), "TIFF"), "values of 8 bits"),
        (encoded(GREY.astype(np.int32) * 257, "TIFF"), "values of 16 bits"),
        (encoded(GREY.astype(np.float32), "TIFF"), "from 0 to 255"),
        (encoded(GREY.astype(np.float32) * 257, "TIFF"), "from 0 to 65535"),
        (encoded(GREY.astype(np.float32) * 7 - 300, "TIFF"), "between -300 and 1485"),
        (encoded(GREY.astype(np.int32) * 7 - 300, "TIFF"), "between -300 and 1485"),
    ],
)
def test_a_range_that_is_a_guess_is_said(tmp_path, content, guess):
    picture = read(tmp_path, content)
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.remark is not None
    assert guess in picture.remark


def test_floats_that_are_no_numbers_are_black(tmp_path):
    floats = (GREY / 255).astype(np.float32)
    floats[1, 1], floats[2, 2] = np.nan, np.inf
    picture = read(tmp_path, encoded(floats, "TIFF"))
    assert picture.remark
    assert (picture.pixels[1, 1] == 0).all()
    changed = (picture.pixels != RGB).any(axis=2)
    assert not changed[[0, 3, 5], :].any()
    nothing = read(tmp_path, encoded(np.full_like(floats, np.nan), "TIFF"))
    assert "none of its values" in str(nothing.remark)
    assert not nothing.pixels.any()


def test_black_stays_black(tmp_path):
    for kind in (np.uint16, np.int32, np.float32):
        assert not read(tmp_path, encoded(np.zeros((8, 8), kind), "TIFF")).pixels.any()


def test_what_is_transparent_is_white_unless_all_is(tmp_path):
    layer = Image.fromarray(GREY).convert("RGBA")
    alpha = np.full_like(GREY, 255)
    alpha[: SIZE[1] // 2] = 0
    layer.putalpha(Image.fromarray(alpha))
    for kind, content in (("RGBA", layer), ("LA", layer.convert("LA"))):
        pixels = read(tmp_path, encoded(content, "PNG"), kind).pixels
        assert (pixels[: SIZE[1] // 2] == 255).all()
        np.testing.assert_array_equal(pixels[SIZE[1] // 2 :], RGB[SIZE[1] // 2 :])
    layer.putalpha(0)
    np.testing.assert_array_equal(read(tmp_path, encoded(layer, "PNG")).pixels, RGB)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_other_modes_are_read(tmp_path, mode):
    orange = Image.new("RGB", SIZE, (250, 120, 10))
    pixels = read(tmp_path, encoded(orange.convert(mode), "TIFF")).pixels
    expected = orange.convert("L" if mode == "LA" else mode).convert("RGB")
    assert np.abs(pixels.astype(int) - np.asarray(expected)).max() <= 2


def test_a_large_picture_is_made_smaller_and_knows_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "KEPT_PIXELS", 500)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for content in (
        png_with_exif(encoded(TURNED, "PNG"), turned_block()),
        with_exif(encoded(TURNED, "JPEG"), turned_block()),
        plain_tiff(TURNED, 8, 1, (ORIENTATION, 3, 1, 6)),
    ):
        picture = read(tmp_path, content)
        assert picture.size == SIZE
        assert picture.pixels.shape[0] * picture.pixels.shape[1] <= 500
        np.testing.assert_allclose(picture.scale, 0.5)
        assert picture.remark == "it is large, 48 x 32 pixels: it is looked at in 24 x 16"
        reduced = RGB.reshape(SIZE[1] // 2, 2, SIZE[0] // 2, 2, 3).mean(axis=(1, 3))
        assert np.abs(picture.pixels - reduced).mean() < 20
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("size", [(60000, 60000), (65500, 5000)])
def test_too_large_a_picture_says_how_large(tmp_path, size):
    with pytest.raises(UserError, match=rf"too large: {size[0]} x {size[1]} pixels.*{MOST_PIXELS:,}"):
        read(tmp_path, claimed(encoded(RGB, "JPEG"), *size))


def test_a_damaged_picture_says_its_size(tmp_path):
    content = encoded(RGB, "JPEG")
    with pytest.raises(UserError, match=r"damaged or cut off \(JPEG, 48 x 32 pixels\)"):
        read(tmp_path, content[: len(content) // 2])


def test_what_is_no_picture(tmp_path, monkeypatch):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0"
    cases = {
        b"": "is empty",
        b"text": "is no picture",
        heic: "is HEIC, which cannot be read: convert it to JPEG",
        b"II*\0" + bytes(20): "is a TIFF of a kind that cannot be read",
    }
    for content, message in cases.items():
        with pytest.raises(UserError, match=message):
            read(tmp_path, content)
    with pytest.raises(UserError, match="does not exist"):
        read_picture(tmp_path / "none")
    with pytest.raises(UserError, match="is a folder"):
        read_picture(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no ordinary file"):
        read_picture(tmp_path / "pipe")

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        read_picture(tmp_path / "picture")
