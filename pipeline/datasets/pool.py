"""The scenes of a data set that brings no split, before they are divided into `train`, `val` and `test`."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.scenes.scene import UNLABELLED, IntArray, Scene

DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Pool:
    """All scenes of a data set.

    Attributes:
        scenes: `[S]` in natural order of their names, each name once.
        identities: `[I]` the data set's own ids in natural order; `person_ids` of the scenes are indices of
            these.
        sequences: `[S]` which scenes belong together: the scenes of a sequence show the same place one after
            the other, in the order of their names.
    """

    scenes: tuple[Scene, ...]
    identities: tuple[str, ...]
    sequences: tuple[str, ...]


def make_pool(
    scenes: Sequence[Scene], people: Sequence[Sequence[str | None]], sequences: Sequence[str]
) -> Pool:
    """Return scenes as a pool, the same for any order that they are given in.

    Args:
        scenes: `[S]`; their person ids are not looked at.
        people: `[S]` for each scene, the own id of the person in each box; None where it is not known.
        sequences: `[S]` the sequence of each scene.
    """
    identities = sorted({person for held in people for person in held if person is not None}, key=natural)
    numbers: dict[str | None, int] = {person: index for index, person in enumerate(identities)}
    order = sorted(range(len(scenes)), key=lambda index: natural(scenes[index].name))
    return Pool(
        tuple(replace(scenes[index], person_ids=_ids(people[index], numbers)) for index in order),
        tuple(identities),
        tuple(sequences[index] for index in order),
    )


def natural(text: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """Return a key that sorts texts as people do: `a2` stands before `a10`."""
    # Split at its digits, a text is text, digits, text, ... Of two numbers, the longer is the larger.
    parts = [part.lstrip("0") if index % 2 else part for index, part in enumerate(DIGITS.split(text))]
    return tuple((len(part) if index % 2 else 0, part) for index, part in enumerate(parts)), text


def generator_of(seed: int, *words: str) -> np.random.Generator:
    """Return a random generator that depends on a seed and some words alone."""
    digest = hashlib.sha256("\0".join([str(seed), *words]).encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _ids(held: Sequence[str | None], numbers: Mapping[str | None, int]) -> IntArray:
    return np.array([numbers.get(person, UNLABELLED) for person in held], dtype=np.int64)
