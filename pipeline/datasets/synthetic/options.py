"""Size and difficulty of the synthetic data set."""

from typing import Annotated

from pydantic import Field, model_validator

from pipeline.basics.options import Options
from pipeline.datasets.synthetic.drawing.appearance import ATTRIBUTES

# Lists are taken for tuples, since a parameter file has no tuples; their items stay strict.
_Sequence = Field(strict=False)

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]

LARGEST_SIDE = 2048


class SyntheticOptions(Options):
    """Every knob of the synthetic data set; together with the seed they fix each byte.

    Attributes:
        seed: of everything.
        image_height: of a scene in pixels.
        image_width: likewise.
        person_height: smallest and largest, as fractions of the image's height (44 and 124 pixels of 192).
        jpeg_quality: of the stored scenes.
        train_identities: number of labelled people in `train`.
        validation_identities: in `val`; one query each.
        test_identities: in `test`; one query each.
        appearances: number of different scenes that each labelled person stands in.
        train_unlabelled: number of people in `train` whose identity is not known; each stands in one scene.
        validation_unlabelled: likewise in `val`.
        test_unlabelled: likewise in `test`.
        family_size: people in a family; any two of one family differ by exactly two attributes.
        people_per_scene: fewest and most. The number of scenes follows from it and the counts above.
        cameras: number of cameras.
        min_visible: smallest visible fraction of a person, after what hides them and the picture's border.
        clutter_visible: the fraction of anybody that distractors and mannequins leave visible; only
            people and what is put in front of somebody on purpose hide more.
        companion_fraction: how many people walk close beside the one before.
        occluder_fraction: how many people something is put in front of.
        distractors: fewest and most things that are no people but stand like them, in a scene. One that a
            full scene has no room for is left out.
        mannequin_fraction: share of the scenes with mannequins.
        gallery_sizes: of the search protocols beside `full`; one above a split's other scenes is left out.
        default_gallery: the size that results quote; where a split is too small, its largest is taken.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    image_height: Annotated[int, Field(ge=48, le=LARGEST_SIDE)] = 192
    image_width: Annotated[int, Field(ge=48, le=LARGEST_SIDE)] = 288
    person_height: Annotated[
        tuple[Annotated[float, Field(ge=0.1)], Annotated[float, Field(le=0.8)]], _Sequence
    ] = (0.23, 0.645)
    jpeg_quality: Annotated[int, Field(ge=1, le=95)] = 90
    train_identities: Annotated[int, Field(ge=1)] = 240
    validation_identities: Annotated[int, Field(ge=1)] = 100
    test_identities: Annotated[int, Field(ge=1)] = 300
    appearances: Annotated[int, Field(ge=2)] = 4
    train_unlabelled: Count = 200
    validation_unlabelled: Count = 125
    test_unlabelled: Count = 375
    family_size: Annotated[int, Field(ge=1, le=len(ATTRIBUTES))] = 4
    people_per_scene: Annotated[
        tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(le=12)]], _Sequence
    ] = (3, 6)
    cameras: Annotated[int, Field(ge=1)] = 6
    min_visible: Annotated[float, Field(ge=0.05, le=0.95)] = 0.35
    clutter_visible: Fraction = 0.75
    companion_fraction: Fraction = 0.3
    occluder_fraction: Fraction = 0.2
    distractors: Annotated[tuple[Count, Annotated[int, Field(le=20)]], _Sequence] = (3, 7)
    mannequin_fraction: Fraction = 0.5
    gallery_sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], _Sequence] = (25, 50, 100, 200)
    default_gallery: int = 100

    @model_validator(mode="after")
    def _check(self) -> "SyntheticOptions":
        for name in ("person_height", "people_per_scene", "distractors"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the first number, {low}, is larger than the second, {high}")
        for size in self.gallery_sizes:
            if size < self.appearances - 1:
                raise ValueError(
                    f"gallery_sizes: {size} scenes cannot hold {self.appearances - 1} other appearances"
                )
        if self.default_gallery not in self.gallery_sizes:
            raise ValueError(f"default_gallery: {self.default_gallery} is not among gallery_sizes")
        return self
