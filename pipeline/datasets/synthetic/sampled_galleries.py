"""Search protocols in CUHK-SYSU's manner: all scenes with the person, filled up with random others."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.scenes.scene import UNLABELLED, Galleries, Query, Scene

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

    A query's smaller gallery lies within its larger ones, and none holds the query's own scene.

    Args:
        scenes: of the split.
        queries: of the split.
        sizes: how many scenes a gallery holds; those above the number of other scenes are left out.
        generator: which other scenes are taken.
    """
    orders = []
    where = scenes_of(scenes)
    for query in queries:
        holds = where[query.person_id]
        positives = np.array([index for index in holds if index != query.scene], dtype=np.int64)
        others = np.setdiff1d(np.arange(len(scenes)), [*holds, query.scene])
        orders.append((positives, generator.permutation(others)))
    galleries = {}
    for size in sorted(set(sizes)):
        if size <= len(scenes) - 1:
            listed = [np.concatenate([positives, others])[:size] for positives, others in orders]
            galleries[str(size)] = _pack(
                scenes, queries, listed, [len(positives) for positives, _ in orders], "none"
            )
    listed = [positives for positives, _ in orders]
    galleries[FULL] = _pack(scenes, queries, listed, [len(positives) for positives in listed], "all")
    return galleries


def _pack(
    scenes: Sequence[Scene],
    queries: Sequence[Query],
    listed: Sequence[np.ndarray[tuple[int], np.dtype[np.int64]]],
    positives: Sequence[int],
    rest: Literal["none", "all"],
) -> Galleries:
    """Store galleries whose first `positives[q]` listed scenes hold the person of query q."""
    boxes = [np.zeros((0, 4))]
    for query, own, count in zip(queries, listed, positives, strict=True):
        for index in own[:count]:
            scene = scenes[int(index)]
            boxes.append(scene.boxes[scene.person_ids == query.person_id][:1])
    return Galleries(
        rest=rest,
        listed_offsets=np.cumsum([0, *(len(own) for own in listed)], dtype=np.int64),
        listed_scenes=np.concatenate([*listed, np.zeros(0, dtype=np.int64)]).astype(np.int32),
        positive_offsets=np.cumsum([0, *positives], dtype=np.int64),
        positives=np.concatenate([*(np.arange(count) for count in positives), np.zeros(0)]).astype(np.int64),
        positive_boxes=np.concatenate(boxes).astype(np.float64),
    )
