"""Who stands in which scene: each labelled person stands in the wanted number of different scenes."""

import numpy as np

from pipeline.basics.errors import UserError

UNKNOWN = -1
"""Stands for an unlabelled person in a scene's list."""


def cast_scenes(
    generator: np.random.Generator,
    identities: int,
    appearances: int,
    unlabelled: int,
    people_per_scene: tuple[int, int],
) -> list[list[int]]:
    """Distribute people over scenes.

    Args:
        generator: source of the random choices.
        identities: number of labelled people.
        appearances: number of different scenes for each of them.
        unlabelled: number of unlabelled people, one scene each.
        people_per_scene: fewest and most people in a scene.

    Returns:
        For each scene the numbers of its labelled people, `0 .. identities - 1`, and `UNKNOWN` for others.

    Raises:
        UserError: no scenes fit these counts.
    """
    sizes = _draw_sizes(generator, identities * appearances + unlabelled, people_per_scene)
    # Unlabelled people at random first, for scenes that differ more; spread evenly where that finds no way.
    for even in (False, True):
        places = _leave_places(generator, sizes, unlabelled, identities, even)
        scenes = _fill(generator, places, identities, appearances)
        if scenes is not None:
            for scene, size in zip(scenes, sizes, strict=True):
                scene.extend([UNKNOWN] * (size - len(scene)))
                generator.shuffle(scene)
            return scenes
    raise UserError(
        f"the synthetic data set cannot put {identities} people into {appearances} different scenes "
        f"each, of {people_per_scene[0]} to {people_per_scene[1]} people, with {unlabelled} unlabelled: "
        "ask for more identities, more unlabelled people or fewer people a scene"
    )


def _draw_sizes(generator: np.random.Generator, people: int, limits: tuple[int, int]) -> list[int]:
    """Return the number of people of each scene; the number of scenes follows from the mean of the limits."""
    fewest, most = limits
    count = max(-(-people // most), round(2 * people / (fewest + most)))
    if count < 1 or count * fewest > people:
        raise UserError(
            f"the synthetic data set cannot fill scenes of {fewest} to {most} people with {people} people"
        )
    sizes = generator.integers(fewest, most, size=count, endpoint=True)
    while (missing := people - int(sizes.sum())) != 0:
        step = 1 if missing > 0 else -1
        movable = np.flatnonzero(sizes < most if missing > 0 else sizes > fewest)
        chosen = generator.permutation(movable)[: abs(missing)]
        sizes[chosen] += step
    return [int(size) for size in sizes]


def _leave_places(
    generator: np.random.Generator, sizes: list[int], unlabelled: int, identities: int, even: bool
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return how many places each scene has left for labelled people after unlabelled people took theirs."""
    places = np.array(sizes, dtype=np.int64)
    for _ in range(unlabelled):
        crowded = places.max() > identities
        if even or crowded:
            scene = int(np.argmax(places + generator.random(len(places))))
        else:
            scene = int(generator.choice(len(places), p=places / places.sum()))
        places[scene] -= 1
    return places


def _fill(
    generator: np.random.Generator,
    places: np.ndarray[tuple[int], np.dtype[np.int64]],
    identities: int,
    appearances: int,
) -> list[list[int]] | None:
    """Give each person the scenes with the most free places; return None if somebody finds too few."""
    free = places.copy()
    scenes: list[list[int]] = [[] for _ in free]
    for person in generator.permutation(identities):
        order = np.argsort(-(free + generator.random(len(free))), kind="stable")[:appearances]
        if len(order) < appearances or free[order].min() < 1:
            return None
        free[order] -= 1
        for scene in order:
            scenes[int(scene)].append(int(person))
    return scenes
