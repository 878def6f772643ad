import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import box_pairs
from pipeline.evaluation.person_boxes import person_boxes
from pipeline.evaluation.scene_boxes import SceneBoxes, detected_boxes
from pipeline.scenes.scene import Galleries, Scene
from tests.evaluation import slow_reference
from tests.evaluation.cases import random_case

SEEDS = st.integers(0, 2**32 - 1)


def plain(split, found, galleries, index):
    """Return `(gallery, place, scene, boxes on the person)` of one query, box by box."""
    entries = []
    for number, protocol in enumerate(galleries):
        gallery = protocol.of_query(index, split.queries[index].scene, split.cameras)
        truth = {}
        for place, box in zip(gallery.positives.tolist(), gallery.boxes, strict=True):
            truth.setdefault(place, box)
        for place, box in sorted(truth.items()):
            scene = int(gallery.scenes[place])
            width, height = box[2] - box[0], box[3] - box[1]
            needed = min(0.5, width * height / ((width + 10) * (height + 10)))
            own = range(found.offsets[scene], found.offsets[scene + 1])
            rows = [row for row in own if slow_reference.iou(found.boxes[row], box) >= needed]
            if rows:
                entries.append((number, place, scene, rows))
    return entries


@given(SEEDS, st.sampled_from([1, 7, 100_000]))
@settings(max_examples=60, deadline=None)
def test_they_are_the_plain_loops(seed, pairs):
    split, detections = random_case(seed, queries=6)
    found, galleries = detected_boxes(split, detections), tuple(split.galleries.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_pairs, "PAIRS_AT_ONCE", pairs)
        got = person_boxes(galleries, len(split.queries), found)
    for index, query in enumerate(split.queries):
        entries = [
            (
                int(got.gallery[appearance]),
                int(got.place[appearance]),
                int(got.scene[appearance]),
                got.rows[got.row_offsets[appearance] : got.row_offsets[appearance + 1]].tolist(),
            )
            for appearance in range(got.offsets[index], got.offsets[index + 1])
        ]
        assert entries == plain(split, found, galleries, index)
        matches = [
            len(set(protocol.of_query(index, query.scene, split.cameras).positives.tolist()))
            for protocol in galleries
        ]
        assert got.matches[:, index].tolist() == matches


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_times_are_those_of_the_lists(seed):
    split, _ = random_case(seed, scenes=15, queries=5)
    for index, query in enumerate(split.queries):
        for protocol in split.galleries.values():
            times = protocol.times_of_query(index, query.scene, split.cameras)
            listed = protocol.of_query(index, query.scene, split.cameras).scenes.tolist()
            assert times.tolist() == [listed.count(scene) for scene in range(len(split.scenes))]


def test_of_a_place_that_is_named_twice_the_first_box_counts():
    scene = Scene("s0.jpg", np.array([[0.0, 0.0, 20.0, 40.0]]), np.array([0]))
    apart = [[500.0, 0.0, 520.0, 40.0], [0.0, 0.0, 20.0, 40.0]]
    found = SceneBoxes(np.array([0, 0, 1]), scene.boxes, np.ones(1), np.ones((1, 1)))
    for boxes, on_person in ((apart, []), (apart[::-1], [0])):
        protocol = Galleries(
            "none",
            np.array([0, 1]),
            np.array([1], np.int32),
            np.array([0, 2]),
            np.array([0, 0]),
            np.array(boxes),
        )
        got = person_boxes((protocol,), 1, found)
        assert (got.matches.tolist(), got.rows.tolist()) == ([[1]], on_person)
