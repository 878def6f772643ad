"""Who of a split a teacher is asked for: the people of its scenes at their true boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.scenes.scene import UNLABELLED, FloatArray, IntArray, Split


class PeopleInScene(NamedTuple):
    """People of one scene.

    Attributes:
        scene: its number in the split.
        places: `[L]` which of the scene's boxes are theirs, ascending, L > 0.
        boxes: `[L, 4]` their true boxes in pixels of the stored image.
        person_ids: `[L]` `0 .. I-1` or `UNLABELLED`.
    """

    scene: int
    places: IntArray
    boxes: FloatArray
    person_ids: IntArray


def labelled_people(split: Split) -> list[PeopleInScene]:
    """Return the labelled people scene by scene; scenes without any are left out.

    Raises:
        UserError: nobody is labelled.
    """
    people = _people(split, labelled_only=True)
    if not people:
        raise UserError(f"there is nobody to embed: nobody in the {split.name} split is labelled")
    return people


def all_people(split: Split) -> list[PeopleInScene]:
    """Return all people scene by scene, unlabelled ones too; scenes without any are left out.

    Raises:
        UserError: there is nobody.
    """
    people = _people(split, labelled_only=False)
    if not people:
        raise UserError(f"there is nobody to embed: the {split.name} split has no boxes")
    return people


def person_ids_of(people: Sequence[PeopleInScene]) -> IntArray:
    """Return the person id `[N]` of everybody, in order."""
    return np.concatenate([found.person_ids for found in people])


def _people(split: Split, *, labelled_only: bool) -> list[PeopleInScene]:
    found = []
    for index, scene in enumerate(split.scenes):
        wanted = scene.person_ids != UNLABELLED if labelled_only else np.full(len(scene.boxes), True)
        places = np.flatnonzero(wanted)
        if len(places):
            found.append(PeopleInScene(index, places, scene.boxes[places], scene.person_ids[places]))
    return found
