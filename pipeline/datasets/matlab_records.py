"""Elements of a struct array that are alike, read in bulk: a gallery of 4,000 entries in a few NumPy calls.

Nearly all entries of CUHK-SYSU's galleries name nobody, and differ in the characters of their image's name
alone. Entries whose names are equally long then have the same bytes in the file, but for those characters. So
one of them is decoded by scipy, and the others are compared with it. What is not of this form, or damaged, is
left to scipy as a whole.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.datasets.matlab import structs
from pipeline.datasets.matlab_elements import (
    CLASS_MASK,
    MI_MATRIX,
    STRUCT_CLASS,
    TAG_BYTES,
    TOO_EARLY,
    Data,
    Undecoded,
    after,
    data,
    decoded,
)
from pipeline.scenes.scene import IntArray

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Texts = npt.NDArray[np.bytes_]

WORD_BYTES = 8
CHARACTER_BYTES = {1: 1, 2: 1, 16: 1, 4: 2, 17: 2}
"""Bytes a character of the types int8, uint8, UTF-8, uint16 and UTF-16, where it is ASCII."""
CHAR_CLASS = 4
NUMERIC_CLASSES = range(6, 16)
"""double, single, and whole numbers of 8 to 64 bits."""
FIRST_PRINTABLE, LAST_PRINTABLE = 33, 126
"""ASCII characters that no decoder changes or takes away."""
MOST_KINDS = 64
"""How many kinds of elements of one length are looked for; the rest is decoded one by one."""
NO_TEXTS: Texts = np.empty(0, dtype="S1")


class Alike(NamedTuple):
    """Elements of a struct array that differ in one text alone.

    Attributes:
        element: the first of them, as scipy returns it.
        places: `[K]` where they stand in the array, ascending; K >= 1.
        texts: `[K - 1]` ASCII, the texts of the others.
    """

    element: Any
    places: IntArray
    texts: Texts


def alike(array: Undecoded, text: str, needed: Sequence[str]) -> Iterator[Alike]:
    """Yield a struct array's elements, those that are alike together, in the order of their first one.

    Args:
        array: what holds the elements.
        text: the field whose characters may differ between elements that are alike.
        needed: fields that must be equal in them. Of the others, numbers may differ.

    Raises:
        UserError: the array holds no structs.
        ValueError, EOFError: it is damaged.
    """
    try:
        records = _Records.of(array, text, needed)
        kinds = sorted(records.kinds(), key=lambda kind: int(kind[0][0])) if records else []
    except (ValueError, EOFError, struct.error):
        records = None
    if records is None:
        for place, element in enumerate(structs(array.value())):
            yield Alike(element, np.array([place]), NO_TEXTS)
        return
    elements = structs(records.only([int(places[0]) for places, _texts in kinds]))
    for element, kind in zip(elements, kinds, strict=True):
        yield Alike(element, *kind)


class _Layout(NamedTuple):
    """What may differ between elements: the `characters`, of `width` bytes each, and where `fixed` is 0."""

    characters: slice
    width: int
    fixed: Words


class _Records:
    """The elements of a struct array in a little-endian file, as places in its bytes.

    Args:
        array: what holds them.
        sizes: where the dimensions stand.
        names: of the fields.
        text, needed: see `alike`.
        starts: `[N + 1]` where each element begins, in words; the last one is their end.
    """

    def __init__(
        self,
        array: Undecoded,
        sizes: Data,
        names: Sequence[str],
        text: str,
        needed: Sequence[str],
        starts: IntArray,
    ) -> None:
        self._array, self._sizes, self._names, self._starts = array, sizes, names, starts
        self._text, self._needed = text, needed
        self._words = np.frombuffer(array.content, np.uint64)

    @classmethod
    def of(cls, array: Undecoded, text: str, needed: Sequence[str]) -> "_Records | None":
        """Find the elements; None where the array is of another kind."""
        content, order = array.content, array.order
        if order != "<" or len(content) % WORD_BYTES or _class_of(content, 0) != STRUCT_CLASS:
            return None
        sizes = data(content, after(content, 0, order), order)
        dimensions = struct.unpack_from(f"<{sizes.size // 4}i", content, sizes.start)
        width = data(content, after(content, sizes.next, order), order)
        packed = data(content, width.next, order)
        (length,) = struct.unpack_from("<i", content, width.start)
        raw = content[packed.start : packed.start + packed.size]
        names = [raw[i : i + length].split(b"\0")[0].decode() for i in range(0, len(raw), length)]
        if len(dimensions) != 2 or not names or min(dimensions) < 1:
            return None
        count = dimensions[0] * dimensions[1] * len(names)
        starts = _starts(np.frombuffer(content, "<u4").reshape(-1, 2), packed.next // WORD_BYTES, count)
        return cls(array, sizes, names, text, needed, starts[:: len(names)])

    def kinds(self) -> Iterator[tuple[IntArray, Texts]]:
        """Yield the places of elements that are alike, and the texts of all but the first."""
        lengths = np.diff(self._starts)
        for length in np.unique(lengths):
            places = np.flatnonzero(lengths == length)
            windows = np.lib.stride_tricks.sliding_window_view(self._words, int(length))
            elements = windows[self._starts[places]]
            for _ in range(MOST_KINDS):
                layout = self._layout(int(places[0]))
                same = _same(elements, layout) if layout else np.arange(len(places)) == 0
                yield places[same], _texts(elements[same][1:], layout) if layout else NO_TEXTS
                places, elements = places[~same], elements[~same]
                if not len(places):
                    break
            yield from ((places[index : index + 1], NO_TEXTS) for index in range(len(places)))

    def only(self, places: Sequence[int]) -> Any:
        """Decode the elements at some places, as one struct array."""
        content, starts = self._array.content, self._starts * WORD_BYTES
        head = bytearray(content[: starts[0]])
        struct.pack_into("<2i", head, self._sizes.start, 1, len(places))
        elements = b"".join(content[starts[place] : starts[place + 1]] for place in places)
        return decoded(bytes(head) + elements, self._array.header, self._array.order)

    def _layout(self, place: int) -> _Layout | None:
        """Return what may differ in elements that are like the one at a place; None for nothing."""
        begin, end = (int(start) * WORD_BYTES for start in self._starts[place : place + 2])
        element = self._array.content[begin:end]
        fixed: Bytes = np.full(len(element), 0xFF, dtype=np.uint8)
        characters, at = None, 0
        for name in self._names:
            content = data(element, at, "<")
            kind = _class_of(element, content.start) if content.size else None
            if name == self._text:
                characters = _characters(element, content.start) if kind == CHAR_CLASS else None
                if characters is None:
                    return None
                fixed[characters.start : characters.start + characters.size] = 0
            elif name not in self._needed and kind in NUMERIC_CLASSES:
                free = _content_of(element, content.start)
                fixed[free.start : free.start + free.size] = 0
            at = content.next
        if characters is None:
            return None
        place_of = slice(characters.start, characters.start + characters.size)
        return _Layout(place_of, CHARACTER_BYTES[characters.kind], fixed.view(np.uint64))


def _starts(tags: npt.NDArray[np.uint32], begin: int, count: int) -> IntArray:
    """Return `[count + 1]` where each array of a chain begins, in words, and where the last one ends.

    Args:
        tags: `[W, 2]` every word as if it were a tag: type and byte count.
        begin: where the first one begins.
        count: how many there are.

    Raises:
        ValueError: something else is in the chain.
    """
    found = np.flatnonzero(tags[begin:, 0] == MI_MATRIX) + begin
    ends = found + 1 + tags[found, 1] // WORD_BYTES
    # Where words of this type are tags of the chain alone, each begins at the end of the one before.
    if len(found) == count and found[0] == begin and np.array_equal(found[1:], ends[:-1]):
        chain = np.append(found, ends[-1])
    else:
        chain = _walked(memoryview(tags.tobytes()).cast("I"), begin, count)
    if (tags[chain[:-1], 1] % WORD_BYTES).any() or chain[-1] > len(tags):
        raise ValueError(TOO_EARLY)
    return chain


def _walked(numbers: memoryview, begin: int, count: int) -> IntArray:
    """Return the same as `_starts`, step by step: arrays may hold words that look like tags."""
    at, chain = begin, [begin]
    for _ in range(count):
        if 2 * at >= len(numbers) or numbers[2 * at] != MI_MATRIX:
            raise ValueError("no array where one should begin")
        at += 1 + numbers[2 * at + 1] // WORD_BYTES
        chain.append(at)
    return np.array(chain)


def _class_of(content: bytes, at: int) -> int:
    """Return the class of the array whose content begins at a place."""
    return int(struct.unpack_from("<I", content, at + TAG_BYTES)[0]) & CLASS_MASK


def _content_of(content: bytes, at: int) -> Data:
    """Return the data element that holds an array's numbers or characters: behind flags, dimensions, name."""
    for _ in range(3):
        at = after(content, at, "<")
    return data(content, at, "<")


def _characters(content: bytes, at: int) -> Data | None:
    """Return a text's characters; None unless they are a line of printable ASCII, 1 or 2 bytes each."""
    found, sizes = _content_of(content, at), data(content, after(content, at, "<"), "<")
    shape = struct.unpack_from(f"<{sizes.size // 4}i", content, sizes.start)
    width = CHARACTER_BYTES.get(found.kind, 0)
    if not width or not found.size or found.size % width or shape != (1, found.size // width):
        return None
    plain = np.frombuffer(content, np.uint8, found.size, found.start)
    return found if _printable(plain[None], width)[0] else None


def _same(elements: Words, layout: _Layout) -> npt.NDArray[np.bool_]:
    """Tell of each element `[K, L]` whether it is like the first one."""
    different = ((elements ^ elements[0]) & layout.fixed).any(axis=1)
    characters = elements.view(np.uint8)[:, layout.characters]
    return np.asarray(_printable(characters, layout.width) & ~different)


def _texts(elements: Words, layout: _Layout) -> Texts:
    characters = np.ascontiguousarray(elements.view(np.uint8)[:, layout.characters][:, :: layout.width])
    return characters.view(f"S{characters.shape[1]}").ravel()


def _printable(characters: Bytes, width: int) -> npt.NDArray[np.bool_]:
    """Tell of each line of characters `[K, n width]` whether all are printable ASCII."""
    above = characters[:, ::width] - FIRST_PRINTABLE  # lower ones wrap around to the end
    printable: npt.NDArray[np.bool_] = np.all(above <= LAST_PRINTABLE - FIRST_PRINTABLE, axis=1)
    if width == 1:
        return printable
    plain: npt.NDArray[np.bool_] = printable & ~np.any(characters[:, 1::width], axis=1)
    return plain
