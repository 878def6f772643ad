"""One query's search box by box: the ranking behind the metrics of `search.py`."""

from dataclasses import dataclass

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.pairs import PairBoxes, check_whole, pair_boxes, search_pairs
from pipeline.evaluation.person_boxes import boxes_on_person, first_place
from pipeline.evaluation.scene_boxes import SceneBoxes, check_queries, detected_boxes, ground_truth_boxes
from pipeline.evaluation.search import QueryResult, search_queries
from pipeline.evaluation.similarity import Array, similarities
from pipeline.scenes.scene import FloatArray, Gallery, IntArray, Split


@dataclass(frozen=True)
class Hit:
    """One box in the ranking of a query.

    Attributes:
        scene: index into the split's scenes.
        box: `[4]` pixels.
        similarity: dot product with the query's feature; of a query-guided network, its own.
        correct: whether it is the true positive of its scene; a scene has at most one, even where
            several boxes overlap the person.
    """

    scene: int
    box: FloatArray
    similarity: float
    correct: bool


def ranked_hits(
    split: Split,
    detections: Detections,
    query: int,
    gallery: str,
    *,
    search_threshold: float,
    top: int | None = None,
) -> list[Hit]:
    """Return the boxes of a query's gallery by falling similarity; they count as in `search_queries`.

    In a scene that shows the person, the most similar box with enough overlap is the true positive, the first
    one among equals. Among boxes of the same similarity the false ones come first, so the place of the first
    correct hit is the rank that top-k uses. A scene that the gallery lists twice is ranked once. Similarities
    are without CBGM.

    Args:
        split: scenes, queries and galleries.
        detections: boxes and features of a model.
        query: position in the split's queries.
        gallery: name of the split's gallery to search.
        search_threshold: boxes with score >= this are searched; 0 .. 1.
        top: how many hits to return; None for all.

    Raises:
        UserError: the detections are of other images or queries, there is no such gallery or query, or the
            detections have pairs, but not all of the gallery's.
    """
    found, similarity, scenes = _searched(split, detections, query, gallery, search_threshold)
    listed = split.galleries[gallery].of_query(query, split.queries[query].scene, split.cameras)
    times = np.bincount(listed.scenes, minlength=len(split.scenes))
    correct = np.zeros(len(similarity), dtype=bool)
    boxes, holding = _person_in(listed)
    rows, person = boxes_on_person(boxes, holding, found)
    # Sorted by person, then by falling similarity: the first of each person is the true positive.
    by_similarity = np.lexsort((rows, -similarity[rows], person))
    _, first = np.unique(person[by_similarity], return_index=True)
    correct[rows[by_similarity][first]] = True
    searched = np.flatnonzero(times[scenes] > 0)
    # The last key sorts first: by falling similarity, false before correct, then by place.
    order = searched[np.lexsort((searched, correct[searched], -similarity[searched]))][:top]
    return [
        Hit(int(scenes[row]), found.boxes[row].astype(np.float64), float(similarity[row]), bool(correct[row]))
        for row in order
    ]


def query_results(
    split: Split, detections: Detections, gallery: str, *, search_threshold: float
) -> list[QueryResult]:
    """Return each query's average precision, rank and number of matches; arguments as in `ranked_hits`."""
    _check(split, detections, gallery)
    galleries = {gallery: split.galleries[gallery]}
    if detections.has_pairs:
        pairs = _whole_pairs(split, detections, gallery, search_threshold)
        return search_pairs(split, galleries, pairs)[gallery]
    found = detected_boxes(split, detections).above(search_threshold)
    return search_queries(split, galleries, found, detections)[gallery]


def true_box_results(split: Split, detections: Detections, gallery: str) -> list[QueryResult]:
    """Do what `query_results` does with true boxes in place of detections, which have their features."""
    _check(split, detections, gallery)
    found = ground_truth_boxes(split, detections)
    return search_queries(split, {gallery: split.galleries[gallery]}, found, detections)[gallery]


def _person_in(gallery: Gallery) -> tuple[FloatArray, IntArray]:
    """Return `[P, 4]` the person's boxes, `[P]` their scenes; of a scene listed twice, the first entry's."""
    places, first = np.unique(gallery.positives, return_index=True)
    counted = np.array([first_place(gallery.scenes, place) == place for place in places], dtype=bool)
    return gallery.boxes[first][counted], gallery.scenes[places][counted]


def _searched(
    split: Split, detections: Detections, query: int, gallery: str, threshold: float
) -> tuple[SceneBoxes, Array, IntArray]:
    """Return all boxes above the threshold, `[N]` their similarity to the query, and `[N]` their scenes."""
    _check(split, detections, gallery)
    if not 0 <= query < len(split.queries):
        raise UserError(f"no query {query}; the data set has {len(split.queries)}, counted from 0")
    if detections.has_pairs:
        found = _whole_pairs(split, detections, gallery, threshold).of_query(query)
        return found, found.feats[:, 0], found.scene_of
    found = detected_boxes(split, detections).above(threshold)
    similarity = next(similarities(detections.query_feats[query : query + 1], found.feats))
    return found, similarity, found.scene_of


def _whole_pairs(split: Split, detections: Detections, gallery: str, threshold: float) -> PairBoxes:
    """Return the boxes of pairs; raise `UserError` where a pair of the gallery is missing."""
    pairs = pair_boxes(split, detections, threshold)
    check_whole(pairs.missing(split, {gallery: split.galleries[gallery]}), [gallery])
    return pairs


def _check(split: Split, detections: Detections, gallery: str) -> None:
    """Raise `UserError` where the queries are others or there is no such gallery."""
    check_queries(split, detections)
    if gallery not in split.galleries:
        raise UserError(f"no gallery '{gallery}'; the data set has {', '.join(split.galleries)}")
