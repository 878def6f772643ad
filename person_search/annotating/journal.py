"""What is kept of an annotation on the way, so that a run that was stopped goes on where it was.

The journal is a text file of JSON lines. Its first line holds the settings. Then come, item by item, a line
for the item, one for each frame that was looked at, and one for the item's end. A frame's line is written
after its picture, so that a line that is there names a file that is whole.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from person_search.sources.places import Item
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

FORMAT_VERSION = 2


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame that is kept.

    Attributes:
        name: of its file in `frames/`.
        size: its width and height in pixels.
        boxes: a list `[x1, y1, x2, y2]` in its pixels for each detection.
        scores: of these, 0..1, falling.
        source: the picture or video that it is from, by its path as it was given; see `GivenPaths`.
        frame: its number there.
        camera: the camera's name, where it is known.
        time: when it was taken, in UTC as ISO 8601 has it, where that is known.
    """

    name: str
    size: tuple[int, int]
    boxes: list[list[float]]
    scores: list[float]
    source: str
    frame: int
    camera: str | None
    time: str | None


@dataclass
class _KnownItem:
    """What the journal says of an item.

    Attributes:
        size: the file's bytes.
        mtime_ns: when it was last changed.
        last: number of the last frame that was looked at; None for none.
        ended: whether all of it was read.
        kept: the frames that are kept.
        alike: how many were left out as near-duplicates.
    """

    size: int
    mtime_ns: int
    last: int | None = None
    ended: bool = False
    kept: list[AnnotatedFrame] = field(default_factory=list)
    alike: int = 0


class Journal:
    """The journal of an annotated folder."""

    def __init__(self, path: Path, settings: Mapping[str, Any], meant: Mapping[str, str]) -> None:
        """Open a journal, or begin one.

        Args:
            path: the file.
            settings: all that what is kept depends on, as plain values by the options' names.
            meant: by the name of a setting whose value does not speak for itself, what it is.

        Raises:
            UserError: the journal was begun with other settings, or is none.
            OSError: it cannot be read or written.
        """
        self._names: set[str] = set()
        self._last_kept: dict[str, tuple[str, str]] = {}
        self._path, self._meant = path, meant
        self._items: dict[str, _KnownItem] = {}
        self._now: _KnownItem | None = None
        self._source: str | None = None
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]  # a killed run may leave half a line
        if whole:
            self._replay(whole, settings)
            os.truncate(path, sum(map(len, whole)))
        self._file = path.open("ab")
        if not whole:
            self._put({"format_version": FORMAT_VERSION, "settings": dict(settings)})

    def is_done(self, item: Item) -> bool:
        """Return whether all of an item is in the journal, and its file has not changed since."""
        known = self._known(item)
        return known is not None and known.ended

    def last_frame(self, item: Item) -> int | None:
        """Return the number of the last frame of an item that was looked at; None for none."""
        known = self._known(item)
        return None if known is None else known.last

    def begin(self, item: Item) -> None:
        """Let what follows be of an item. All that is known of a file that has changed is forgotten."""
        if self._source != item.source or self._known(item) is None:
            line = {"item": item.source, "size": item.size, "mtime_ns": item.mtime_ns}
            self._apply(line)
            self._put(line)

    def forget_lost(self, items: Iterable[Item], folder: Path) -> None:
        """Forget files of which a frame's picture is not there any more, or empty: they are read anew.

        Args:
            items: the files that there are; what is known of another one stays.
            folder: where the frames are.
        """
        for item in items:
            known = self._known(item)
            if known is not None and not all(_is_there(folder / frame.name) for frame in known.kept):
                line = {"item": item.source, "size": 0, "mtime_ns": 0}
                self._apply(line)
                self._put(line)

    def has(self, name: str) -> bool:
        """Tell whether a frame of this name is kept."""
        return name in self._names

    def thumbnail(self, group: str) -> str | None:
        """Return the thumbnail of the last frame kept of a group (see `annotating.group_of`).

        Returns:
            Hexadecimal digits; None where no frame is kept, or the last one was of a file that has changed.
        """
        _, digits = self._last_kept.get(group, (None, None))
        return digits

    def keep(self, item: Item, frame: AnnotatedFrame, group: str, shown: str | None) -> None:
        """Note a frame whose picture is written; `shown` is its thumbnail, where they are compared."""
        self.begin(item)
        line = asdict(frame) | ({"group": group, "thumbnail": shown} if shown is not None else {})
        self._apply(line)
        self._put(line)

    def leave_out(self, item: Item, number: int) -> None:
        """Note a frame that is left out as a near-duplicate."""
        self.begin(item)
        self._apply({"alike": number})
        self._put({"alike": number})

    def end(self, item: Item) -> None:
        """Note that all of an item was read."""
        self.begin(item)
        self._apply({"end": True})
        self._put({"end": True})

    def frames(self) -> list[AnnotatedFrame]:
        """Return all frames that are kept, by name."""
        return sorted(
            (frame for item in self._items.values() for frame in item.kept), key=lambda frame: frame.name
        )

    def alike(self) -> int:
        """Return how many frames were left out as near-duplicates."""
        return sum(item.alike for item in self._items.values())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _known(self, item: Item) -> _KnownItem | None:
        known = self._items.get(item.source)
        same = known is not None and (known.size, known.mtime_ns) == (item.size, item.mtime_ns)
        return known if same else None

    def _replay(self, lines: list[bytes], settings: Mapping[str, Any]) -> None:
        try:
            first, *rest = [json.loads(line) for line in lines]
            self._check(first, settings)
            for line in rest:
                self._apply(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, AssertionError):
            raise UserError(
                f"{printable(self._path)} is damaged, or not of `person-search annotate`; give another --out"
            ) from None

    def _check(self, first: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        if first["format_version"] != FORMAT_VERSION:
            raise UserError(
                f"{printable(self._path)}: format {first['format_version']}, this program reads "
                f"{FORMAT_VERSION}; give another --out"
            )
        for name, before in first["settings"].items():
            if settings[name] != before:
                begun = _begun(name, before, settings[name])
                meant = f", {self._meant[name]}" if name in self._meant else ""
                raise UserError(
                    f"{printable(self._path.parent)} was begun {begun}{meant}: "
                    "give the same again, remove the folder, or give another --out"
                )

    def _apply(self, line: Mapping[str, Any]) -> None:
        """Take over what a line says."""
        if "item" in line:
            self._source = line["item"]
            state, known = (line["size"], line["mtime_ns"]), self._items.get(line["item"])
            if known is None or (known.size, known.mtime_ns) != state:
                self._forget(line["item"])
                self._items[line["item"]] = known = _KnownItem(*state)
            self._now = known
            return
        assert self._now is not None
        if "end" in line:
            self._now.ended = True
        elif "alike" in line:
            self._now.alike += 1
            self._now.last = line["alike"]
        else:
            names = AnnotatedFrame.__dataclass_fields__
            frame = AnnotatedFrame(**{name: line[name] for name in names} | {"size": tuple(line["size"])})
            self._now.kept.append(frame)
            self._names.add(frame.name)
            self._now.last = frame.frame
            if "thumbnail" in line:
                assert self._source is not None
                self._last_kept[line["group"]] = self._source, line["thumbnail"]

    def _forget(self, source: str) -> None:
        """Forget the frames of a file that has changed: they are not there to be compared with."""
        if (known := self._items.pop(source, None)) is not None:
            self._names.difference_update(frame.name for frame in known.kept)
            of_others = {group: kept for group, kept in self._last_kept.items() if kept[0] != source}
            self._last_kept = of_others

    def _put(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _begun(name: str, before: Any, now: Any) -> str:
    """Say with which value of an option a folder was begun, and which it has now; None is without it."""
    if before is None:
        return f"without {name}, not with {now}"
    return f"with {name} {before}, not {'without' if now is None else now}"
