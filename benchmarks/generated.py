"""Generated test sets of real size: scenes, galleries and a model's detections, for measuring speed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.box_pairs import offsets_of
from pipeline.evaluation.detections import Detections
from pipeline.scenes.scene import FloatArray, Galleries, IntArray, Query, Scene, Split

Rest = Literal["none", "all", "other_cameras"]

FEATURE_WIDTH = 256
PEOPLE_A_SCENE = 5
PRW_PEOPLE = 450
PRW_FRAMES_A_PERSON = 26
PRW_CAMERAS = 6
CUHK_SIZES = (50, 100, 500, 1000, 2000, 4000)
CUHK_LARGEST_MATCHES = 8
CONTEXT = 4
FEATURE_NOISE = 0.12
BOX_NOISE = 2.0
FALSE_SHARE = 0.1
LOWEST_SCORE = 0.5


@dataclass(frozen=True)
class GeneratedSet:
    """A test split and detections on it."""

    split: Split
    detections: Detections


def generate(kind: str, scenes: int, detections: int, queries: int, seed: int = 0) -> GeneratedSet:
    """Draw a test set.

    Args:
        kind: `prw` (a person in about 26 frames, all frames searched) or `cuhk_sysu` (a person in 1 to 8
            gallery images, galleries of several sizes and `full`).
        scenes: number of gallery images.
        detections: number of detections, all with score >= 0.5.
        queries: number of queries.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    if kind == "prw":
        frames = [random.choice(scenes, PRW_FRAMES_A_PERSON + 1, replace=False) for _ in range(PRW_PEOPLE)]
    else:
        matches = random.integers(1, CUHK_LARGEST_MATCHES + 1, queries)
        frames = [random.choice(scenes, count + 1, replace=False) for count in matches]
    drawn = _scenes(random, frames, scenes, kind)
    asked = _queries(random, drawn, frames, queries, kind)
    if kind == "prw":
        galleries = {
            "full": _prw_gallery(drawn, asked),
            "cross_camera": _prw_gallery(drawn, asked, cross=True),
        }
    else:
        galleries = _cuhk_galleries(random, drawn, asked, frames)
    identities = tuple(str(person) for person in range(len(frames)))
    default = "full" if kind == "prw" else "100"
    split = Split("test", drawn, identities, asked, galleries, default)
    return GeneratedSet(split, _detections(random, split, detections))


def with_pairs(drawn: GeneratedSet, gallery: str, boxes: int, seed: int = 0) -> GeneratedSet:
    """Give detections the boxes that a query-guided network would find for each query in its gallery.

    Args:
        drawn: a test set whose scenes show at least one person each.
        gallery: name of the galleries that get pairs.
        boxes: how many each pair has, around people of its scene.
        seed: of the random numbers.
    """
    random, split = np.random.default_rng(seed), drawn.split
    listed = [
        np.unique(split.galleries[gallery].of_query(index, query.scene, split.cameras).scenes)
        for index, query in enumerate(split.queries)
    ]
    queries, scenes = np.repeat(np.arange(len(listed)), [len(row) for row in listed]), np.concatenate(listed)
    counts = np.array([len(scene.boxes) for scene in split.scenes])
    people = np.concatenate([scene.boxes for scene in split.scenes])
    ids = np.concatenate([scene.person_ids for scene in split.scenes])
    # Box k of a pair lies on person k of the scene, over and over again.
    person = offsets_of(counts)[scenes][:, None] + np.arange(boxes) % counts[scenes][:, None]
    wanted = np.array([query.person_id for query in split.queries])[queries]
    found = people[person] + random.normal(scale=BOX_NOISE, size=(*person.shape, 4))
    scores = random.uniform(LOWEST_SCORE, 1, (*person.shape, 1))
    similarities = random.normal(size=person.shape) + 2.0 * (ids[person] == wanted[:, None])
    detections = replace(
        drawn.detections,
        pair_queries=queries,
        pair_scenes=scenes,
        pair_counts=np.full(len(scenes), boxes),
        pair_dets=np.concatenate([found, scores], axis=2).reshape(-1, 5).astype(np.float32),
        pair_similarities=similarities.ravel().astype(np.float32),
    )
    return GeneratedSet(split, detections)


def _scenes(
    random: np.random.Generator, frames: Sequence[IntArray], scenes: int, kind: str
) -> tuple[Scene, ...]:
    """Draw people side by side; those that are in no one's list are unlabelled."""
    people: list[list[int]] = [[] for _ in range(scenes)]
    for person, where in enumerate(frames):
        for scene in where.tolist():
            people[scene].append(person)
    drawn = []
    for index, labelled in enumerate(people):
        ids = np.array(labelled + [-1] * max(0, PEOPLE_A_SCENE - len(labelled)), dtype=np.int64)
        height = random.uniform(40, 300, len(ids))
        left = np.arange(len(ids)) * 130.0
        top = random.uniform(0, 200, len(ids))
        boxes = np.stack([left, top, left + 0.4 * height, top + height], axis=1).round()
        camera = index % PRW_CAMERAS if kind == "prw" else -1
        drawn.append(Scene(f"s{index:05d}.jpg", boxes, ids, camera))
    return tuple(drawn)


def _queries(
    random: np.random.Generator,
    scenes: Sequence[Scene],
    frames: Sequence[IntArray],
    number: int,
    kind: str,
) -> tuple[Query, ...]:
    asked = []
    for index in range(number):
        person = index % len(frames)
        scene = int(random.choice(frames[person])) if kind == "prw" else int(frames[person][0])
        asked.append(Query(scene, _box_of(scenes[scene], person), person))
    return tuple(asked)


def _box_of(scene: Scene, person: int) -> FloatArray:
    box: FloatArray = scene.boxes[np.flatnonzero(scene.person_ids == person)[0]]
    return box


def _galleries_of(rest: Rest, listed: list[list[int]], matches: list[list[FloatArray]]) -> Galleries:
    """Pack lists in which the images that hold the person stand first."""
    counts = np.array([len(boxes) for boxes in matches])
    return Galleries(
        rest=rest,
        listed_offsets=offsets_of(np.array([len(row) for row in listed])),
        listed_scenes=np.array([scene for row in listed for scene in row], dtype=np.int32),
        positive_offsets=offsets_of(counts),
        positives=np.concatenate([np.arange(count) for count in counts]),
        positive_boxes=np.array([box for boxes in matches for box in boxes]).reshape(-1, 4),
    )


def _prw_gallery(scenes: Sequence[Scene], queries: Sequence[Query], *, cross: bool = False) -> Galleries:
    holders: dict[int, list[int]] = {}
    for index, scene in enumerate(scenes):
        for person in scene.person_ids[scene.person_ids >= 0].tolist():
            holders.setdefault(person, []).append(index)
    listed = [
        [
            scene
            for scene in holders[query.person_id]
            if scene != query.scene and not (cross and scenes[scene].camera == scenes[query.scene].camera)
        ]
        for query in queries
    ]
    matches = [[_box_of(scenes[s], q.person_id) for s in row] for q, row in zip(queries, listed, strict=True)]
    return _galleries_of("other_cameras" if cross else "all", listed, matches)


def _cuhk_galleries(
    random: np.random.Generator,
    scenes: Sequence[Scene],
    queries: Sequence[Query],
    frames: Sequence[IntArray],
) -> dict[str, Galleries]:
    galleries = {}
    holders = [frames[query.person_id][1:].tolist() for query in queries]
    matches = [
        [_box_of(scenes[s], q.person_id) for s in row] for q, row in zip(queries, holders, strict=True)
    ]
    for size in CUHK_SIZES:
        listed = []
        for query, row in zip(queries, holders, strict=True):
            others = random.permutation(len(scenes))[: size + len(row) + 1]
            others = others[~np.isin(others, [*row, query.scene])][: size - len(row)]
            listed.append(row + others.tolist())
        galleries[str(size)] = _galleries_of("none", listed, matches)
    smallest = galleries[str(CUHK_SIZES[0])]
    rows = np.split(smallest.listed_scenes, smallest.listed_offsets[1:-1])
    galleries["full"] = _galleries_of("all", [row.tolist() for row in rows], matches)
    return galleries


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _detections(random: np.random.Generator, split: Split, number: int) -> Detections:
    """Draw noisy boxes around people, noisy features around a person's own, and false boxes."""
    centres = random.normal(size=(len(split.identities), FEATURE_WIDTH)) / np.sqrt(FEATURE_WIDTH)

    def features(ids: IntArray) -> npt.NDArray[np.float32]:
        noise = random.normal(size=(len(ids), FEATURE_WIDTH))
        own = np.where((ids >= 0)[:, None], centres[ids], noise / np.sqrt(FEATURE_WIDTH))
        return _unit(own + FEATURE_NOISE * random.normal(size=own.shape))

    boxes = np.concatenate([scene.boxes for scene in split.scenes])
    ids = np.concatenate([scene.person_ids for scene in split.scenes])
    where = np.repeat(np.arange(len(split.scenes)), [len(scene.boxes) for scene in split.scenes])
    true = min(len(boxes), round(number * (1 - FALSE_SHARE)))
    chosen = random.choice(len(boxes), true, replace=False)
    copied = random.choice(len(boxes), number - true)
    shift = np.where(np.arange(number) < true, 0.0, 60.0)[:, None]
    rows = np.concatenate([chosen, copied])
    found = boxes[rows] + shift + random.normal(scale=BOX_NOISE, size=(number, 4))
    labels = np.where(np.arange(number) < true, ids[rows], -1)
    scores = random.uniform(LOWEST_SCORE, 1, number)
    order = np.argsort(where[rows], kind="stable")
    people = np.array([query.person_id for query in split.queries])
    around = np.full((len(people), CONTEXT), -1)
    around[:, 0] = people
    own = np.array([query.box for query in split.queries])
    return Detections(
        gallery_names=np.array([scene.name for scene in split.scenes]),
        gallery_counts=np.bincount(where[rows], minlength=len(split.scenes)),
        gallery_dets=np.column_stack([found, scores])[order].astype(np.float32),
        gallery_feats=features(labels[order]),
        query_names=np.array([split.scenes[query.scene].name for query in split.queries]),
        query_pids=people,
        query_feats=features(people),
        query_counts=np.full(len(people), CONTEXT),
        query_dets=np.column_stack([np.repeat(own, CONTEXT, axis=0), np.ones(len(people) * CONTEXT)]),
        query_ctx_feats=features(around.ravel()),
    )
