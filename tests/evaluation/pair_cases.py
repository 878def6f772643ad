"""Detections of pairs of a query and a scene: made of ordinary ones, or drawn anew for each query."""

from dataclasses import replace
from itertools import product

import numpy as np

from tests.evaluation.cases import random_case


def with_pairs(detections, pairs, boxes, similarities):
    """Return detections with pairs: `[(query, scene)]`, of each `[n, 5]` boxes and `[n]` similarities."""
    width = detections.gallery_dets.dtype
    return replace(
        detections,
        pair_queries=np.array([query for query, _ in pairs], dtype=np.int64),
        pair_scenes=np.array([scene for _, scene in pairs], dtype=np.int64),
        pair_counts=np.array([len(rows) for rows in boxes], dtype=np.int64),
        pair_dets=np.concatenate([np.zeros((0, 5), width), *boxes]),
        pair_similarities=np.concatenate([np.zeros(0, detections.gallery_feats.dtype), *similarities]),
    )


def each_pair(detections):
    return list(product(range(len(detections.query_names)), range(len(detections.gallery_names))))


def as_pairs(detections):
    """Return the same detections with a pair for each query and scene: its boxes, their dot products."""
    dets, feats = (
        np.split(array, np.cumsum(detections.gallery_counts)[:-1])
        for array in (detections.gallery_dets, detections.gallery_feats)
    )
    queries = detections.query_feats.astype(np.float64)
    pairs = each_pair(detections)
    products = [(feats[scene].astype(np.float64) @ queries[query]) for query, scene in pairs]
    similarities = [values.astype(feats[0].dtype) for values in products]
    return with_pairs(detections, pairs, [dets[scene] for _, scene in pairs], similarities)


def random_pairs(seed, *, tied=False, **options):
    """Return a split, and detections with boxes, scores and similarities of their own for each pair."""
    split, detections = random_case(seed, **options)
    random = np.random.default_rng(seed)
    pairs, boxes, similarities = each_pair(detections), [], []
    for query, scene in pairs:
        person = split.queries[query].person_id
        people = split.scenes[scene].boxes[split.scenes[scene].person_ids == person]
        near = [box + random.integers(-4, 5, 4) for box in people for _ in range(random.integers(0, 3))]
        aside = [[0.0, 0.0, 20.0, 30.0]] * int(random.integers(0, 3))
        rows = np.array([*near, *aside]).reshape(-1, 4)
        rows[:, 2:] = np.maximum(rows[:, 2:], rows[:, :2] + 1)
        boxes.append(np.column_stack([rows, random.integers(1, 11, len(rows)) / 10]))
        values = random.integers(-2, 3, len(rows)) if tied else 10 * random.normal(size=len(rows))
        similarities.append(values.astype(float))
    return split, with_pairs(detections, pairs, boxes, similarities)


def permuted_pairs(detections, random):
    """Return the same detections with pairs, and boxes within a pair, in another order."""
    rows = np.split(np.arange(len(detections.pair_dets)), np.cumsum(detections.pair_counts)[:-1])
    order = random.permutation(len(rows))
    return chosen_pairs(detections, order, [random.permutation(rows[pair]) for pair in order])


def chosen_pairs(detections, pairs, rows=None):
    """Return detections with some of the pairs; `rows` are those of their boxes."""
    if rows is None:
        every = np.split(np.arange(len(detections.pair_dets)), np.cumsum(detections.pair_counts)[:-1])
        rows = [every[pair] for pair in pairs]
    flat = np.concatenate([np.zeros(0, np.int64), *rows])
    return replace(
        detections,
        **{name: getattr(detections, name)[pairs] for name in ("pair_queries", "pair_scenes", "pair_counts")},
        **{name: getattr(detections, name)[flat] for name in ("pair_dets", "pair_similarities")},
    )
