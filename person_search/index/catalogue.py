"""The fragments of a store, and which of their people are stale."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from person_search.index.arrays import Mask, codes_of, numbers
from person_search.index.coverage import Covered, Range, SourceState, overlap, without
from person_search.index.fragments import Fragment, Place

Stale = dict[str, tuple[Range, ...]]
"""By source: the frames that newer fragments own."""


class Catalogue:
    """All fragments of a store, by their place.

    Args:
        fragments: in any order.
    """

    def __init__(self, fragments: Iterable[Fragment] = ()) -> None:
        self.fragments = dict[Place, Fragment]()
        self._holders = dict[str, tuple[Place, ...]]()
        self._several = set[str]()  # sources that more than one fragment covers
        for fragment in sorted(fragments, key=lambda one: one.place):
            self.put(fragment)

    def put(self, fragment: Fragment) -> None:
        """Take in a fragment, in place of the one that has its place."""
        self.drop(fragment.place)
        self.fragments[fragment.place] = fragment
        own: dict[str, tuple[Place, ...]] = dict.fromkeys(fragment.sources, (fragment.place,))
        known = () if self._holders.keys().isdisjoint(own) else self._holders.keys() & own
        for source in known:
            own[source] = tuple(sorted((*self._holders[source], fragment.place)))
        self._several.update(known)
        self._holders.update(own)

    def drop(self, place: Place) -> None:
        """Forget a fragment, if there is one at this place."""
        gone = self.fragments.pop(place, None)
        for source in dict.fromkeys(gone.sources if gone else ()):
            if left := tuple(other for other in self._holders[source] if other != place):
                self._holders[source] = left
            else:
                del self._holders[source]
            if len(left) < 2:
                self._several.discard(source)

    def places(self) -> list[Place]:
        """Return where fragments are, oldest first."""
        return sorted(self.fragments)

    def holders(self, source: str) -> tuple[Place, ...]:
        """Return the fragments that cover a source, oldest first."""
        return self._holders.get(source, ())

    def state(self, source: str) -> SourceState | None:
        """Return the state of a source; None if it is unknown or removed."""
        holders = self.holders(source)
        return self.fragments[holders[-1]].covers[source].state if holders else None

    def states(self) -> dict[str, SourceState]:
        """Return the states of all sources that are known, and not removed."""
        states = ((source, self.state(source)) for source in self._holders)
        return {source: state for source, state in states if state is not None}

    def taken(self, place: Place, source: str) -> tuple[Range, ...]:
        """Return the frames of a source that are covered by newer fragments than that of a place."""
        newer = [other for other in self.holders(source) if other > place]
        return tuple(part for other in newer for part in self.fragments[other].covers[source].ranges)

    def stale(self, place: Place) -> Stale:
        """Return the frames that newer fragments own of sources that this one has read, or covers in vain."""
        fragment, result = self.fragments[place], Stale()
        for source in self._several.intersection(fragment.sources) if self._several else ():
            taken = self.taken(place, source)
            covered = fragment.covers[source]
            if overlap(covered.read_ranges(), taken) or not without(covered.ranges, taken):
                result[source] = taken
        return result

    def owned(self, place: Place) -> dict[str, Covered]:
        """Return what a fragment owns: what it covers less what newer ones cover."""
        result = dict[str, Covered]()
        for source, covered in self.fragments[place].covers.items():
            if ranges := without(covered.ranges, self.taken(place, source)):
                result[source] = Covered(covered.state, ranges)
        return result


def live_mask(people: pa.Table, stale: Stale) -> Mask:
    """Return `[N]`, which people are not stale.

    Args:
        people: columns source, as a dictionary, and frame.
        stale: the frames of each source that newer fragments own.
    """
    mask: Mask = np.ones(len(people), dtype=np.bool_)
    if not stale:
        return mask
    begin = 0
    for chunk in people.column("source").chunks:
        names, end = chunk.dictionary.to_pylist(), begin + len(chunk)
        codes = codes_of(chunk)
        frames = numbers(people.column("frame").slice(begin, len(chunk)), np.int32)
        ranges = [stale.get(name, ()) for name in names]
        for layer in range(max(map(len, ranges), default=0)):
            # An empty range where a source has no more of them.
            bounds = np.array([(*own, (1, 0))[min(layer, len(own))] for own in map(tuple, ranges)])
            mask[begin:end] &= (frames < bounds[codes, 0]) | (frames > bounds[codes, 1])
        begin = end
    return mask
