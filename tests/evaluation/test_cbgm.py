import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.cbgm import CbgmOptions, rescore
from pipeline.evaluation.scene_boxes import SceneBoxes
from tests.evaluation.slow_reference import largest_matching


def boxes_of(counts, feats):
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return SceneBoxes(offsets, np.zeros((len(feats), 4)), np.ones(len(feats)), np.asarray(feats, dtype=float))


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_box_takes_the_largest_similarity_of_the_heaviest_matching(seed, k2, k1):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 5, 6)
    found = boxes_of(counts, random.normal(size=(counts.sum(), 3)))
    people = random.normal(size=(4, 3))
    similarity = found.feats @ people[0]
    searched = np.ones(len(similarity), dtype=bool)
    got = rescore(similarity, people, found, searched, CbgmOptions(k1=k1, k2=k2))
    wanted = similarity.copy()
    last = np.sort(similarity)[-k1] if k1 <= len(similarity) else -np.inf
    for begin, end in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        if end > begin and similarity[begin:end].max() >= last:
            weights = people[:k2] @ found.feats[begin:end].T
            pairs = dict(largest_matching(weights))
            if 0 in pairs:
                wanted[begin + pairs[0]] = max(weights[pair] for pair in pairs.items())
    assert got == pytest.approx(wanted, abs=1e-12)


def test_context_lifts_the_image_with_the_same_company():
    found = boxes_of([2, 1], [[0.6, 0.0], [0.0, 1.0], [0.7, 0.0]])
    people = np.eye(2)
    similarity = found.feats @ people[0]
    got = rescore(similarity, people, found, np.ones(3, dtype=bool), CbgmOptions(k1=3, k2=2))
    assert got.tolist() == [1.0, 0.0, 0.7]


def test_with_the_query_alone_nothing_changes():
    random = np.random.default_rng(0)
    found = boxes_of([3, 2], random.normal(size=(5, 3)))
    people = random.normal(size=(1, 3))
    similarity = found.feats @ people[0]
    everywhere = np.ones(5, dtype=bool)
    assert rescore(similarity, people, found, everywhere, CbgmOptions(k1=5, k2=4)) == pytest.approx(
        similarity
    )


def test_a_query_that_stays_without_a_match_changes_nothing():
    found = boxes_of([1], [[0.1, 0.9]])
    people = np.eye(2)
    similarity = found.feats @ people[0]
    got = rescore(similarity, people, found, np.ones(1, dtype=bool), CbgmOptions(k1=5, k2=2))
    assert got.tolist() == similarity.tolist()


def test_images_outside_the_gallery_and_beyond_k1_stay():
    random = np.random.default_rng(1)
    found = boxes_of([2, 2, 2], random.normal(size=(6, 4)))
    people = random.normal(size=(2, 4))
    similarity = found.feats @ people[0]
    searched = np.array([False, False, True, True, True, True])
    got = rescore(similarity, people, found, searched, CbgmOptions(k1=1, k2=2))
    changed = set(np.flatnonzero(got != similarity) // 2)
    assert changed <= {int(np.argmax(np.where(searched, similarity, -np.inf))) // 2}
    assert rescore(similarity, people, found, np.zeros(6, bool), CbgmOptions(k1=1, k2=2)) is similarity


@pytest.mark.parametrize("wrong", [{"k1": 0, "k2": 3}, {"k1": 3, "k2": 0}, {"k1": 1, "k2": 1, "k3": 1}])
def test_options_out_of_range(wrong):
    with pytest.raises(ValueError, match="k"):
        CbgmOptions(**wrong)
