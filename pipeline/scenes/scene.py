"""The types that every data set is made of: scenes, queries, galleries and splits.

Boxes are `[x1, y1, x2, y2]` in pixels of the stored image, float64, `x2 > x1` and `y2 > y1`. Inside the
program the labelled people of a split have the ids `0 .. I-1`. Each reader maps the data set's own ids to
these and keeps the data set's, as text, in `Split.identities`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

UNLABELLED = -1
"""The person id of a person whose identity is not known."""

UNKNOWN_CAMERA = -1
"""The camera of a scene whose data set names none."""


def no_boxes() -> FloatArray:
    """Return no boxes, `[0, 4]`."""
    return np.zeros((0, 4))


@dataclass(frozen=True)
class Scene:
    """One picture and the people in it.

    Attributes:
        name: image file name, unique within the split.
        boxes: `[N, 4]` pixels.
        person_ids: `[N]`, `0 .. I-1` or `UNLABELLED`.
        camera: the camera's number, or `UNKNOWN_CAMERA`.
        ignored: `[M, 4]` pixels, boxes of what is taken neither for a person nor for background: a crowd, a
            region that nobody annotated, a detection that is unsure.
    """

    name: str
    boxes: FloatArray
    person_ids: IntArray
    camera: int = UNKNOWN_CAMERA
    ignored: FloatArray = field(default_factory=no_boxes)


@dataclass(frozen=True)
class Query:
    """One person to look for.

    Attributes:
        scene: the scene that the query is taken from, as an index into the split's scenes.
        box: `[4]` pixels, the ground-truth box in that scene.
        person_id: `0 .. I-1` within the split.
    """

    scene: int
    box: FloatArray
    person_id: int


@dataclass(frozen=True)
class Gallery:
    """The scenes in which one query is searched for.

    Attributes:
        scenes: `[G]` indices into the split's scenes. A scene may be listed more than once.
        positives: `[P]` positions in `scenes` that hold the person.
        boxes: `[P, 4]` pixels, the person's box there.
    """

    scenes: IntArray
    positives: IntArray
    boxes: FloatArray


@dataclass(frozen=True)
class Galleries:
    """A search protocol as data: one gallery for each query, stored compactly.

    Each query has its own list of scenes. The lists of all queries lie back to back in one array, and offsets
    say where each begins; the positives are stored in the same way. `rest` names the scenes that each query
    searches after its list: `none`; `all`, which are the unlisted scenes except the query's own; or
    `other_cameras`, which are the unlisted scenes of other cameras than the query's.

    Attributes:
        rest: which scenes are searched after the listed ones.
        listed_offsets: `[Q + 1]`; query q lists `listed_scenes[listed_offsets[q]:listed_offsets[q + 1]]`.
        listed_scenes: `[L]` int32 indices into the split's scenes.
        positive_offsets: `[Q + 1]`; query q has the positives `positive_offsets[q]:positive_offsets[q + 1]`.
        positives: `[P]` positions in the query's own list that hold the person.
        positive_boxes: `[P, 4]` pixels, the person's box there.
    """

    rest: Literal["none", "all", "other_cameras"]
    listed_offsets: IntArray
    listed_scenes: npt.NDArray[np.int32]
    positive_offsets: IntArray
    positives: IntArray
    positive_boxes: FloatArray

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.listed_offsets) - 1

    def of_query(self, index: int, query_scene: int, cameras: IntArray) -> Gallery:
        """Return the gallery of one query.

        Args:
            index: the query's position, `0 .. Q-1`.
            query_scene: the query's own scene.
            cameras: `[S]` camera of every scene of the split.
        """
        listed = self.listed_scenes[self.listed_offsets[index] : self.listed_offsets[index + 1]]
        positive = slice(self.positive_offsets[index], self.positive_offsets[index + 1])
        scenes = listed.astype(np.int64)
        if self.rest != "none":
            others = np.ones(len(cameras), dtype=bool)
            if self.rest == "other_cameras":
                others &= cameras != cameras[query_scene]
            others[listed] = False
            others[query_scene] = False
            # The rest comes last, so positions in the list stay positions in the gallery.
            scenes = np.concatenate([scenes, np.flatnonzero(others)])
        return Gallery(scenes, self.positives[positive], self.positive_boxes[positive])

    def times_of_query(self, index: int, query_scene: int, cameras: IntArray) -> IntArray:
        """Return `[S]` how often one query's gallery lists each scene; arguments as in `of_query`.

        It counts what `of_query` lists without making the list, which may hold nearly all scenes.
        """
        listed = self.listed_scenes[self.listed_offsets[index] : self.listed_offsets[index + 1]]
        times = np.bincount(listed, minlength=len(cameras))
        if self.rest != "none":
            others = times == 0
            if self.rest == "other_cameras":
                others &= cameras != cameras[query_scene]
            others[query_scene] = False
            times += others
        return times


@dataclass(frozen=True)
class Split:
    """The scenes of one split, and its queries and galleries if people are searched for in it.

    Attributes:
        name: `train`, `val` or `test`.
        scenes: in the data set's own order.
        identities: the data set's own id of person 0, 1, 2, ...; its length is the number of identities.
        queries: in the data set's own order; empty for a training split.
        galleries: search protocols by name: a gallery size ("50", "100", ...), "full", "cross_camera".
        default_gallery: the protocol that the results table shows; empty for a split without queries.
    """

    name: str
    scenes: tuple[Scene, ...]
    identities: tuple[str, ...]
    queries: tuple[Query, ...] = ()
    galleries: Mapping[str, Galleries] = field(default_factory=dict)
    default_gallery: str = ""

    @property
    def cameras(self) -> IntArray:
        """`[S]`, the camera of each scene."""
        return np.array([scene.camera for scene in self.scenes], dtype=np.int64)

    @property
    def has_ignored(self) -> bool:
        """Whether any scene has an ignored box."""
        return any(len(scene.ignored) for scene in self.scenes)
