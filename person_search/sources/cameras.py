"""Which camera a file comes from, and when its picture was taken, by the file's path."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple

from person_search.sources.times import in_utc
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

CAMERA, TIME = "camera", "time"


class Label(NamedTuple):
    """What is known of an item before it is read: its camera, and the time (UTC) of its first frame."""

    camera: str | None = None
    time: datetime | None = None


UNKNOWN = Label()


class Cameras:
    """Names the cameras of items.

    Args:
        camera: the camera of all items (`--camera`).
        pattern: a regular expression (`--camera-from`) that is looked for in a file's absolute path, with the
            groups `(?P<camera>...)`, `(?P<time>...)` or both.
        time_format: of the text of the group `time`, as `strptime` takes it (`--time-format`).
        zone: of times whose format has no `%z`.

    Attributes:
        unmatched: the paths that the pattern does not match, so far.
        untimed: the paths whose time the format does not match, so far.

    Raises:
        UserError: the name is empty, the pattern is no regular expression or has none of the groups, there is
            a name for all and a group `camera`, or a format without the group `time` or the other way round;
            or `strptime` does not take the format.
    """

    def __init__(
        self,
        camera: str | None = None,
        pattern: str | None = None,
        time_format: str | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        self.unmatched: list[Path] = []
        self.untimed: list[Path] = []
        self._camera = None if camera is None else _checked_name(camera)
        self._pattern = None if pattern is None else _compiled(pattern)
        self._format, self._zone = _checked_format(time_format), zone
        groups = self._pattern.groupindex if self._pattern else {}
        if camera is not None and CAMERA in groups:
            raise UserError(
                "--camera names the camera of all files, so --camera-from needs no (?P<camera>...)"
            )
        if (TIME in groups) != (time_format is not None):
            raise UserError("--time-format and a group (?P<time>...) in --camera-from go together; give both")

    def of_path(self, path: Path) -> Label:
        """Return what a file's path tells."""
        if self._pattern is None:
            return Label(self._camera)
        match = self._pattern.search(str(path))
        if match is None:
            self.unmatched.append(path)
            return Label(self._camera)
        groups = match.groupdict()
        camera = printable(groups.get(CAMERA) or "") or self._camera
        if camera is None and CAMERA in groups:
            self.unmatched.append(path)
        return Label(camera, self._time(groups[TIME] or "", path) if TIME in groups else None)

    def of_stream(self) -> Label:
        """Return what is known of a stream."""
        return Label(self._camera)

    def say(self, say: Callable[[str], None]) -> None:
        """Say in one line each how many paths gave no camera or no time, with the first of them."""
        _say(say, self.unmatched, "--camera-from", "no camera" if self._camera is None else "no time")
        _say(say, self.untimed, "--time-format", "no time from its name")

    def _time(self, text: str, path: Path) -> datetime | None:
        try:
            time = in_utc(datetime.strptime(text, self._format or ""), self._zone)
        except ValueError:
            time = None
        if time is None:
            self.untimed.append(path)
        return time


def _say(say: Callable[[str], None], paths: list[Path], option: str, what: str) -> None:
    if paths:
        files = "file, which has" if len(paths) == 1 else "files, which have"
        say(f"warning: {option} does not match {len(paths):,} {files} {what}: first {printable(paths[0])}")


def _checked_name(camera: str) -> str:
    if not camera.strip():
        raise UserError("--camera is empty; give the camera's name")
    return printable(camera)


def _checked_format(time_format: str | None) -> str | None:
    """Return a format. Raises `UserError` where `strptime` does not take it."""
    if time_format is None:
        return None
    what = f"--time-format {printable(time_format)}"
    try:
        datetime.strptime("", time_format)
    except ValueError as error:
        if "does not match" not in str(error):
            raise UserError(f"{what} is no format of times: {error}; see Python's strptime") from None
    except (re.error, IndexError) as error:
        raise UserError(f"{what} is no format of times: {error}; see Python's strptime") from None
    return time_format


def _compiled(pattern: str) -> re.Pattern[str]:
    what = f"--camera-from {printable(pattern)}"
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{what} is no regular expression: {error}") from None
    if not {CAMERA, TIME} & set(compiled.groupindex):
        others = ", ".join(f"(?P<{name}>...)" for name in compiled.groupindex)
        raise UserError(
            f"{what} has no group of the name {CAMERA} or {TIME}{', but ' if others else ''}{others}; write "
            "(?P<camera>...) around what names the camera, as in 'cam(?P<camera>[0-9]+)'"
        )
    return compiled
