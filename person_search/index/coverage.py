"""Which fragment owns which frames of which source.

Every fragment says which frames of which sources it covers. Of two fragments that cover the same frame, the
newer one owns it: rows of the older are stale. So a source is replaced, a video continued, a source removed,
and small fragments are merged, all in the same way: one new file that is there whole or not at all.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from person_search.index.schema import MOST_FRAMES

Range = tuple[int, int]
"""First and last frame, both included."""
WHOLE: Range = (0, MOST_FRAMES)


@dataclass(frozen=True)
class SourceState:
    """What was read of a source.

    Attributes:
        size: bytes of the file, when it was read.
        mtime_ns: when the file was changed last, in ns since 1970.
        complete: whether it was read to its end.
        last_frame: the last frame that was read of a video that is not complete; None if complete.
    """

    size: int
    mtime_ns: int
    complete: bool = True
    last_frame: int | None = None

    def __post_init__(self) -> None:
        """Check that an incomplete source says how far it is.

        Raises:
            ValueError: it does not, or a complete one does.
        """
        if self.complete != (self.last_frame is None):
            raise ValueError("a source that is not complete has a last frame, and only that")

    def is_of(self, size: int, mtime_ns: int) -> bool:
        """Tell whether the file is still the one that was read."""
        return (self.size, self.mtime_ns) == (size, mtime_ns)


@dataclass(frozen=True)
class Covered:
    """What a fragment covers of one source.

    Attributes:
        state: of the source; None where the source is removed, until no older fragment covers it.
        ranges: the frames, in order, apart from each other.
    """

    state: SourceState | None
    ranges: tuple[Range, ...] = (WHOLE,)

    def read_ranges(self) -> tuple[Range, ...]:
        """Return the frames that were read: those of a video that is not complete end with its last one."""
        if self.state is None or self.state.last_frame is None:
            return self.ranges
        return without(self.ranges, [(self.state.last_frame + 1, MOST_FRAMES)])


Coverage = Mapping[str, Covered]
"""By source."""
COLUMNS = ("source", "size", "mtime_ns", "complete", "last_frame", "first_covered", "last_covered")


def without(ranges: Iterable[Range], taken: Iterable[Range]) -> tuple[Range, ...]:
    """Return ranges less those that are taken."""
    left = list(ranges)
    for begin, end in taken:
        before = [(first, min(last, begin - 1)) for first, last in left]
        behind = [(max(first, end + 1), last) for first, last in left]
        left = sorted((first, last) for first, last in before + behind if first <= last)
    return tuple(left)


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return ranges in order, and those that touch or overlap as one."""
    result = list[Range]()
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def overlap(one: Iterable[Range], other: Iterable[Range]) -> bool:
    """Tell whether two lists of ranges have a frame in common."""
    others = tuple(other)
    return any(a <= d and c <= b for a, b in one for c, d in others)


def to_json(coverage: Coverage) -> str:
    """Return what a fragment covers as JSON: a list a column, an entry a range, by source."""
    entries = [
        (source, covered.state, first, last)
        for source, covered in sorted(coverage.items())
        for first, last in covered.ranges
    ]
    states = [state for _, state, _, _ in entries]
    content = {
        "source": [entry[0] for entry in entries],
        "size": [state and state.size for state in states],
        "mtime_ns": [state and state.mtime_ns for state in states],
        "complete": [state and state.complete for state in states],
        "last_frame": [state and state.last_frame for state in states],
        "first_covered": [entry[2] for entry in entries],
        "last_covered": [entry[3] if entry[3] < MOST_FRAMES else None for entry in entries],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


Columns = Mapping[str, Sequence[Any]]


def columns_of(text: bytes) -> Columns:
    """Return the JSON of a fragment's coverage as it is: `to_json` says what is in it.

    Raises:
        ValueError: it is something else.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or not set(COLUMNS) <= content.keys():
        raise ValueError("it does not say which sources it covers")
    if len({len(content[name]) for name in COLUMNS}) != 1:
        raise ValueError("its list of sources is not whole")
    return content


def coverage_of(columns: Columns) -> dict[str, Covered]:
    """Return what a fragment covers, by source."""
    result = dict[str, Covered]()
    for source, size, mtime_ns, complete, last_frame, first, last in zip(
        *(columns[name] for name in COLUMNS), strict=True
    ):
        state = None if size is None else SourceState(size, mtime_ns, complete, last_frame)
        own = (first, MOST_FRAMES if last is None else last)
        before = result[source].ranges if source in result else ()
        result[source] = Covered(state, (*before, own))
    return result
