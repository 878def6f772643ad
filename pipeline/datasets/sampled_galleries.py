"""Search protocols as in CUHK-SYSU: all scenes that show the person, and random other scenes."""

from collections.abc import Sequence

import numpy as np

from pipeline.datasets.galleries import GalleriesBuilder
from pipeline.scenes.scene import UNLABELLED, FloatArray, Galleries, Query, Scene

FULL = "full"
"""The protocol that searches every scene but the query's own."""


def scenes_of(scenes: Sequence[Scene]) -> dict[int, list[int]]:
    """Return for each labelled person the indices of the scenes that they stand in, ascending."""
    where: dict[int, list[int]] = {}
    for index, scene in enumerate(scenes):
        for person in np.unique(scene.person_ids[scene.person_ids != UNLABELLED]).tolist():
            where.setdefault(person, []).append(index)
    return where


def sample_galleries(
    scenes: Sequence[Scene], queries: Sequence[Query], sizes: Sequence[int], generator: np.random.Generator
) -> dict[str, Galleries]:
    """Return the galleries by name: the sizes that fit, ascending, then `full`.

    A query's smaller gallery is part of its larger ones. No gallery holds the query's own scene.

    Args:
        scenes: the split's scenes.
        queries: the split's queries.
        sizes: numbers of scenes in a gallery; those above the number of other scenes are left out.
        generator: chooses the other scenes.
    """
    orders: list[tuple[list[int], list[int]]] = []
    where = scenes_of(scenes)
    for query in queries:
        holds = where[query.person_id]
        rest = np.setdiff1d(np.arange(len(scenes)), [*holds, query.scene])
        # One random order for all sizes: each takes its beginning, so a smaller gallery lies in a larger one.
        orders.append(
            ([index for index in holds if index != query.scene], generator.permutation(rest).tolist())
        )
    fitting = [size for size in sorted(set(sizes)) if size <= len(scenes) - 1]
    builders = {str(size): GalleriesBuilder("none") for size in fitting} | {FULL: GalleriesBuilder("all")}
    for query, (positives, others) in zip(queries, orders, strict=True):
        boxes = [_box_in(scenes[index], query.person_id) for index in positives]
        for size in fitting:
            # The scenes with the person come first, so their positions are 0, 1, 2, ...
            builders[str(size)].add([*positives, *others][:size], range(len(positives)), boxes)
        builders[FULL].add(positives, range(len(positives)), boxes)
    return {name: builder.build() for name, builder in builders.items()}


def _box_in(scene: Scene, person: int) -> FloatArray:
    """Return the first box `[4]` of a person in a scene."""
    box: FloatArray = scene.boxes[scene.person_ids == person][0]
    return box
