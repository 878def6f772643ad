"""What drawn people look like: twelve attributes, the same in every scene; and families of similar people.

The members of a family have the attributes of one base person, except one attribute each, a different one for
each member. Any two members differ by exactly two attributes: telling them apart takes more than "red top".
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.basics.errors import UserError

BASE_DISTANCE = 5
"""Fewest attributes by which the base persons of two families differ; their members differ by 3 or more."""

BASE_ATTEMPTS = 50
"""Rejected draws, for each base person wanted, before giving up: persons too similar to an earlier one."""


@dataclass(frozen=True)
class Appearance:
    """The attributes of one person, all visible; each value is a word of `VOCABULARY`."""

    skin: str
    build: str
    hair: str
    hair_colour: str
    headwear: str
    top: str
    top_colour: str
    pattern: str
    bottom: str
    bottom_colour: str
    shoes: str
    bag: str


_EVEN = 1.0

TOP_COLOURS = (
    "black",
    "white",
    "grey",
    "navy",
    "blue",
    "red",
    "burgundy",
    "green",
    "olive",
    "yellow",
    "orange",
    "pink",
    "purple",
    "beige",
    "teal",
)

VOCABULARY: Mapping[str, Mapping[str, float]] = {
    "skin": dict.fromkeys(("fair", "tan", "brown", "dark"), _EVEN),
    "build": {"slim": 1.0, "average": 1.5, "heavy": 1.0},
    "hair": dict.fromkeys(("short", "bob", "long", "ponytail", "curly"), _EVEN),
    "hair_colour": {"black": 2.0, "brown": 2.0, "blond": 1.5, "ginger": 1.0, "grey": 1.0},
    "headwear": {
        "none": 9.0,
        "red cap": 1.0,
        "black cap": 1.0,
        "white cap": 1.0,
        "grey beanie": 1.0,
        "yellow beanie": 1.0,
        "beige hat": 1.0,
    },
    "top": {"tee": 2.0, "sweater": 2.0, "jacket": 2.0, "coat": 1.5, "hoodie": 1.5, "vest": 1.0},
    "top_colour": dict.fromkeys(TOP_COLOURS, _EVEN),
    "pattern": {
        "plain": 5.0,
        "hoops": 1.0,
        "pinstripe": 1.0,
        "check": 1.0,
        "dots": 1.0,
        "block": 1.0,
        "print": 1.0,
        "band": 1.0,
        "sleeves": 1.0,
    },
    "bottom": {"trousers": 3.0, "wide trousers": 1.5, "shorts": 1.5, "skirt": 1.5, "long skirt": 1.0},
    "bottom_colour": dict.fromkeys(
        ("black", "denim", "light denim", "grey", "beige", "olive", "brown", "white", "burgundy"), _EVEN
    ),
    "shoes": dict.fromkeys(("black", "white", "red", "tan"), _EVEN),
    "bag": {
        "none": 5.0,
        "black backpack": 1.0,
        "red backpack": 1.0,
        "blue backpack": 1.0,
        "brown satchel": 1.0,
        "yellow satchel": 1.0,
        "white tote": 1.0,
        "black tote": 1.0,
    },
}
"""The words of each attribute, and how often each word is drawn relative to the attribute's other words."""

ATTRIBUTES = tuple(field.name for field in fields(Appearance))


def differing_attributes(first: Appearance, second: Appearance) -> tuple[str, ...]:
    """Return the names of the attributes in which two people differ."""
    return tuple(name for name in ATTRIBUTES if getattr(first, name) != getattr(second, name))


def _draw_word(generator: np.random.Generator, attribute: str, without: str = "") -> str:
    words = {word: weight for word, weight in VOCABULARY[attribute].items() if word != without}
    left = float(generator.random()) * sum(words.values())
    for word, weight in words.items():
        left -= weight
        if left < 0:
            return word
    return word


def draw_appearance(generator: np.random.Generator) -> Appearance:
    """Draw a person at random."""
    return Appearance(**{name: _draw_word(generator, name) for name in ATTRIBUTES})


def draw_family(generator: np.random.Generator, base: Appearance, size: int) -> list[Appearance]:
    """Draw a family: any two of its members differ by exactly two attributes.

    Args:
        generator: source of the random choices.
        base: the person that all members resemble; not a member itself.
        size: number of members, at most the number of attributes.
    """
    changed = generator.choice(len(ATTRIBUTES), size=size, replace=False)
    members = []
    for attribute in (ATTRIBUTES[int(index)] for index in changed):
        word = _draw_word(generator, attribute, without=getattr(base, attribute))
        members.append(replace(base, **{attribute: word}))
    return members


def draw_bases(generator: np.random.Generator, count: int) -> list[Appearance]:
    """Draw `count` people; any two differ by at least `BASE_DISTANCE` attributes.

    Raises:
        UserError: that many people cannot be found.
    """
    numbers = {name: {word: index for index, word in enumerate(words)} for name, words in VOCABULARY.items()}
    codes = np.full((count, len(ATTRIBUTES)), -1, dtype=np.int16)
    people: list[Appearance] = []
    failures = 0
    while len(people) < count:
        person = draw_appearance(generator)
        code = np.array([numbers[name][getattr(person, name)] for name in ATTRIBUTES], dtype=np.int16)
        if people and int((codes[: len(people)] != code).sum(axis=1).min()) < BASE_DISTANCE:
            failures += 1
            if failures > BASE_ATTEMPTS * count:
                raise UserError(
                    f"the synthetic data set cannot tell {count} families apart: ask for fewer identities"
                )
            continue
        codes[len(people)] = code
        people.append(person)
    return people
