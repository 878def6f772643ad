"""Checking pictures: the size of a JPEG, and whether all of it is there."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from pipeline.basics.errors import UserError


def jpeg_size(path: Path) -> tuple[int, int]:
    """Return width and height from a JPEG's header, without decoding it.

    Raises:
        UserError: the file is missing, empty or no JPEG.
    """
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            return image.size
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UserError(f"{path} is no JPEG image (or its beginning is damaged)") from None


def check_jpeg(data: bytes, name: str) -> tuple[int, int]:
    """Decode a whole JPEG, at an eighth of its size for speed, and return its width and height.

    Args:
        data: the encoded image.
        name: what the message calls it.

    Raises:
        UserError: it is no JPEG, damaged, or cut off.
    """
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as image:
            size = image.size
            image.draft("L", (1, 1))
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UserError(f"{name} is no JPEG image, damaged or cut off: copy it again") from None
    return size


def read_jpeg(path: Path) -> bytes:
    """Return a JPEG file's bytes, having seen that all of it decodes.

    Raises:
        UserError: the file is missing, no JPEG, damaged, or cut off.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    check_jpeg(data, str(path))
    return data
