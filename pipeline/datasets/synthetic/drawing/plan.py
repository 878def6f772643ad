"""Planning a scene: where people and things stand, so that every person is visible enough."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.datasets.synthetic.drawing.appearance import Appearance, draw_appearance
from pipeline.datasets.synthetic.drawing.body import Stand, mannequin_parts, person_parts
from pipeline.datasets.synthetic.drawing.camera import View
from pipeline.datasets.synthetic.drawing.palette import MANNEQUIN_COLOURS
from pipeline.datasets.synthetic.drawing.pose import draw_mannequin_pose, draw_pose
from pipeline.datasets.synthetic.drawing.shapes import Part, bounds
from pipeline.datasets.synthetic.drawing.stage import Stage
from pipeline.datasets.synthetic.drawing.things import DISTRACTORS, OCCLUDERS, THINGS

FloatArray = npt.NDArray[np.float64]

PLACE_ATTEMPTS, SCENE_ATTEMPTS = 25, 40
"""How many places are tried for one person, and how many times a scene is planned from the start."""

PROP_ATTEMPTS = 6
MOST_MANNEQUINS = 2
SMALL_BIAS = 1.25
"""Above 1, more people stand far away than near."""


@dataclass(frozen=True)
class Crowding:
    """How full and how difficult scenes are; `SyntheticOptions` explains the fields."""

    min_visible: float
    clutter_visible: float
    companion_fraction: float
    occluder_fraction: float
    distractors: tuple[int, int]
    mannequin_fraction: float


@dataclass(frozen=True)
class Actor:
    """A person in a scene.

    Attributes:
        stand: place and size.
        yaw: the direction that the person faces, radians.
        parts: the parts to draw.
        box: `[4]` pixels, around the whole person, clipped to the picture.
    """

    stand: Stand
    yaw: float
    parts: list[Part]
    box: FloatArray


@dataclass(frozen=True)
class Prop:
    """A thing or a mannequin in a scene.

    Attributes:
        ground: y of the ground below it, pixels.
        parts: the parts to draw.
    """

    ground: float
    parts: list[Part]


@dataclass(frozen=True)
class ScenePlan:
    """Everything that stands in a scene.

    Attributes:
        people: in the order of the appearances that `plan_scene` got.
        props: mannequins and things.
    """

    people: tuple[Actor, ...]
    props: tuple[Prop, ...]


def plan_scene(
    people: Sequence[Appearance], view: View, crowding: Crowding, generator: np.random.Generator
) -> ScenePlan:
    """Find places for all people, and for the things around them.

    Args:
        people: the appearances of the people.
        view: the camera's view.
        crowding: how full the scene is.
        generator: the scene's generator.

    Raises:
        UserError: no places were found at which each person is visible enough.
    """
    for _ in range(SCENE_ATTEMPTS):
        stage = Stage(view.width, view.height)
        actors = _place_people(stage, people, view, crowding, generator)
        if actors is not None:
            props = _place_mannequins(stage, view, crowding, generator)
            props += _place_things(stage, actors, view, crowding, generator)
            return ScenePlan(tuple(actors), tuple(props))
    raise UserError(
        f"the synthetic data set cannot place {len(people)} people in a scene of {view.width} x "
        f"{view.height} pixels with {crowding.min_visible:.2f} of each visible: ask for fewer people a scene "
        "or a smaller min_visible"
    )


def _clipped_box(parts: Sequence[Part], view: View) -> FloatArray:
    limits = np.array([view.width, view.height, view.width, view.height], dtype=np.float64)
    return np.clip(bounds(parts), 0.0, limits)


def _draw_place(view: View, generator: np.random.Generator) -> tuple[float, float]:
    """Return x and y of a random place on the ground, in pixels."""
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
                pose = replace(pose, yaw=friend.yaw + float(generator.normal(0.0, 0.5)))
            stand = Stand(x, ground, view.person_height(ground), view.tilt)
            parts = person_parts(appearance, pose, stand)
            if stage.add(parts, ground, crowding.min_visible, is_person=True):
                actors.append(Actor(stand, pose.yaw, parts, _clipped_box(parts, view)))
                break
        else:
            return None
    return actors


def _place_mannequins(
    stage: Stage, view: View, crowding: Crowding, generator: np.random.Generator
) -> list[Prop]:
    mannequins: list[Prop] = []
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
            if stage.add(parts, ground, crowding.clutter_visible, is_person=False):
                mannequins.append(Prop(ground, parts))
                break
    return mannequins


def _place_things(
    stage: Stage, actors: Sequence[Actor], view: View, crowding: Crowding, generator: np.random.Generator
) -> list[Prop]:
    """Put things in front of some people, then distractors anywhere."""
    things: list[Prop] = []

    def place(kind: str, x: float, ground: float, min_visible: float) -> bool:
        parts = THINGS[kind](generator, x, ground, view.metre(ground))
        if not stage.add(parts, ground, min_visible, is_person=False):
            return False
        things.append(Prop(ground, parts))
        return True

    occluders, distractors = tuple(OCCLUDERS), tuple(DISTRACTORS)
    for actor in actors:
        if generator.random() < crowding.occluder_fraction:
            kind = occluders[int(generator.integers(len(occluders)))]
            for _ in range(PROP_ATTEMPTS):
                x = actor.stand.x + generator.normal(0.0, 0.16) * actor.stand.height
                ahead = actor.stand.y + generator.uniform(0.02, 0.1) * view.height
                if place(kind, float(x), float(ahead), crowding.min_visible):
                    break
    for _ in range(int(generator.integers(*crowding.distractors, endpoint=True))):
        kind = distractors[int(generator.integers(len(distractors)))]
        for _ in range(PROP_ATTEMPTS):
            if place(kind, *_draw_place(view, generator), crowding.clutter_visible):
                break
    return things
