"""Pictures of a data set that are whole, but not as the pipeline takes them: each gets the right reason."""

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from commands.main import main
from pipeline.basics.errors import UserError
from pipeline.batches.pictures import decode
from pipeline.datasets.jpeg import (
    UnfitPictureError,
    check_jpeg,
    jpeg_header,
    jpeg_size,
    read_jpeg,
    without_exif,
)
from pipeline.datasets.packing import prepare
from pipeline.datasets.sources import open_data_set
from tests.data_sets.trees import SIZE, small_cuhk, small_prw
from tests.own_pictures.cases import (
    ODD_ENTRIES,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    claimed,
    encoded,
    turned_block,
    values,
    with_exif,
)

JPEG = encoded(np.repeat(values(size=SIZE)[..., None], 3, axis=2), "JPEG")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"
STOPS_PILLOW = with_exif(
    JPEG,
    turned_block((X_RESOLUTION, 1, 1, b"\1"), (RESOLUTION_UNIT, 3, 1, struct.pack(">H", 2))),
    jfif=False,
)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def check_data(name, root, *options):
    result = CliRunner().invoke(main, ["check-data", "--dataset", name, "--root", str(root), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def prepared(name, root):
    with pytest.raises(UserError) as caught:
        prepare(open_data_set(name, root), root.parent / "prepared", lambda *_: None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(values(size=SIZE), "PNG"), "picture in another format (PNG): convert it to JPEG"),
        (encoded(values(size=SIZE), "WEBP"), "picture in another format (WEBP): convert it to JPEG"),
        (encoded(values(size=SIZE), "BMP"), "picture in another format (BMP): convert it to JPEG"),
        (encoded(values(size=SIZE), "TIFF"), "picture in another format (TIFF): convert it to JPEG"),
        (HEIC, "picture in another format (HEIC): convert it to JPEG"),
        (claimed(JPEG, 16320, 12240), "too large: 16320 x 12240 pixels"),
        (claimed(JPEG, 12000, 9000), "too large: 12000 x 9000 pixels"),
        (claimed(JPEG, 65500, 65500), "too large: 65500 x 65500 pixels"),
        (STOPS_PILLOW, "EXIF data that cannot be read: save it without them"),
    ],
)
def test_a_whole_picture_is_not_called_damaged(tmp_path: Path, content: bytes, reason: str) -> None:
    cuhk, prw = small_cuhk(tmp_path / "cuhk"), small_prw(tmp_path / "prw")
    for name, root, pictures in (("cuhk_sysu", cuhk, "Image/SSM"), ("prw", prw, "frames")):
        path = sorted((root / pictures).iterdir())[0]
        path.write_bytes(content)
        for options in ((), ("--images",)):
            result = check_data(name, root, *options)
            assert result.exit_code == 1
            (line,) = (line for line in result.stdout.splitlines() if reason in line)
            assert path.name in line
            assert "damaged" not in line and "copy it again" not in line
        message = prepared(name, root)
        assert reason in message
        assert "damaged" not in message and "copy it again" not in message
    with pytest.raises(UnfitPictureError):
        check_jpeg(content, "picture")


def test_each_fault_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.jpg"
    for read in (jpeg_size, read_jpeg):
        for content, reason in ((b"", "is empty"), (b"text", "is no JPEG image"), (JPEG[:100], "damaged")):
            path.write_bytes(content)
            with pytest.raises(UserError, match=reason):
                read(path)
        with pytest.raises(UserError, match="is missing"):
            read(tmp_path / "none.jpg")
        with pytest.raises(UserError, match="cannot be read: Is a directory"):
            read(tmp_path)
    path.write_bytes(JPEG[: len(JPEG) // 2])
    assert jpeg_size(path) == SIZE
    with pytest.raises(UserError, match="damaged or cut off: copy it again"):
        read_jpeg(path)

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    for read in (jpeg_size, read_jpeg):
        with pytest.raises(UserError, match=r"picture\.jpg cannot be read: Permission denied"):
            read(path)


def test_orientations_are_counted(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    frames = sorted((root / "frames").iterdir())
    for path in frames[:2]:
        path.write_bytes(with_exif(path.read_bytes(), turned_block()))
    frames[2].write_bytes(encoded(Image.new("RGB", SIZE), "JPEG", exif=Image.Exif()))
    result = check_data("prw", root)
    assert result.exit_code == 0
    assert "2 pictures have an EXIF orientation: boxes are taken in pixels of the" in result.stdout
    assert "an EXIF orientation" not in check_data("prw", small_prw(tmp_path / "upright")).stdout


@pytest.mark.parametrize("entry", ODD_ENTRIES.values(), ids=ODD_ENTRIES)
def test_odd_exif_is_no_fault(tmp_path: Path, entry: tuple[int, int, int, bytes]) -> None:
    for jfif in (True, False):
        content = with_exif(JPEG, turned_block(entry), jfif=jfif)
        path = tmp_path / "picture.jpg"
        path.write_bytes(content)
        assert jpeg_header(path) == (SIZE, 6)
        assert check_jpeg(content, "picture") == SIZE


def test_exif_is_taken_out_alone() -> None:
    assert without_exif(with_exif(JPEG, turned_block())) == JPEG
    assert without_exif(JPEG) == JPEG
    for size in range(0, len(STOPS_PILLOW), 7):
        without_exif(STOPS_PILLOW[:size])
    assert without_exif(b"other") == b"other"


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_any_jpeg_is_checked_and_decoded_to_rgb(mode: str, progressive: bool) -> None:
    orange = Image.new("RGB", SIZE, (240, 120, 40))
    content = encoded(orange.convert(mode), "JPEG", progressive=progressive)
    assert check_jpeg(content, "picture") == SIZE
    pixels = decode(np.frombuffer(content, np.uint8)).numpy()
    expected = np.asarray(orange.convert(mode).convert("RGB")).transpose(2, 0, 1)
    assert np.abs(pixels.astype(int) - expected).max() <= 3


def test_nothing_is_said_on_stderr_of_odd_pictures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "picture.jpg"
    for content in (STOPS_PILLOW, claimed(JPEG, 12000, 9000), b"II*\0" + os.urandom(200)):
        path.write_bytes(content)
        with pytest.raises(UserError):
            jpeg_size(path)
    assert capfd.readouterr() == ("", "")
