"""Where everybody and everything stands in one scene, such that everybody can be seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.data.drawing.appearance import Appearance, draw_appearance
from pipeline.data.drawing.camera import View
from pipeline.data.drawing.figure import Stand, mannequin_parts, person_parts
from pipeline.data.drawing.palette import MANNEQUIN_COLOURS, Colour
from pipeline.data.drawing.pose import Pose, draw_mannequin_pose, draw_pose
from pipeline.data.drawing.props import DISTRACTORS, OCCLUDERS, PROPS
from pipeline.data.drawing.shapes import Part, bounds
from pipeline.data.drawing.stage import Stage
from pipeline.errors import UserError

FloatArray = npt.NDArray[np.float64]

PLACE_ATTEMPTS, SCENE_ATTEMPTS = 25, 40
"""How many places are tried for one person, and how many times a scene is begun anew."""

PROP_ATTEMPTS = 6
MOST_MANNEQUINS = 2
SMALL_BIAS = 1.25
"""Above 1, more people are far away than near."""


@dataclass(frozen=True)
class Crowding:
    """How full and how hard scenes are; see `SyntheticOptions` for the meanings."""

    min_visible: float
    companion_fraction: float
    occluder_fraction: float
    distractors: tuple[int, int]
    mannequin_fraction: float


@dataclass(frozen=True)
class Actor:
    """A person, or with a `colour` a mannequin, in their place.

    Attributes:
        appearance: what they look like.
        pose: how they stand.
        stand: where.
        box: `[4]` pixels, around the whole figure, clipped to the picture.
        colour: of a mannequin; None for a person.
    """

    appearance: Appearance
    pose: Pose
    stand: Stand
    box: FloatArray
    colour: Colour | None = None

    def parts(self) -> list[Part]:
        """Return what is drawn of them."""
        if self.colour is None:
            return person_parts(self.appearance, self.pose, self.stand)
        return mannequin_parts(self.appearance, self.colour, self.pose, self.stand)


@dataclass(frozen=True)
class Item:
    """A thing in its place.

    Attributes:
        kind: a name in `PROPS`.
        x: of its foot, pixels.
        y: likewise.
        metre: in pixels at that place.
        seed: what it looks like in detail.
    """

    kind: str
    x: float
    y: float
    metre: float
    seed: int

    def parts(self) -> list[Part]:
        """Return what is drawn of it."""
        return PROPS[self.kind](np.random.default_rng(self.seed), self.x, self.y, self.metre)


@dataclass(frozen=True)
class ScenePlan:
    """All that stands in a scene.

    Attributes:
        people: in the order in which they were asked for.
        mannequins: any number.
        items: things.
    """

    people: tuple[Actor, ...]
    mannequins: tuple[Actor, ...]
    items: tuple[Item, ...]


def plan_scene(
    people: Sequence[Appearance], view: View, crowding: Crowding, generator: np.random.Generator
) -> ScenePlan:
    """Find a place for everybody and for the things around them.

    Args:
        people: who is in the scene.
        view: of the camera.
        crowding: how full the scene is.
        generator: the scene's.

    Raises:
        UserError: the people cannot be placed such that each is visible enough.
    """
    for _ in range(SCENE_ATTEMPTS):
        stage = Stage(view.width, view.height, crowding.min_visible)
        actors = _place_people(stage, people, view, crowding, generator)
        if actors is not None:
            mannequins = _place_mannequins(stage, view, crowding, generator)
            items = _place_items(stage, actors, view, crowding, generator)
            return ScenePlan(tuple(actors), tuple(mannequins), tuple(items))
    raise UserError(
        f"the synthetic data set cannot place {len(people)} people in a scene of {view.width} x {view.height} pixels "
        f"with {crowding.min_visible:.2f} of each visible: ask for fewer people a scene or a smaller min_visible"
    )


def _clipped_box(parts: Sequence[Part], view: View) -> FloatArray:
    limits = np.array([view.width, view.height, view.width, view.height], dtype=np.float64)
    return np.clip(bounds(parts), 0.0, limits)


def _draw_place(view: View, generator: np.random.Generator) -> tuple[float, float]:
    """Return x and y of a random place on the ground."""
    nearness = generator.random() ** SMALL_BIAS
    ground = view.farthest + nearness * (view.nearest - view.farthest)
    return float(generator.uniform(0.01, 0.99) * view.width), float(ground)


def _place_people(
    stage: Stage, people: Sequence[Appearance], view: View, crowding: Crowding, generator: np.random.Generator
) -> list[Actor] | None:
    actors: list[Actor] = []
    for appearance in people:
        for _ in range(PLACE_ATTEMPTS):
            pose = draw_pose(generator)
            x, ground = _draw_place(view, generator)
            if actors and generator.random() < crowding.companion_fraction:
                friend = actors[-1]
                apart = (
                    generator.uniform(0.22, 0.5) * friend.stand.height * float(generator.choice([-1.0, 1.0]))
                )
                x = friend.stand.x + apart
                ground = friend.stand.y + generator.normal(0.0, 0.02) * view.height
                ground = float(np.clip(ground, view.farthest, view.nearest))
                pose = replace(pose, yaw=friend.pose.yaw + float(generator.normal(0.0, 0.5)))
            stand = Stand(x, ground, view.person_height(ground), view.tilt)
            parts = person_parts(appearance, pose, stand)
            if stage.add(parts, ground, is_person=True):
                actors.append(Actor(appearance, pose, stand, _clipped_box(parts, view)))
                break
        else:
            return None
    return actors


def _place_mannequins(
    stage: Stage, view: View, crowding: Crowding, generator: np.random.Generator
) -> list[Actor]:
    mannequins: list[Actor] = []
    if generator.random() >= crowding.mannequin_fraction:
        return mannequins
    for _ in range(int(generator.integers(1, MOST_MANNEQUINS, endpoint=True))):
        appearance = draw_appearance(generator)
        colour = MANNEQUIN_COLOURS[int(generator.integers(len(MANNEQUIN_COLOURS)))]
        pose = draw_mannequin_pose(generator)
        for _ in range(PROP_ATTEMPTS):
            x, ground = _draw_place(view, generator)
            stand = Stand(x, ground, view.person_height(ground), view.tilt)
            parts = mannequin_parts(appearance, colour, pose, stand)
            if stage.add(parts, ground, is_person=False):
                mannequins.append(Actor(appearance, pose, stand, _clipped_box(parts, view), colour))
                break
    return mannequins


def _place_items(
    stage: Stage, actors: Sequence[Actor], view: View, crowding: Crowding, generator: np.random.Generator
) -> list[Item]:
    items = []

    def place(kind: str, x: float, ground: float) -> bool:
        item = Item(kind, x, ground, view.metre(ground), int(generator.integers(2**31)))
        if stage.add(item.parts(), ground, is_person=False):
            items.append(item)
            return True
        return False

    occluders, distractors = tuple(OCCLUDERS), tuple(DISTRACTORS)
    for actor in actors:
        if generator.random() < crowding.occluder_fraction:
            kind = occluders[int(generator.integers(len(occluders)))]
            for _ in range(PROP_ATTEMPTS):
                x = actor.stand.x + generator.normal(0.0, 0.16) * actor.stand.height
                ahead = actor.stand.y + generator.uniform(0.02, 0.1) * view.height
                if place(kind, float(x), float(ahead)):
                    break
    for _ in range(int(generator.integers(*crowding.distractors, endpoint=True))):
        kind = distractors[int(generator.integers(len(distractors)))]
        for _ in range(PROP_ATTEMPTS):
            if place(kind, *_draw_place(view, generator)):
                break
    return items
