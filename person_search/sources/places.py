"""From the sources that a user names to items: pictures, videos and streams."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from person_search.sources.addresses import SCHEMES, WEBCAM, is_address, shown_address
from person_search.sources.frames import is_file, named, path_of, text_of
from person_search.sources.video_kinds import is_video
from pipeline.basics.errors import UserError
from pipeline.datasets.picture_kinds import VIDEO
from pipeline.inference.own_pictures.folders import Found, found_below, sort_in, why_unread
from pipeline.inference.own_pictures.printable import printable

Say = Callable[[str], None]
VIDEO_DEVICES = 81
"""The number that Linux gives to the devices of cameras."""


class Kind(StrEnum):
    """What an item is."""

    PICTURE = "picture"
    VIDEO = "video"
    STREAM = "stream"


@dataclass(frozen=True)
class Item:
    """One thing that frames come from.

    Attributes:
        kind: a picture, a video or a stream.
        source: the text that its frames name as their source.
        path: the file, absolute, by the way that it was found; None of a stream.
        size: the file's bytes; 0 of a stream.
        mtime_ns: when the file was last changed, in nanoseconds since 1970; 0 of a stream.
        address: what a stream is opened by, with its password; not for showing.
    """

    kind: Kind
    source: str
    path: Path | None = None
    size: int = 0
    mtime_ns: int = 0
    address: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return self.source if self.path is None else printable(self.path)


@dataclass(frozen=True)
class Listing:
    """What the given sources hold.

    Attributes:
        items: in the order of the given sources, the files of a folder by name; nothing twice.
        roots: the files and folders that were given, as `named` gives them, with folders resolved.
        unread: folders below them that could not be read, in the same form.
    """

    items: tuple[Item, ...]
    roots: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()

    def lacks(self, source: str) -> bool:
        """Return whether a source was looked for and is not there, or not any more as an item.

        A stream, a file outside the given places, and one in a folder that could not be read are not known
        to be gone.
        """
        if not is_file(source) or source in self._sources:
            return False
        above = {path_of(source), *path_of(source).parents}
        return not above.isdisjoint(self.roots) and above.isdisjoint(self.unread)

    def empty_above(self, gone: Iterable[str]) -> Path | None:
        """Return a given folder of which all is gone: one that sources lay below, and that holds nothing."""
        folders = {*self.roots} & {above for source in gone for above in path_of(source).parents}
        held = {above for item in self.items if item.path for above in path_of(item.source).parents}
        return min(folders - held, default=None)

    @cached_property
    def _sources(self) -> frozenset[str]:
        return frozenset(item.source for item in self.items)


def listed(places: Sequence[str | Path], say: Say) -> Listing:
    """Return what the given sources hold.

    What cannot be read is left out, with one line for each reason; other files are counted in one line.

    Args:
        places: files, folders (with all below them), `/dev/video0` or `webcam:0`, and addresses that start
            with `rtsp://`, `rtsps://`, `http://` or `https://`.
        say: called with each line.

    Raises:
        UserError: a source is missing, a given folder cannot be read, or only files were given and none of
            them is a picture or video.
    """
    look = _Look()
    for place in places:
        look.at(str(place))
    for line in look.rest.lines():
        say(f"warning: left out: {line}")
    others = look.rest.others
    if others:
        say(f"note: {others:,} other {'file' if others == 1 else 'files'} passed over")
    if not look.items and not look.folders:
        raise UserError("none of the given files is a picture or video that can be read; give others")
    return Listing(tuple(look.items.values()), tuple(look.roots), tuple(look.unread))


class _Look:
    """Looks at one given source after the other.

    Attributes:
        items: by what is equal of two names of one thing.
        rest: what is left out.
        folders: how many folders were given.
    """

    def __init__(self) -> None:
        self.items: dict[str | Path, Item] = {}
        self.roots: list[Path] = []
        self.unread: list[Path] = []
        self.rest = Found()
        self.folders = 0
        self._resolved: dict[Path, Path] = {}

    def at(self, place: str) -> None:
        """Add what a source holds. Raises `UserError` where it is missing or an unreadable folder."""
        if not place:
            raise UserError("a source is empty (a shell's variable that is not set?); give a file or folder")
        if is_address(place):
            self._add_stream(shown_address(place), place)
            return
        webcam = WEBCAM.fullmatch(place)
        path = Path(webcam_device(webcam.group(1)) if webcam else place)
        mode = _mode(path, place)
        if stat.S_ISCHR(mode) and os.major(path.stat().st_rdev) == VIDEO_DEVICES:
            self._add_stream(webcam_source(path), str(path.absolute()))
        elif webcam:
            raise UserError(f"{printable(place)}: {printable(path)} is no camera; see `ls /dev/video*`")
        elif stat.S_ISDIR(mode):
            self.folders += 1
            self.roots.append(path.resolve())
            self._add_files(found_below(path, is_video))
        else:
            self.roots.append(named(path))
            found = Found()
            sort_in(path, found, is_video)
            self._add_files(found)

    def _add_stream(self, source: str, address: str) -> None:
        self.items.setdefault(address, Item(Kind.STREAM, source, address=address))

    def _add_files(self, found: Found) -> None:
        kinds = dict.fromkeys(found.pictures, Kind.PICTURE) | dict.fromkeys(found.wanted, Kind.VIDEO)
        for path in sorted(kinds):
            self._add_file(kinds[path], path.absolute())
        sounds = found.left_out.pop(why_unread(VIDEO), [])  # all that is a video was wanted
        self.rest.others += len(sounds)
        for why, paths in found.left_out.items():
            self.rest.left_out.setdefault(why, []).extend(paths)
        self.rest.others += found.others
        self.unread += [path.resolve() for path in found.unread]

    def _add_file(self, kind: Kind, path: Path) -> None:
        try:
            status = path.stat()
        except OSError as error:  # it went away meanwhile
            self.rest.leave_out(path, f"{error.strerror}")
            return
        name = self._named(path)
        item = Item(kind, text_of(name), path, status.st_size, status.st_mtime_ns)
        self.items.setdefault(name.resolve() if name.is_symlink() else name, item)

    def _named(self, path: Path) -> Path:
        """Return what `named` returns, with each folder resolved once."""
        if path.parent not in self._resolved:
            self._resolved[path.parent] = path.parent.resolve()
        return self._resolved[path.parent] / path.name


def webcam_device(name: str) -> str:
    """Return the device of what stands behind `webcam:`, a number or a path."""
    return f"/dev/video{name}" if name.isdecimal() else name


def webcam_source(device: Path) -> str:
    """Return the text that names a camera's device as a source."""
    number = str(device.absolute()).removeprefix("/dev/video")
    return f"webcam:{number}" if number.isdecimal() else f"webcam:{printable(device.absolute())}"


def _mode(path: Path, place: str) -> int:
    """Return the kind of file. Raises `UserError` where there is none."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        if "://" in place:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise UserError(
                f"{place.partition('://')[0]}://...: streams are read from {known} only"
            ) from None
        if WEBCAM.fullmatch(place):
            raise UserError(f"{printable(place)}: there is no {printable(path)}") from None
        raise UserError(f"{printable(place)} does not exist") from None
    except OSError as error:
        raise UserError(f"{printable(place)} cannot be read: {error.strerror}") from None
