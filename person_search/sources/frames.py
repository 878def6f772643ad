r"""One frame, the unit that is searched for people; and the text that names its source.

A file is named by its absolute path. Folders on the way are resolved, so that one file has one name from
wherever the program is called. A link in the last place is not followed: stores such as DVC's or git-annex's
put links with the user's names to files that are named by their hash.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from person_search.networks.network import Picture

ESCAPED = re.compile(r"\\\\|\\x([0-9a-f]{2})")
"""What a backslash begins in a source's text."""
TO_ESCAPE = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]")
"""The backslash, control characters, line ends, and what Python makes of bytes that are no UTF-8."""


@dataclass(frozen=True)
class Frame:
    """A picture, or one frame of a video or stream.

    Attributes:
        source: `source_text` of the file, or the address of a stream without its password.
        frame: 0 for a picture; the number of the decoded frame in a video or stream, from 0.
        time: when it was taken, in UTC; None where that is unknown.
        camera: the camera's name, where there is one.
        pixels: `[h, w, 3]` RGB uint8, upright; reduced by a whole factor where the source is huge.
        size: width and height of the upright picture in the source's own pixels. Boxes are stored in these.
        remark: a warning for the user: values were guessed, or the picture was reduced.
    """

    source: str
    frame: int
    time: datetime | None
    camera: str | None
    pixels: Picture
    size: tuple[int, int]
    remark: str | None = None


def named(path: Path) -> Path:
    """Return the one absolute path by which a file is known: all but the last part resolved."""
    whole = path if path.is_absolute() else Path.cwd() / path
    if whole.name in ("", ".."):
        return whole.resolve()
    return whole.parent.resolve() / whole.name


def source_text(path: Path) -> str:
    r"""Return the text that names a file: its absolute path, in valid UTF-8, on one line.

    An ordinary path is its own text. A backslash is doubled; every byte of a control character, of a line
    end, or that is no UTF-8 is written as `\x` and two hexadecimal digits. `path_of` is the way back.
    """
    return text_of(named(path))


def text_of(name: Path) -> str:
    """Return the text of a path that `named` gave."""
    return TO_ESCAPE.sub(_escape, str(name))


def path_of(text: str) -> Path:
    """Return the path of a file from the text that `source_text` gave.

    Raises:
        ValueError: the text is not of that form, for instance a stream's address.
    """
    if not text.startswith("/") or "\\" in ESCAPED.sub("", text):
        raise ValueError(f"{text!r} does not name a file")
    return Path(os.fsdecode(b"".join(_pieces(text))))


def is_file(text: str) -> bool:
    """Return whether a source's text names a file, not a stream."""
    return text.startswith("/")


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))


def _pieces(text: str) -> list[bytes]:
    """Split a text into its bytes, with what was escaped put back."""
    pieces, place = [], 0
    for match in ESCAPED.finditer(text):
        digits = match.group(1)
        pieces += [text[place : match.start()].encode(), bytes.fromhex(digits) if digits else b"\\"]
        place = match.end()
    return [*pieces, text[place:].encode()]
