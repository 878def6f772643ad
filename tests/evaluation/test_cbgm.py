import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import cbgm as cbgm_module
from pipeline.evaluation.cbgm import CbgmOptions, rescored
from pipeline.evaluation.scene_boxes import SceneBoxes
from tests.evaluation.slow_reference import largest_matching


def boxes_of(counts, feats):
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return SceneBoxes(offsets, np.zeros((len(feats), 4)), np.ones(len(feats)), np.asarray(feats, dtype=float))


def rescore(similarity, people, found, options, times=None):
    """Return `[G, N]` the similarities in each gallery; by default one of all scenes."""
    times = np.ones((1, len(found.counts)), dtype=np.int64) if times is None else np.array(times)
    changes = rescored(similarity, people, found, times, options)
    result = np.tile(similarity, (len(times), 1))
    result[changes.gallery, changes.rows] = changes.values
    return result


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_box_takes_the_largest_similarity_of_the_heaviest_matching(seed, k2, k1):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 5, 6)
    found = boxes_of(counts, random.normal(size=(counts.sum(), 3)))
    people = random.normal(size=(4, 3))
    similarity = found.feats @ people[0]
    got = rescore(similarity, people, found, CbgmOptions(k1=k1, k2=k2))[0]
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
    got = rescore(similarity, people, found, CbgmOptions(k1=3, k2=2))[0]
    assert got.tolist() == [1.0, 0.0, 0.7]


def test_with_the_query_alone_nothing_changes():
    random = np.random.default_rng(0)
    found = boxes_of([3, 2], random.normal(size=(5, 3)))
    people = random.normal(size=(1, 3))
    similarity = found.feats @ people[0]
    got = rescore(similarity, people, found, CbgmOptions(k1=5, k2=4))[0]
    assert got == pytest.approx(similarity)


def test_a_query_that_stays_without_a_match_changes_nothing():
    found = boxes_of([1], [[0.1, 0.9]])
    people = np.eye(2)
    similarity = found.feats @ people[0]
    got = rescore(similarity, people, found, CbgmOptions(k1=5, k2=2))[0]
    assert got.tolist() == similarity.tolist()


def test_images_outside_the_gallery_and_beyond_k1_stay():
    random = np.random.default_rng(1)
    found = boxes_of([2, 2, 2], random.normal(size=(6, 4)))
    people = random.normal(size=(2, 4))
    similarity = found.feats @ people[0]
    searched = np.array([False, False, True, True, True, True])
    got, none = rescore(similarity, people, found, CbgmOptions(k1=1, k2=2), [[0, 1, 1], [0, 0, 0]])
    changed = set(np.flatnonzero(got != similarity) // 2)
    assert changed <= {int(np.argmax(np.where(searched, similarity, -np.inf))) // 2}
    assert none.tolist() == similarity.tolist()


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_galleries_are_rescored_alone_as_together(seed, k1, tied):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, 8)
    shape = (counts.sum(), 3)
    feats = random.integers(-1, 2, shape) if tied else random.normal(size=shape).round(3)
    found, people = boxes_of(counts, feats), random.integers(-2, 3, (3, 3)).astype(float)
    similarity, options = found.feats @ people[0], CbgmOptions(k1=k1, k2=3)
    times = random.integers(0, 3, (4, 8))
    together = rescore(similarity, people, found, options, times)
    for number, row in enumerate(times):
        alone = rescore(similarity, people, found, options, [row])[0]
        assert together[number] == pytest.approx(alone, abs=1e-12)
        outside = np.repeat(row == 0, counts)
        assert (together[number] == similarity)[outside].all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cbgm_module, "HIGH_BOXES", 2)
        assert (rescore(similarity, people, found, options, times) == together).all()


def test_nothing_to_match():
    options, times = CbgmOptions(k1=2, k2=2), np.ones((2, 2), dtype=np.int64)
    for counts, people in (([0, 0], 2), ([1, 2], 0)):
        found = boxes_of(counts, np.ones((sum(counts), 3)))
        got = rescored(np.ones(sum(counts)), np.ones((people, 3)), found, times, options)
        assert not len(got.gallery) and not len(got.rows) and not len(got.values)


@pytest.mark.parametrize("wrong", [{"k1": 0, "k2": 3}, {"k1": 3, "k2": 0}, {"k1": 1, "k2": 1, "k3": 1}])
def test_options_out_of_range(wrong):
    with pytest.raises(ValueError, match="k"):
        CbgmOptions(**wrong)
