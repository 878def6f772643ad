"""The same split of several data sets as one: how scenes, people and cameras are called, and the searches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pipeline.datasets.sampled_galleries import FULL
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED, Galleries, IntArray, Query, Scene, Split


class Part(NamedTuple):
    """What one data set brings to a joined split.

    Attributes:
        called: what stands before the names of its scenes and people.
        camera: what is added to its cameras' numbers.
        split: its split.
    """

    called: str
    camera: int
    split: Split


def joined(name: str, parts: Sequence[Part]) -> Split:
    """Return the split `name` of all parts: scenes, people and queries in the order of the parts.

    It has the galleries that all parts with queries have, each with the lists of its part. What a gallery
    adds to its lists (`rest`) are then scenes of all parts: `full` holds those of the others as distractors.
    The default gallery is that of the first part with queries, or `full` where not all parts have it.
    """
    scenes: list[Scene] = []
    identities: list[str] = []
    queries: list[Query] = []
    searched: list[tuple[int, Split]] = []
    for part in parts:
        if part.split.queries:
            searched.append((len(scenes), part.split))
        queries += [
            replace(query, scene=query.scene + len(scenes), person_id=query.person_id + len(identities))
            for query in part.split.queries
        ]
        scenes += [_renamed(scene, part, len(identities)) for scene in part.split.scenes]
        identities += [part.called + person for person in part.split.identities]
    galleries, default = _galleries(searched), searched[0][1].default_gallery if searched else ""
    if default not in galleries and FULL in galleries:
        default = FULL
    return Split(name, tuple(scenes), tuple(identities), tuple(queries), galleries, default)


def _renamed(scene: Scene, part: Part, people: int) -> Scene:
    """Return a scene as it is called in the joined split; `people` are in the parts before."""
    ids = scene.person_ids
    return replace(
        scene,
        name=part.called + scene.name,
        person_ids=np.where(ids == UNLABELLED, UNLABELLED, ids + people),
        camera=scene.camera if scene.camera == UNKNOWN_CAMERA else scene.camera + part.camera,
    )


def _galleries(searched: Sequence[tuple[int, Split]]) -> Mapping[str, Galleries]:
    """Return the galleries that all splits have, with the same `rest`.

    Args:
        searched: the splits with queries, each behind the number of its first scene in the joined split.
    """
    if not searched:
        return {}
    of_first = searched[0][1].galleries
    by_name = {
        name: [(start, split.galleries[name]) for start, split in searched]
        for name in of_first
        if all(name in split.galleries for _, split in searched)
    }
    return {
        name: _one_behind_another(parts)
        for name, parts in by_name.items()
        if all(galleries.rest == of_first[name].rest for _, galleries in parts)
    }


def _one_behind_another(parts: Sequence[tuple[int, Galleries]]) -> Galleries:
    return Galleries(
        rest=parts[0][1].rest,
        listed_offsets=_offsets([galleries.listed_offsets for _, galleries in parts]),
        listed_scenes=np.concatenate(
            [(galleries.listed_scenes + start).astype(np.int32) for start, galleries in parts]
        ),
        positive_offsets=_offsets([galleries.positive_offsets for _, galleries in parts]),
        positives=np.concatenate([galleries.positives for _, galleries in parts]),
        positive_boxes=np.concatenate([galleries.positive_boxes for _, galleries in parts]),
    )


def _offsets(parts: Sequence[IntArray]) -> IntArray:
    """Return the offsets `[Q + 1]` of lists that stand one behind another."""
    lengths = np.concatenate([np.diff(offsets) for offsets in parts])
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
