"""Building `Galleries`: the galleries of all queries of a split in a few flat arrays."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import UNLABELLED, FloatArray, Galleries, IntArray, Query, Scene

IntArray32 = npt.NDArray[np.int32]


class GalleriesBuilder:
    """Collects the galleries of a split's queries, in the order of the queries.

    Args:
        rest: which scenes are searched besides the listed ones; see `Galleries`.
    """

    def __init__(self, rest: Literal["none", "all", "other_cameras"]) -> None:
        self._rest: Literal["none", "all", "other_cameras"] = rest
        self._listed: list[npt.NDArray[np.int32]] = []
        self._positives: list[npt.NDArray[np.int64]] = []
        self._boxes: list[FloatArray] = []

    def add(
        self,
        scenes: Sequence[int] | IntArray32,
        positives: Sequence[int] | IntArray,
        boxes: Sequence[FloatArray] | FloatArray,
    ) -> None:
        """Add the next query's gallery.

        Args:
            scenes: `[G]` the scenes that it lists, as indices into the split's scenes.
            positives: `[P]` the positions in `scenes` that hold the person.
            boxes: `[P, 4]` the person's box at each of them, x1 y1 x2 y2.
        """
        self._listed.append(np.asarray(scenes, dtype=np.int32))
        self._positives.append(np.asarray(positives, dtype=np.int64))
        self._boxes.append(np.asarray(boxes, dtype=np.float64).reshape(-1, 4))

    def build(self) -> Galleries:
        """Return the galleries of all queries added so far."""
        # Lists differ in length between queries, so they lie back to back, with offsets. As int32, the 11.6
        # million entries of CUHK-SYSU's largest file take half the memory. The empty array in front gives
        # each field its type and shape where no query was added.
        return Galleries(
            rest=self._rest,
            listed_offsets=_offsets(self._listed),
            listed_scenes=np.concatenate([np.empty(0, np.int32), *self._listed]),
            positive_offsets=_offsets(self._positives),
            positives=np.concatenate([np.empty(0, np.int64), *self._positives]),
            positive_boxes=np.concatenate([np.empty((0, 4)), *self._boxes]),
        )


def all_other_scenes(queries: Sequence[Query], scenes: Sequence[Scene], *, cross_camera: bool) -> Galleries:
    """Return the protocol that searches every scene but the query's own, as is usual for PRW.

    Scenes that show the query's person are listed; of two boxes in a scene the first counts (SeqNet). The
    other scenes are not listed: `rest` adds them.

    Args:
        queries: the split's queries.
        scenes: the split's scenes.
        cross_camera: search the scenes of other cameras only.
    """
    held: dict[int, list[tuple[int, FloatArray]]] = defaultdict(list)
    for position, scene in enumerate(scenes):
        for person in np.unique(scene.person_ids[scene.person_ids != UNLABELLED]):
            held[int(person)].append((position, scene.boxes[np.argmax(scene.person_ids == person)]))
    builder = GalleriesBuilder("other_cameras" if cross_camera else "all")
    for query in queries:
        camera = scenes[query.scene].camera
        found = [
            (position, box)
            for position, box in held[query.person_id]
            if position != query.scene and not (cross_camera and scenes[position].camera == camera)
        ]
        builder.add([position for position, _ in found], range(len(found)), [box for _, box in found])
    return builder.build()


def _offsets(
    parts: Sequence[npt.NDArray[np.int32]] | Sequence[npt.NDArray[np.int64]],
) -> npt.NDArray[np.int64]:
    """Return `[Q + 1]` where each part begins in the joined array, and where the last one ends."""
    return np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
