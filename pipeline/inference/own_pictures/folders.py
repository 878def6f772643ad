"""Which pictures to search: the given files, and the pictures below the given folders."""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.datasets.picture_kinds import HEAD, RAW, kind_by_suffix, unread_kind
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import check_header, is_picture

PICTURE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng"),
        *(".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".jp2", ".j2k", ".jpx"),
        *(".pgm", ".ppm", ".pbm", ".pnm"),
    )
)
"""A file with such a name should be a picture. If it is not, reading it reports that."""
APPLE_DOUBLE = "._"
"""How macOS begins the names of its companion files, which have a picture's suffix but hold no picture."""
SOME = 5
"""How many files of one kind a line names."""

Say = Callable[[str], None]
Wanted = Callable[[Path], bool]
"""Says of a regular file that is no picture whether it is of another kind that the caller looks for."""


@dataclass
class Found:
    """What was found below a folder.

    Attributes:
        pictures: the pictures to search.
        wanted: files that are no pictures, but that the caller looks for as well.
        unread: folders that cannot be read; they are in `left_out`, too.
        left_out: files and folders that should be searched but cannot be, by the reason.
        others: number of all other files.
    """

    pictures: list[Path] = field(default_factory=list)
    wanted: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    others: int = 0

    def leave_out(self, path: Path, why: str) -> None:
        """Add a file or folder that should be searched but cannot be."""
        self.left_out.setdefault(why, []).append(path)

    def lines(self) -> list[str]:
        """Return a line for each reason, with the first files and folders that it holds for."""
        return [_line(why, paths) for why, paths in self.left_out.items()]


def pictures_in(places: Sequence[Path], query: Path, say: Say) -> list[Path]:
    """Return the pictures to search: the given files, and the pictures below the given folders, by name.

    In a folder the content decides which files are pictures, not the name. The query's own picture is left
    out, since it surely shows the person. A picture that is given twice is returned once. Given files are
    opened, so that a file that is no picture is reported before a long search.

    Args:
        places: files and folders.
        query: the query's picture.
        say: called with a line about what is left out: the names of pictures in formats that are not read and
            of unreadable folders, and the number of other files.

    Raises:
        UserError: a place is missing or no picture, a folder holds no picture, or only the query is left.
    """
    found: dict[Path, Path] = {}
    others = 0
    for place in places:
        if place.is_dir():
            below = _with_pictures(place)
            others += below.others
            for line in below.lines():
                say(f"warning: left out: {line}")
        else:
            check_header(place)
            below = Found([place])
        for path in below.pictures:
            if not _same_file(path, query):
                found.setdefault(path.resolve(), path)
    if not found:
        raise UserError("there is nothing to look in but the query's own picture; give further pictures")
    if others:
        say(f"note: {others:,} other {'file' if others == 1 else 'files'} passed over")
    return list(found.values())


def found_below(folder: Path, wanted: Wanted = lambda _path: False) -> Found:
    """Sort all files below a folder, by name; there may be none.

    Raises:
        UserError: the folder itself cannot be read.
    """
    found, files = Found(), []
    for path, error in _walked(folder):
        if error is None:
            files.append(path)
        elif path == folder:
            raise UserError(f"{printable(folder)} cannot be read: {error.strerror}")
        else:
            found.unread.append(path)
            found.leave_out(path, f"{error.strerror}")
    for path in sorted(files):
        sort_in(path, found, wanted)
    return found


def _with_pictures(folder: Path) -> Found:
    """Sort the files below a folder. Raises `UserError` where it is unreadable or holds no picture."""
    found = found_below(folder)
    if not found.pictures:
        others = (
            [f"{found.others:,} other {'file' if found.others == 1 else 'files'}"] if found.others else []
        )
        there = "; ".join([*found.lines(), *others])
        raise UserError(f"{printable(folder)} holds no picture that can be read{there and f': {there}'}")
    return found


def sort_in(path: Path, found: Found, wanted: Wanted = lambda _path: False) -> None:
    """Add one file to what was found. Pipes and devices are not opened, since reading them may block."""
    named_picture = path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(APPLE_DOUBLE)
    kind = kind_by_suffix(path.name)
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if named_picture or kind:
            found.leave_out(path, f"{error.strerror}")
        else:
            found.others += 1
        return
    if path.name.startswith(APPLE_DOUBLE) or not regular:
        found.others += 1
    elif kind != RAW and (named_picture or is_picture(path)):
        found.pictures.append(path)  # raw files are left out: Pillow would read their small preview
    elif wanted(path):
        found.wanted.append(path)
    elif (kind := kind or _kind_by_content(path)) is not None:
        found.leave_out(path, why_unread(kind))
    else:
        found.others += 1


def why_unread(kind: str) -> str:
    """Return why a picture or video of a kind that is not read is left out."""
    return f"{kind} cannot be read; convert to JPEG"


def _kind_by_content(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return unread_kind(file.read(HEAD))
    except OSError:
        return None


def _line(why: str, paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - SOME:,} more" if len(paths) > SOME else ""
    return f"{', '.join(printable(path) for path in paths[:SOME])}{more}: {why}"


def _walked(folder: Path) -> Iterator[tuple[Path, OSError | None]]:
    """Yield every file below a folder, and every unreadable folder with its error.

    Linked folders are entered too, but each folder only once, since a link may lead back to its parent.
    """
    waiting, links = [folder], list[Path]()
    seen = set[tuple[int, int]]()
    while waiting or links:
        here = waiting.pop() if waiting else links.pop()
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(here.iterdir())
        except OSError as error:
            yield here, error
            continue
        for path in entries:
            if not _is_folder(path):
                yield path, None
            elif path.is_symlink():
                links.append(path)
            else:
                waiting.append(path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # reading it reports the error
        return False


def _same_file(path: Path, query: Path) -> bool:
    return query.exists() and path.exists() and path.samefile(query)
