"""Size and difficulty of the synthetic data set."""

from typing import Annotated

from pydantic import Field, model_validator

from pipeline.basics.options import Options
from pipeline.datasets.synthetic.drawing.appearance import ATTRIBUTES

# A parameter file has no tuples: lists are accepted for them, with strict types of their items.
_Sequence = Field(strict=False)

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]

LARGEST_SIDE = 2048


class SyntheticOptions(Options):
    """All options of the synthetic data set; they fix every byte of it.

    Attributes:
        seed: seed of all random choices.
        image_height: height of a scene in pixels.
        image_width: width of a scene in pixels.
        person_height: smallest and largest height of a person, as fractions of the image's height (by default
            44 and 124 pixels of 192).
        jpeg_quality: JPEG quality of the scenes.
        train_identities: number of labelled people in `train`.
        validation_identities: number of labelled people in `val`, with one query each.
        test_identities: number of labelled people in `test`, with one query each.
        appearances: number of different scenes that each labelled person stands in.
        train_unlabelled: number of unlabelled people in `train`; each stands in one scene.
        validation_unlabelled: number of unlabelled people in `val`; each stands in one scene.
        test_unlabelled: number of unlabelled people in `test`; each stands in one scene.
        family_size: people in a family; any two people of a family differ by exactly two attributes.
        people_per_scene: fewest and most people in a scene. The number of scenes follows from this and the
            counts above.
        cameras: number of cameras.
        min_visible: smallest fraction of each person that is inside the picture and not hidden.
        clutter_visible: smallest fraction of each person that distractors and mannequins leave visible. Other
            people, and the things of `occluder_fraction`, may hide more.
        companion_fraction: fraction of people who are placed close beside the person placed before.
        occluder_fraction: fraction of people who get a thing in front of them.
        distractors: fewest and most upright things of about a person's size in a scene. Those that find no
            room are left out.
        mannequin_fraction: fraction of scenes with mannequins.
        gallery_sizes: sizes of the search protocols besides `full`. A size above the number of a split's
            other scenes is left out.
        default_gallery: the size that the results table shows; a split that is too small shows its largest.
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
