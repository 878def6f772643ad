"""Small random test sets with what is awkward: ties, repeated entries, empty images, absent people."""

from dataclasses import replace
from itertools import chain

import numpy as np

from pipeline.evaluation.detections import Detections
from pipeline.scenes.scene import Galleries, Query, Scene, Split

WIDTH = 4


def random_case(seed, *, tied=False, scenes=9, people=4, queries=4, empty=0.2):
    """Return a split with galleries `12` (lists, repeats), `full`, `cross_camera`, and detections on it."""
    random = np.random.default_rng(seed)
    drawn = tuple(_scene(random, index, people) for index in range(scenes))
    asked = tuple(_query(random, drawn, people) for _ in range(queries))
    galleries = {
        "12": _galleries(random, drawn, asked, "none"),
        "full": _galleries(random, drawn, asked, "all"),
        "cross_camera": _galleries(random, drawn, asked, "other_cameras"),
    }
    names = tuple(str(person) for person in range(people))
    split = Split("test", drawn, names, asked, galleries, "12")
    return split, _detections(random, split, tied, empty)


def _scene(random, index, people):
    count = int(random.integers(0, 4))
    corner = random.integers(0, 60, (count, 2))
    size = random.integers(5, 40, (count, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(float)
    ids = random.integers(-1, people, count)
    return Scene(f"s{index}.jpg", boxes, ids.astype(np.int64), int(random.integers(0, 3)))


def _query(random, scenes, people):
    scene = int(random.integers(0, len(scenes)))
    return Query(scene, np.array([1.0, 2.0, 21.0, 42.0]), int(random.integers(0, people)))


def _galleries(random, scenes, queries, rest):
    listed, positives, boxes = [], [], []
    for query in queries:
        own, at, held = [], [], []
        for index in random.permutation(len(scenes)).tolist():
            scene = scenes[index]
            same = rest == "other_cameras" and scene.camera == scenes[query.scene].camera
            hits = np.flatnonzero(scene.person_ids == query.person_id)
            if index == query.scene or same or (not len(hits) and (rest != "none" or random.random() < 0.5)):
                continue
            for _ in range(2 if rest == "none" and random.random() < 0.3 else 1):
                if len(hits) and random.random() < 0.9:
                    at.append(len(own))
                    held.append(scene.boxes[random.choice(hits)])
                own.append(index)
        listed.append(own)
        positives.append(at)
        boxes += held
    offsets = [np.concatenate([[0], np.cumsum([len(row) for row in rows])]) for rows in (listed, positives)]
    return Galleries(
        rest,
        offsets[0].astype(np.int64),
        np.array(list(chain(*listed)), dtype=np.int32),
        offsets[1].astype(np.int64),
        np.array(list(chain(*positives)), dtype=np.int64),
        np.array(boxes).reshape(-1, 4),
    )


def _detections(random, split, tied, empty):
    names, counts, rows = [], [], []
    for scene in split.scenes:
        near = [box + random.integers(-4, 5, 4) for box in scene.boxes for _ in range(random.integers(0, 3))]
        extra = [np.array([0.0, 0.0, 20.0, 30.0])] * int(random.integers(0, 2))
        found = [] if random.random() < empty else [*near, *extra]
        names.append(scene.name)
        counts.append(len(found))
        rows += found
    boxes = np.array(rows).reshape(-1, 4)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    scores = random.integers(1, 11, len(boxes)) / 10 if tied else random.random(len(boxes))
    contexts = random.integers(1, 4, len(split.queries))

    def feats(number):
        values = random.integers(-1, 2, (number, WIDTH)) if tied else random.normal(size=(number, WIDTH))
        return values.astype(float)

    return Detections(
        gallery_names=np.array(names),
        gallery_counts=np.array(counts, dtype=np.int64),
        gallery_dets=np.column_stack([boxes, scores]),
        gallery_feats=feats(len(boxes)),
        query_names=np.array([split.scenes[query.scene].name for query in split.queries]),
        query_pids=np.array([query.person_id for query in split.queries]),
        query_feats=feats(len(split.queries)),
        query_counts=contexts,
        query_dets=np.tile([1.0, 2.0, 21.0, 42.0, 1.0], (int(contexts.sum()), 1)),
        query_ctx_feats=feats(int(contexts.sum())),
    )


def with_ground_truth(split, detections, random):
    counts = np.array([len(scene.boxes) for scene in split.scenes], dtype=np.int64)
    feats = random.normal(size=(int(counts.sum()), detections.query_feats.shape[1]))
    return replace(detections, ground_truth_counts=counts, ground_truth_feats=feats)


def permuted(detections, random):
    """Return the same detections with images, and boxes within an image, in another order."""
    starts = np.concatenate([[0], np.cumsum(detections.gallery_counts)])
    images = random.permutation(len(detections.gallery_names))
    rows = [random.permutation(np.arange(starts[image], starts[image + 1])) for image in images]
    order = np.concatenate([np.array([], int), *rows])
    places = np.argsort(images)
    return replace(
        detections,
        pair_scenes=places[detections.pair_scenes] if detections.has_pairs else None,
        gallery_names=detections.gallery_names[images],
        gallery_counts=detections.gallery_counts[images],
        gallery_dets=detections.gallery_dets[order],
        gallery_feats=detections.gallery_feats[order],
    )
