"""Which pictures to look in: files as given, and folders with all below them."""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.datasets.picture_kinds import HEAD, RAW, kind_by_suffix, unread_kind
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import check_header, is_picture

PICTURE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *(
            "jpg",
            "jpeg",
            "jpe",
            "jfif",
            "jfi",
            "jif",
            "pjpeg",
            "pjp",
            "mpo",
            "png",
            "apng",
            "webp",
            "tif",
            "tiff",
        ),
        *("bmp", "dib", "gif", "jp2", "j2k", "jpx", "pgm", "ppm", "pbm", "pnm"),
    )
)
"""A file of such a name should be a picture: where it is none, that is said when it is read."""
APPLE_DOUBLE = "._"
"""Beginning of the name of a file that macOS lays beside a file, with its name and no picture."""
SOME = 5
"""Files of one kind that are named; the others are counted."""

Say = Callable[[str], None]


@dataclass
class _Found:
    """What was found below a folder: pictures, what is left out by its reason, and how many other files."""

    pictures: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    others: int = 0

    def leave_out(self, path: Path, why: str) -> None:
        """Add what ought to be looked in but cannot."""
        self.left_out.setdefault(why, []).append(path)

    def lines(self) -> list[str]:
        """Return a line for each reason to leave something out, naming the first."""
        return [_line(why, paths) for why, paths in self.left_out.items()]


def pictures_in(places: Sequence[Path], query: Path, say: Say) -> list[Path]:
    """Return the pictures to look in: files as given, folders with all below them in order of their names.

    A file in a folder is a picture by its content, whatever its name. The query's own picture is left out,
    since the person is surely there; one that is named twice is there once. A file that is given is looked
    into, so that one that is no picture shows before a long search.

    Args:
        places: files and folders.
        query: the query's picture.
        say: called with a line on what is passed over: pictures of formats that are not read by name, folders
            that may not be read, and the number of other files.

    Raises:
        UserError: a place is missing or no picture, a folder holds none, or nothing but the query is there.
    """
    found: dict[Path, Path] = {}
    others = 0
    for place in places:
        if place.is_dir():
            below = _below(place)
            others += below.others
            for line in below.lines():
                say(f"warning: left out: {line}")
        else:
            check_header(place)
            below = _Found([place])
        for path in below.pictures:
            if not _same_file(path, query):
                found.setdefault(path.resolve(), path)
    if not found:
        raise UserError("there is nothing to look in but the query's own picture; give further pictures")
    if others:
        say(f"note: {others:,} other {'file' if others == 1 else 'files'} passed over")
    return list(found.values())


def _below(folder: Path) -> _Found:
    """Sort what lies below a folder. Raises `UserError` where it may not be read or holds no picture."""
    found, files = _Found(), []
    for path, error in _walked(folder):
        if error is None:
            files.append(path)
        elif path == folder:
            raise UserError(f"{printable(folder)} cannot be read: {error.strerror}")
        else:
            found.leave_out(path, f"{error.strerror}")
    for path in sorted(files):
        _sort_in(path, found)
    if not found.pictures:
        others = (
            [f"{found.others:,} other {'file' if found.others == 1 else 'files'}"] if found.others else []
        )
        there = "; ".join([*found.lines(), *others])
        raise UserError(f"{printable(folder)} holds no picture that can be read{there and f': {there}'}")
    return found


def _sort_in(path: Path, found: _Found) -> None:
    """Add one file to what was found. Pipes and devices are not opened, which might wait for ever."""
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
        found.pictures.append(path)  # not a raw file: Pillow reads the small preview at its beginning
    elif (kind := kind or _kind_by_content(path)) is not None:
        found.leave_out(path, f"{kind} cannot be read; convert to JPEG")
    else:
        found.others += 1


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
    """Yield what lies below a folder, and each folder that may not be read with the reason.

    Linked folders are gone into, each folder once: a link may lead back to where it lies.
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
    except OSError:  # what it is cannot be seen; that is said when it is read
        return False


def _same_file(path: Path, query: Path) -> bool:
    return query.exists() and path.exists() and path.samefile(query)
