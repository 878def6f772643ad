"""Person search: mean average precision and top-k accuracy of queries in their galleries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.basics.progress import Progress
from pipeline.evaluation.average_precision import precision_at_positives
from pipeline.evaluation.box_pairs import offsets_of, paired_iou, segment_rows
from pipeline.evaluation.cbgm import CbgmOptions, rescore
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.scenes.scene import FloatArray, Galleries, Gallery, IntArray, Split

Array = npt.NDArray[Any]
Duplicates = Literal["once", "original"]

TOP_K = (1, 5, 10)
LARGEST_MATCH_IOU = 0.5
SIZE_MARGIN = 10.0
"""Pixels by which a box may be wider and higher than a small person and still match."""
SIMILARITIES_AT_ONCE = 8_000_000
"""The most similarities in memory at a time; in float32 they take 32 MB."""
FEATURE_ROWS_AT_ONCE = 8192
UNRANKED = np.iinfo(np.int64).max


@dataclass(frozen=True)
class QueryResult:
    """The result of one query.

    Attributes:
        ap: average precision, 0 .. 1.
        rank: of the first true positive, from 1; `UNRANKED` where none is found.
        matches: number of gallery images that show the person.
    """

    ap: float
    rank: int
    matches: int


def search_metrics(results: Mapping[str, Sequence[QueryResult]]) -> dict[str, dict[str, float]]:
    """Return mean average precision and top-k accuracy for several galleries.

    Args:
        results: by gallery, those of all queries; see `search_queries`.

    Returns:
        For each gallery `mAP`, `top1`, `top5`, `top10`, means over all queries in 0 .. 1 (a query without a
        match counts 0), and `queries_without_match`, a number.
    """
    return {name: _means(reached) for name, reached in results.items()}


def search_queries(
    split: Split,
    galleries: Mapping[str, Galleries],
    found: SceneBoxes,
    detections: Detections,
    *,
    duplicates: Duplicates = "once",
    cbgm: CbgmOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, list[QueryResult]]:
    """Search for each query in each of several galleries.

    In each gallery image that shows the person, the most similar box with enough overlap is the true
    positive. All other boxes of the gallery are false. For a person of width w and height h, the overlap
    needed is `min(0.5, w h / ((w + 10) (h + 10)))`. Average precision is multiplied by the share of images in
    which the person was found. Top-k is whether a true positive is among the k most similar boxes. Boxes of
    equal similarity form one step of average precision, and false ones come first for top-k, so the order of
    the gallery has no effect.

    Args:
        split: the scenes and queries.
        galleries: search protocols by name.
        found: the boxes to search in, in every scene of the split, with scores above the threshold.
        detections: hold the queries' features and, for CBGM, their context.
        duplicates: how an image counts that a gallery lists twice. `once`, as in SeqNet: its boxes are scored
            once, with the person's box of the first entry, but its ground truth counts twice. `original`, as
            in OIM: the image counts as two.
        cbgm: options of the re-scoring by context; None for none.
        progress: called with the number of queries done and the number of all.

    Returns:
        By gallery, the result of each query, in the split's order.
    """
    cameras = split.cameras
    scene_of = found.scene_of
    context = offsets_of(detections.query_counts) if detections.query_counts is not None else None
    results: dict[str, list[QueryResult]] = {name: [] for name in galleries}
    for index, similarity in enumerate(similarities(detections.query_feats, found.feats)):
        for name, protocol in galleries.items():
            gallery = protocol.of_query(index, split.queries[index].scene, cameras)
            times = np.bincount(gallery.scenes, minlength=len(split.scenes))
            scores = similarity
            if cbgm is not None and context is not None and detections.query_ctx_feats is not None:
                people = detections.query_ctx_feats[context[index] : context[index + 1]]
                searched = times[scene_of] > 0
                scores = rescore(similarity, people, found, searched, cbgm)
            results[name].append(
                search_one(scores, gallery, found, times=times, scene_of=scene_of, duplicates=duplicates)
            )
        if progress is not None:
            progress(index + 1, len(split.queries))
    return results


def search_one(
    similarity: Array,
    gallery: Gallery,
    found: SceneBoxes,
    *,
    times: IntArray,
    scene_of: IntArray,
    duplicates: Duplicates,
) -> QueryResult:
    """Return the result of one query in its gallery.

    Args:
        similarity: `[N]` with every box of every scene.
        gallery: the scenes to search in, and where they show the person.
        found: the boxes of every scene.
        times: `[S]` how often the gallery lists each scene of the split.
        scene_of: `[N]` the scene of each box.
        duplicates: see `search_queries`.
    """
    boxes, scenes, matches = person_in(gallery, times, duplicates)
    true_scores = _true_positive_scores(similarity, boxes, scenes, found)
    if not len(true_scores):
        return QueryResult(0.0, UNRANKED, matches)
    # Boxes below the last true positive have no effect on average precision.
    rows = np.flatnonzero(similarity >= true_scores.min())
    repeats = times[scene_of[rows]]
    if duplicates == "once":
        repeats = np.minimum(repeats, 1)
    scores = np.repeat(similarity[rows], repeats)
    ap = float(precision_at_positives(true_scores, scores).sum()) / matches
    # All false boxes of the best true positive's similarity count as ahead of it.
    best = true_scores.max()
    rank = 1 + int((scores >= best).sum()) - int((true_scores >= best).sum())
    return QueryResult(ap, rank, matches)


def person_in(gallery: Gallery, times: IntArray, duplicates: Duplicates) -> tuple[FloatArray, IntArray, int]:
    """Return where a gallery shows a query's person.

    Args:
        gallery: the query's gallery.
        times: `[S]` how often the gallery lists each scene.
        duplicates: see `search_queries`.

    Returns:
        `[P, 4]` the person's boxes, `[P]` their scenes, and the number of gallery images that show the
        person: more than P where the gallery repeats an image whose boxes are scored once.
    """
    positives, first = np.unique(gallery.positives, return_index=True)
    boxes, scenes = gallery.boxes[first], gallery.scenes[positives]
    matches = len(positives)
    if duplicates == "once" and (times[scenes] > 1).any():
        # Of an image that is listed twice, only the first entry's box is kept.
        places = np.array([np.flatnonzero(gallery.scenes == scene)[0] for scene in scenes])
        boxes, scenes = boxes[places == positives], scenes[places == positives]
    return boxes, scenes, matches


def boxes_on_person(boxes: FloatArray, scenes: IntArray, found: SceneBoxes) -> tuple[IntArray, IntArray]:
    """Return `[K]` the rows of `found` that overlap the person enough, and `[K]` the person's box of each.

    Args:
        boxes: `[P, 4]` the person's box in each scene that shows the person.
        scenes: `[P]` these scenes.
        found: the boxes of every scene.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    needed = width * height / ((width + SIZE_MARGIN) * (height + SIZE_MARGIN))
    needed = np.minimum(LARGEST_MATCH_IOU, needed)
    lengths = found.counts[scenes]
    rows = segment_rows(found.offsets[scenes], lengths)
    person = np.repeat(np.arange(len(scenes)), lengths)
    enough = paired_iou(found.boxes[rows], boxes[person]) >= needed[person]
    return rows[enough], person[enough]


def _true_positive_scores(similarity: Array, boxes: FloatArray, scenes: IntArray, found: SceneBoxes) -> Array:
    """Return the similarity of the true positive in each scene that has one, `[T]` with `T <= P`."""
    rows, person = boxes_on_person(boxes, scenes, found)
    best = np.full(len(scenes), -np.inf, dtype=similarity.dtype)
    np.maximum.at(best, person, similarity[rows])
    return best[best > -np.inf]


def similarities(queries: Array, feats: Array) -> Iterator[Array]:
    """Yield `[N]` dot products of each query with all boxes.

    They are summed in float64 and then rounded to the features' own width. Otherwise equal features could
    have unequal similarities, since a matrix product may sum each row in another order.
    """
    width = np.result_type(queries, feats)
    block = max(1, SIMILARITIES_AT_ONCE // max(1, len(feats)))
    for begin in range(0, len(queries), block):
        rows = queries[begin : begin + block].astype(np.float64)
        similarity = np.empty((len(rows), len(feats)), dtype=width)
        for start in range(0, len(feats), FEATURE_ROWS_AT_ONCE):
            part = slice(start, start + FEATURE_ROWS_AT_ONCE)
            similarity[:, part] = rows @ feats[part].astype(np.float64).T
        yield from similarity


def _means(reached: Sequence[QueryResult]) -> dict[str, float]:
    """Return the means over all queries; 0 where there are none."""
    ranks = np.array([result.rank for result in reached], dtype=np.int64)
    number = max(len(reached), 1)
    metrics = {"mAP": sum(result.ap for result in reached) / number}
    metrics |= {f"top{k}": float((ranks <= k).sum()) / number for k in TOP_K}
    return metrics | {"queries_without_match": sum(result.matches == 0 for result in reached)}
