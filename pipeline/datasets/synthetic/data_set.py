"""The synthetic data set: drawn streets with people, so that the whole pipeline runs without a download.

The options determine everything. A scene's picture depends on the options, the split and the index alone, so
pictures can be drawn in any order and in any process.
"""

from collections.abc import Mapping
from functools import cached_property, partial
from itertools import accumulate

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.processes import in_processes
from pipeline.datasets.sampled_galleries import FULL, sample_galleries, scenes_of
from pipeline.datasets.synthetic.casting import UNKNOWN, cast_scenes
from pipeline.datasets.synthetic.drawing.appearance import Appearance, draw_bases, draw_family
from pipeline.datasets.synthetic.drawing.camera import View, encode, view_of
from pipeline.datasets.synthetic.drawing.plan import Crowding, ScenePlan, plan_scene
from pipeline.datasets.synthetic.drawing.scene_painter import draw_scene
from pipeline.datasets.synthetic.options import SyntheticOptions
from pipeline.scenes.scene import UNLABELLED, Query, Scene, Split

__all__ = ["SPLITS", "Synthetic", "SyntheticOptions"]

SPLITS = ("train", "val", "test")

_PEOPLE, _CASTING, _PLAN, _PICTURE, _SEARCH = range(5)
"""The purposes of random streams; streams of different purposes are independent."""


class Synthetic:
    """The synthetic data set, as `pipeline.datasets.dataset.DataSet` asks for."""

    name = "synthetic"

    def __init__(self, options: SyntheticOptions) -> None:
        """Prepare the data set; nothing is drawn yet."""
        self._options = options
        self._plans: dict[tuple[str, int], ScenePlan] = {}
        self._views = [
            view_of(number, options.image_width, options.image_height, options.person_height)
            for number in range(options.cameras)
        ]

    def splits(self) -> Mapping[str, Split]:
        """Return `train`, `val` and `test`. Raises `UserError` where options contradict each other."""
        return self._splits

    def image_bytes(self, split: str, index: int) -> bytes:
        """Return the encoded JPEG of one scene. Raises `UserError` where the scene does not exist."""
        plan = self._plan(split, index)
        camera = self._camera(split, index)
        picture = draw_scene(plan, camera, self._views[camera], self._generator(_PICTURE, split, index))
        return encode(picture, self._options.jpeg_quality)

    def appearances(self, split: str) -> tuple[Appearance, ...]:
        """Return the appearances of a split's labelled people, in the order of their ids."""
        return self._people[split][0]

    def _generator(self, purpose: int, split: str = "", index: int = 0) -> np.random.Generator:
        number = SPLITS.index(split) if split else len(SPLITS)
        return np.random.default_rng([self._options.seed, purpose, number, index])

    @cached_property
    def _counts(self) -> dict[str, tuple[int, int]]:
        """Number of labelled and unlabelled people by split."""
        options = self._options
        return {
            "train": (options.train_identities, options.train_unlabelled),
            "val": (options.validation_identities, options.validation_unlabelled),
            "test": (options.test_identities, options.test_unlabelled),
        }

    @cached_property
    def _people(self) -> dict[str, tuple[tuple[Appearance, ...], tuple[Appearance, ...]]]:
        """Labelled and unlabelled people by split. A family is in one split; its members are labelled."""
        generator = self._generator(_PEOPLE)
        size = self._options.family_size
        families = {split: -(-labelled // size) for split, (labelled, _) in self._counts.items()}
        wanted = sum(families.values()) + sum(unlabelled for _, unlabelled in self._counts.values())
        bases = iter(draw_bases(generator, wanted))
        people = {}
        for split, (labelled, unlabelled) in self._counts.items():
            members = [
                member for _ in range(families[split]) for member in draw_family(generator, next(bases), size)
            ]
            others = [next(bases) for _ in range(unlabelled)]
            people[split] = tuple(members[:labelled]), tuple(others)
        return people

    @cached_property
    def _casts(self) -> dict[str, list[list[int]]]:
        """Who stands in each scene, by split."""
        options = self._options
        return {
            split: cast_scenes(
                self._generator(_CASTING, split),
                labelled,
                options.appearances,
                unlabelled,
                options.people_per_scene,
            )
            for split, (labelled, unlabelled) in self._counts.items()
        }

    @cached_property
    def _first_stranger(self) -> dict[str, list[int]]:
        """By split, for each scene, the number of unlabelled people in all scenes before it."""
        return {
            split: list(accumulate((cast.count(UNKNOWN) for cast in scenes), initial=0))
            for split, scenes in self._casts.items()
        }

    def _cast(self, split: str, index: int) -> list[int]:
        if split not in self._casts:
            raise UserError(
                f"the synthetic data set has no split {split!r}: choose one of {', '.join(SPLITS)}"
            )
        scenes = self._casts[split]
        if not 0 <= index < len(scenes):
            raise UserError(
                f"the synthetic data set's split {split!r} has scenes 0 to {len(scenes) - 1}, not {index}"
            )
        return scenes[index]

    def _camera(self, split: str, index: int) -> int:
        """Return the camera of a scene: each block of scenes has every camera once, in random order."""
        block, place = divmod(index, self._options.cameras)
        order = self._generator(_CASTING, split, 1 + block).permutation(self._options.cameras)
        return int(order[place])

    def _plan(self, split: str, index: int) -> ScenePlan:
        if (split, index) not in self._plans:
            cast = self._cast(split, index)
            labelled, unlabelled = self._people[split]
            strangers = iter(unlabelled[self._first_stranger[split][index] :])
            people = [next(strangers) if person == UNKNOWN else labelled[person] for person in cast]
            options = self._options
            crowding = Crowding(
                options.min_visible,
                options.clutter_visible,
                options.companion_fraction,
                options.occluder_fraction,
                options.distractors,
                options.mannequin_fraction,
            )
            view: View = self._views[self._camera(split, index)]
            self._plans[split, index] = plan_scene(
                people, view, crowding, self._generator(_PLAN, split, index)
            )
        return self._plans[split, index]

    @cached_property
    def _splits(self) -> dict[str, Split]:
        return {split: self._build(split) for split in SPLITS}

    def _build(self, split: str) -> Split:
        scenes = []
        casts = self._casts[split]
        plans = in_processes(partial(self._plan, split), range(len(casts)))
        for index, (cast, plan) in enumerate(zip(casts, plans, strict=True)):
            self._plans[split, index] = plan
            boxes = np.stack([actor.box for actor in plan.people])
            ids = np.array([UNLABELLED if person == UNKNOWN else person for person in cast], dtype=np.int64)
            scenes.append(Scene(f"{split}_{index:06d}.jpg", boxes, ids, self._camera(split, index)))
        identities = tuple(f"{split}-{person:04d}" for person in range(self._counts[split][0]))
        if split == "train":
            return Split(split, tuple(scenes), identities)
        generator = self._generator(_SEARCH, split)
        where = scenes_of(scenes)
        queries = tuple(
            _draw_query(scenes, person, where[person], generator) for person in range(len(identities))
        )
        galleries = sample_galleries(scenes, queries, self._options.gallery_sizes, generator)
        quoted = [size for size in galleries if size != FULL and int(size) <= self._options.default_gallery]
        return Split(split, tuple(scenes), identities, queries, galleries, quoted[-1] if quoted else FULL)


def _draw_query(scenes: list[Scene], person: int, holds: list[int], generator: np.random.Generator) -> Query:
    """Choose the query of a person: their box in one of the scenes `holds`, which show them."""
    chosen = holds[int(generator.integers(len(holds)))]
    box = scenes[chosen].boxes[scenes[chosen].person_ids == person][0]
    return Query(chosen, box, person)
