"""One query's gallery in a protocol file of CUHK-SYSU: the listed scenes, and the person's boxes there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.datasets.matlab import field, numbers, structs, text
from pipeline.datasets.matlab_elements import Undecoded
from pipeline.datasets.matlab_records import NO_TEXTS, Alike, alike
from pipeline.datasets.scene_index import UNKNOWN_SCENE, SceneIndex
from pipeline.scenes.scene import FloatArray, IntArray

BOX_NUMBERS = 4
NO_BOX: FloatArray = np.full(BOX_NUMBERS, np.nan)


@dataclass(frozen=True)
class ListedScenes:
    """A query's gallery, without the entries whose scene is unknown.

    Attributes:
        scenes: `[G]` which are listed, in the file's order.
        positives: `[P]` the positions in `scenes` that hold the person, ascending.
        boxes: `[P, 4]` the person's boxes there, x1 y1 x2 y2.
        unknown: names of listed scenes that are not among the test images.
        sizeless: number of entries whose box has no width or height; they count as without the person.
    """

    scenes: npt.NDArray[np.int32]
    positives: IntArray
    boxes: FloatArray
    unknown: set[str]
    sizeless: int


def box_of(element: Any, where: str) -> FloatArray | None:
    """Return a struct element's box, `[4]` x y w h, from its field `idlocate`; None where that is empty.

    Raises:
        UserError: the field holds another number of values, or values that are not finite.
    """
    box = numbers(field(element, "idlocate"))
    if not box.size:
        return None
    if box.size != BOX_NUMBERS or not np.isfinite(box).all():
        raise UserError(
            f"{where}: idlocate should be x y w h, found {' '.join(f'{value:g}' for value in box)}"
        )
    return box


def read_gallery(element: Mapping[str, Any], where: str, index: SceneIndex) -> ListedScenes:
    """Return the gallery of a query: its element of the file's struct array, with `Gallery` undecoded.

    Raises:
        UserError: there is none, or one of its entries is broken; `where` is named.
        ValueError, EOFError: its bytes are damaged.
    """
    places, scenes, boxes = list[IntArray](), list[npt.NDArray[np.int32]](), list[FloatArray]()
    unknown, sizeless = set[str](), 0
    for group in _groups(element, where):
        name, box = text(field(group.element, "imname")), box_of(group.element, where)
        found = index.of(name, group.texts)
        known = found != UNKNOWN_SCENE
        if not known.all():
            names = np.array([name, *(other.decode() for other in group.texts.tolist())], dtype=object)
            unknown |= set(names[~known])
        sized = box is not None and bool((box[2:] > 0).all())
        sizeless += int(known.sum()) if box is not None and not sized else 0
        corners = np.concatenate([box[:2], box[:2] + box[2:]]) if box is not None and sized else NO_BOX
        places.append(group.places[known])
        scenes.append(found[known])
        boxes.append(np.broadcast_to(corners, (int(known.sum()), BOX_NUMBERS)))
    order = np.argsort(np.concatenate([np.empty(0, np.int64), *places]))
    listed = np.concatenate([np.empty(0, np.int32), *scenes])[order]
    held = np.concatenate([np.empty((0, BOX_NUMBERS)), *boxes])[order]
    positives = np.flatnonzero(~np.isnan(held[:, 0]))
    return ListedScenes(listed, positives, held[positives], unknown, sizeless)


def _groups(element: Mapping[str, Any], where: str) -> Iterator[Alike]:
    """Yield a gallery's entries, those that differ in their scene alone together."""
    if "Gallery" not in element:
        raise UserError(f"{where}: no field Gallery, only {', '.join(element)}")
    gallery = element["Gallery"]
    if isinstance(gallery, Undecoded):
        yield from alike(gallery, text="imname", needed=("idlocate",))
    else:
        for place, entry in enumerate(structs(gallery)):
            yield Alike(entry, np.array([place]), NO_TEXTS)
