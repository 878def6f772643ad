"""Person search: mean average precision and top-k accuracy of queries in their galleries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.basics.progress import Progress
from pipeline.evaluation.box_pairs import offsets_of
from pipeline.evaluation.cbgm import CbgmOptions, Rescored, rescored
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.person_boxes import (
    PersonBoxes,
    TruePositives,
    counted_once,
    person_boxes,
    true_positives,
)
from pipeline.evaluation.scene_boxes import SceneBoxes
from pipeline.evaluation.similarity import one_thread_a_product, similarities
from pipeline.scenes.scene import Galleries, IntArray, Split

Array = npt.NDArray[Any]
Duplicates = Literal["once", "original"]

TOP_K = (1, 5, 10)
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
    threads: int = 1,
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
        threads: how many work, 1 or more. The results are the same for any number.
        progress: called with the number of queries done and the number of all.

    Returns:
        By gallery, the result of each query, in the split's order.
    """
    protocols = tuple(galleries.values())
    people = person_boxes(protocols, len(split.queries), found)
    once, context = duplicates == "once", _context(detections)
    search = Search(query_scenes(split), split.cameras, protocols, found, people, once, context, cbgm)
    with one_thread_a_product():
        products = similarities(detections.query_feats, found.feats, threads)
        answers = (search.of_query(index, similarity) for index, similarity in enumerate(products))
        return by_gallery(galleries, answers, len(split.queries), progress)


def query_scenes(split: Split) -> IntArray:
    """Return `[Q]` the scene that each query is taken from."""
    return np.array([query.scene for query in split.queries], dtype=np.int64)


def by_gallery(
    names: Iterable[str],
    answers: Iterable[Iterable[QueryResult]],
    queries: int,
    progress: Progress | None = None,
) -> dict[str, list[QueryResult]]:
    """Return by gallery the result of each query.

    Args:
        names: of the galleries.
        answers: of each query, its result in each gallery.
        queries: how many there are.
        progress: called with the number of queries done and the number of all.
    """
    results: dict[str, list[QueryResult]] = {name: [] for name in names}
    for number, answer in enumerate(answers, start=1):
        for reached, result in zip(results.values(), answer, strict=True):
            reached.append(result)
        if progress is not None:
            progress(number, queries)
    return results


class Search(NamedTuple):
    """What the searches for several queries share; see `search_queries`.

    Attributes:
        query_scenes: `[Q]` the scene that each query is taken from.
        cameras: `[S]` the camera of each scene.
        galleries: search protocols of these queries.
        found: the boxes to search in.
        people: those of them that lie on the people searched for.
        once: whether an image that a gallery lists twice is scored once.
        context: of each query `[C, D]` the features of the people in its scene; None without them.
        cbgm: options of the re-scoring by context; None for none.
    """

    query_scenes: IntArray
    cameras: IntArray
    galleries: tuple[Galleries, ...]
    found: SceneBoxes
    people: PersonBoxes
    once: bool
    context: list[Array] | None = None
    cbgm: CbgmOptions | None = None

    def of_query(self, index: int, similarity: Array) -> Iterator[QueryResult]:
        """Yield the result of one query in each gallery, from its similarity `[N]` with every box."""
        scene = int(self.query_scenes[index])
        times = np.stack([gallery.times_of_query(index, scene, self.cameras) for gallery in self.galleries])
        changes = self._changes(index, similarity, times)
        first = counted_once(self.galleries, self.people, index, times) if self.once else None
        true = true_positives(similarity, self.people, index, changes, first)
        levels = np.sort(true.scores)
        reached = _boxes_reaching(levels, similarity, self.found, times, once=self.once, changes=changes)
        yield from _scored(true, levels, reached, self.people.matches[:, index])

    def _changes(self, index: int, similarity: Array, times: IntArray) -> Rescored | None:
        if self.cbgm is None or self.context is None:
            return None
        return rescored(similarity, self.context[index], self.found, times, self.cbgm)


def _context(detections: Detections) -> list[Array] | None:
    """Return, for each query, the features `[C, D]` of the people in its scene; None without them."""
    feats, counts = detections.query_ctx_feats, detections.query_counts
    return None if feats is None or counts is None else np.split(feats, offsets_of(counts)[1:-1])


def _boxes_reaching(
    levels: Array,
    similarity: Array,
    found: SceneBoxes,
    times: IntArray,
    *,
    once: bool,
    changes: Rescored | None = None,
) -> IntArray:
    """Return `[G, L]` how many boxes of each gallery are at least as similar as each level.

    Args:
        levels: `[L]` rising similarities.
        similarity: `[N]` of the query with every box of every scene.
        found: the boxes of every scene.
        times: `[G, S]` how often each gallery lists each scene: so often its boxes count.
        once: whether the boxes of a listed scene count once instead.
        changes: similarities that are others in some galleries; None for none.
    """
    reaching = np.zeros((len(times), len(levels)), dtype=np.int64)
    if not len(levels):
        return reaching
    # Boxes below all levels have no effect.
    rows = np.flatnonzero(similarity >= levels[0])
    values, scenes = similarity[rows], found.scene_of[rows]
    for row, listed in zip(reaching, times, strict=True):
        number = listed[scenes]
        # Sorting them is several times faster than to look each of them up among the levels.
        ranked = np.sort(values[number > 0] if once else np.repeat(values, number))
        row[:] = len(ranked) - np.searchsorted(ranked, levels, side="left")
    if changes is not None:
        weight = times[changes.gallery, found.scene_of[changes.rows]]
        weight = np.minimum(weight, 1) if once else weight
        before = similarity[changes.rows][:, None] >= levels
        after = changes.values[:, None] >= levels
        np.add.at(reaching, changes.gallery, weight[:, None] * (after.astype(np.int64) - before))
    return reaching


def _scored(
    true: TruePositives, levels: Array, reached: IntArray, matches: IntArray
) -> Iterator[QueryResult]:
    """Yield one query's result in each gallery.

    Args:
        true: the query's true positives.
        levels: `[L]` rising similarities, those of all true positives.
        reached: `[G, L]` how many boxes of each gallery are at least as similar.
        matches: `[G]` number of gallery images that show the person.
    """
    level = np.searchsorted(levels, true.scores, side="left")
    # The number of true positives of each gallery at each level, summed from the highest level on.
    at = np.bincount(true.gallery * len(levels) + level, minlength=reached.size).reshape(reached.shape)
    correct = at[:, ::-1].cumsum(axis=1)[:, ::-1]
    # By rising similarity. Ties share one precision.
    precision = correct[true.gallery, level] / reached[true.gallery, level]
    ends = np.cumsum(np.bincount(true.gallery, minlength=len(matches))).tolist()
    begin = 0
    for gallery, (end, number) in enumerate(zip(ends, matches.tolist(), strict=True)):
        if begin == end:
            yield QueryResult(0.0, UNRANKED, number)
            continue
        # All false boxes of the best true positive's similarity count as ahead of it.
        best = level[end - 1]
        rank = 1 + int(reached[gallery, best]) - int(correct[gallery, best])
        yield QueryResult(float(precision[begin:end].sum()) / number, rank, number)
        begin = end


def _means(reached: Sequence[QueryResult]) -> dict[str, float]:
    """Return the means over all queries; 0 where there are none."""
    ranks = np.array([result.rank for result in reached], dtype=np.int64)
    number = max(len(reached), 1)
    metrics = {"mAP": sum(result.ap for result in reached) / number}
    metrics |= {f"top{k}": float((ranks <= k).sum()) / number for k in TOP_K}
    return metrics | {"queries_without_match": sum(result.matches == 0 for result in reached)}
