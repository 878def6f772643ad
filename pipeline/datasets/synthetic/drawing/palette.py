"""The colours in which the words of an appearance are drawn."""

from dataclasses import dataclass

from pipeline.datasets.synthetic.drawing.appearance import Appearance

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "black": (34, 34, 38),
    "white": (232, 231, 226),
    "grey": (132, 134, 138),
    "navy": (36, 48, 92),
    "blue": (52, 108, 196),
    "red": (196, 44, 42),
    "burgundy": (108, 28, 48),
    "green": (46, 132, 72),
    "olive": (104, 104, 56),
    "yellow": (226, 190, 52),
    "orange": (222, 116, 36),
    "pink": (226, 140, 168),
    "purple": (112, 64, 146),
    "beige": (204, 182, 146),
    "teal": (30, 132, 138),
    "brown": (98, 66, 44),
    "tan": (172, 122, 72),
    "denim": (50, 66, 108),
    "light denim": (124, 150, 190),
}

SKIN: dict[str, Colour] = {
    "fair": (236, 196, 172),
    "tan": (212, 164, 124),
    "brown": (158, 108, 76),
    "dark": (96, 64, 48),
}

HAIR: dict[str, Colour] = {
    "black": (30, 26, 26),
    "brown": (86, 58, 38),
    "blond": (208, 172, 100),
    "ginger": (164, 82, 36),
    "grey": (164, 162, 160),
}

MANNEQUIN_COLOURS: tuple[Colour, ...] = (
    (224, 214, 198),
    (236, 236, 234),
    (196, 174, 150),
    (150, 152, 156),
    (62, 62, 66),
)

LIGHT_COLOUR_SUM = 400
"""From this R + G + B on, a cloth counts as light and gets a dark pattern."""


@dataclass(frozen=True)
class Palette:
    """The colours of a person or mannequin, by body part and garment."""

    skin: Colour
    hair: Colour
    headwear: Colour
    top: Colour
    sleeve: Colour
    inner: Colour
    contrast: Colour
    bottom: Colour
    shoes: Colour
    bag: Colour
    face: bool = True


def shaded(colour: Colour, factor: float) -> Colour:
    """Return a colour darkened (factor below 1) or lightened (above 1), with values up to 255."""
    red, green, blue = colour
    return (
        min(255, int(red * factor + 0.5)),
        min(255, int(green * factor + 0.5)),
        min(255, int(blue * factor + 0.5)),
    )


def kind_and_colour(words: str) -> tuple[str, str]:
    """Split `"red cap"` into `("cap", "red")`; `"none"` has no colour."""
    colour, _, kind = words.rpartition(" ")
    return kind, colour


def _contrast(top_colour: str) -> Colour:
    top = COLOURS[top_colour]
    if top_colour in ("grey", "beige", "pink"):
        return COLOURS["burgundy"]
    return COLOURS["navy"] if sum(top) >= LIGHT_COLOUR_SUM else COLOURS["white"]


def palette_of(appearance: Appearance) -> Palette:
    """Return the colours of a person."""
    top = COLOURS[appearance.top_colour]
    contrast = _contrast(appearance.top_colour)
    return Palette(
        skin=SKIN[appearance.skin],
        hair=HAIR[appearance.hair_colour],
        headwear=COLOURS.get(kind_and_colour(appearance.headwear)[1], COLOURS["black"]),
        top=top,
        sleeve=contrast if appearance.pattern == "sleeves" else top,
        inner=COLOURS["white"] if sum(top) < LIGHT_COLOUR_SUM else COLOURS["black"],
        contrast=contrast,
        bottom=COLOURS[appearance.bottom_colour],
        shoes=COLOURS[appearance.shoes],
        bag=COLOURS.get(kind_and_colour(appearance.bag)[1], COLOURS["black"]),
    )


def mannequin_palette(colour: Colour) -> Palette:
    """Return the colours of a mannequin: one colour for everything, and no face."""
    return Palette(
        skin=colour,
        hair=colour,
        headwear=colour,
        top=colour,
        sleeve=colour,
        inner=colour,
        contrast=colour,
        bottom=colour,
        shoes=colour,
        bag=colour,
        face=False,
    )
