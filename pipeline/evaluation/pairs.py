"""Person search with boxes that depend on the query: the detections of each pair of a query and a scene."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.evaluation.box_pairs import offsets_of, segment_rows
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.person_boxes import person_boxes
from pipeline.evaluation.scene_boxes import SceneBoxes, scene_positions
from pipeline.evaluation.search import Duplicates, QueryResult, Search, by_gallery, query_scenes
from pipeline.scenes.scene import Galleries, IntArray, Split

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PairBoxes:
    """The detections of P pairs of a query and a scene, query after query.

    Boxes stay where the detections have them, since they can be gigabytes.

    Attributes:
        scenes: S, how many scenes the split has.
        offsets: `[Q + 1]`; the pairs of query q are `offsets[q]:offsets[q + 1]`.
        scene: `[P]` the scene of each pair, rising within a query.
        starts: `[P]` the first row of each pair's boxes.
        counts: `[P]` boxes of each pair.
        dets: `[K, 5]` x1 y1 x2 y2 score, pixels.
        similarities: `[K]`.
        threshold: boxes with score >= this are searched.
    """

    scenes: int
    offsets: IntArray
    scene: IntArray
    starts: IntArray
    counts: IntArray
    dets: Array
    similarities: Array
    threshold: float

    def of_query(self, index: int) -> SceneBoxes:
        """Return the boxes of one query to search in. Their features `[N, 1]` are the similarities."""
        pairs = slice(self.offsets[index], self.offsets[index + 1])
        rows = segment_rows(self.starts[pairs], self.counts[pairs])
        counts = np.zeros(self.scenes, dtype=np.int64)
        counts[self.scene[pairs]] = self.counts[pairs]
        dets = self.dets[rows]
        found = SceneBoxes(offsets_of(counts), dets[:, :4], dets[:, 4], self.similarities[rows, None])
        return found.above(self.threshold)

    def searched(self) -> int:
        """Return how many boxes of all pairs are searched."""
        scores = self.dets[:, 4]
        return int(np.count_nonzero(scores >= scores.dtype.type(self.threshold)))

    def missing(self, split: Split, galleries: Mapping[str, Galleries]) -> dict[str, int]:
        """Return by gallery how many of its pairs are not there. A pair without a box is there."""
        cameras = split.cameras
        missing = dict.fromkeys(galleries, 0)
        for index, query in enumerate(split.queries):
            absent = np.ones(self.scenes, dtype=bool)
            absent[self.scene[self.offsets[index] : self.offsets[index + 1]]] = False
            for name, protocol in galleries.items():
                times = protocol.times_of_query(index, query.scene, cameras)
                missing[name] += int(np.count_nonzero(times[absent]))
        return missing


def pair_boxes(split: Split, detections: Detections, threshold: float) -> PairBoxes:
    """Return the detections of all pairs, in the order of the split's queries and scenes.

    Args:
        split: scenes and queries.
        detections: hold pairs; `check_queries` has passed them.
        threshold: boxes with score >= this are searched; rounded as `SceneBoxes.above` does.

    Raises:
        UserError: there are no pairs, or the detections name an image that the split does not have.
    """
    queries, scenes, counts = detections.pair_queries, detections.pair_scenes, detections.pair_counts
    dets, similarities = detections.pair_dets, detections.pair_similarities
    if queries is None or scenes is None or counts is None or dets is None or similarities is None:
        raise UserError("detections: no pairs of a query and a scene")
    scene = scene_positions(split, detections)[scenes]
    queries, counts = queries.astype(np.int64), counts.astype(np.int64)
    order = np.argsort(queries * len(split.scenes) + scene, kind="stable")
    return PairBoxes(
        scenes=len(split.scenes),
        offsets=offsets_of(np.bincount(queries, minlength=len(split.queries))),
        scene=scene[order],
        starts=offsets_of(counts)[:-1][order],
        counts=counts[order],
        dets=dets,
        similarities=similarities,
        threshold=threshold,
    )


def check_whole(missing: Mapping[str, int], names: Iterable[str]) -> None:
    """Check that galleries have all of their pairs.

    Args:
        missing: by gallery, how many of its pairs are not there; see `PairBoxes.missing`.
        names: galleries that must be whole.

    Raises:
        UserError: a pair is missing; the message names the gallery.
    """
    for name in names:
        if missing[name]:
            raise UserError(
                f"detections: gallery {name!r} lacks {missing[name]} pairs of a query and a scene; "
                f"name {name!r} in infer.galleries of params.yaml and run `infer` again"
            )


def search_pairs(
    split: Split,
    galleries: Mapping[str, Galleries],
    found: PairBoxes,
    *,
    duplicates: Duplicates = "once",
    progress: Progress | None = None,
) -> dict[str, list[QueryResult]]:
    """Search for each query among the boxes of its own pairs, by the rules of `search_queries`.

    Args:
        split: the scenes and queries.
        galleries: search protocols by name. A pair that is missing counts as one without boxes.
        found: the boxes of all pairs.
        duplicates: how an image counts that a gallery lists twice; see `search_queries`.
        progress: called with the number of queries done and the number of all.

    Returns:
        By gallery, the result of each query, in the split's order.
    """
    cameras, scenes = split.cameras, query_scenes(split)

    def answer(index: int) -> Iterator[QueryResult]:
        boxes = found.of_query(index)
        own = tuple(_of_one_query(protocol, index) for protocol in galleries.values())
        people = person_boxes(own, 1, boxes)
        search = Search(scenes[index : index + 1], cameras, own, boxes, people, duplicates == "once")
        return search.of_query(0, boxes.feats[:, 0])

    queries = len(split.queries)
    return by_gallery(galleries, map(answer, range(queries)), queries, progress)


def _of_one_query(galleries: Galleries, index: int) -> Galleries:
    """Return a search protocol of one query alone."""
    listed = galleries.listed_scenes[galleries.listed_offsets[index] : galleries.listed_offsets[index + 1]]
    positive = slice(galleries.positive_offsets[index], galleries.positive_offsets[index + 1])
    positives = galleries.positives[positive]
    return Galleries(
        rest=galleries.rest,
        listed_offsets=np.array([0, len(listed)]),
        listed_scenes=listed,
        positive_offsets=np.array([0, len(positives)]),
        positives=positives,
        positive_boxes=galleries.positive_boxes[positive],
    )
