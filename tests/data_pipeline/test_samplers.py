"""Batches are a function of seed and step."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.samplers import IdentityBatches, ScenePairs, ShuffledBatches
from pipeline.scenes.scene import UNLABELLED

SCENES = [np.array(people) for people in ([0, 1], [1, 2, UNLABELLED], [0], [], [2, 0], [3], [1])]
"""Person 3 is in one scene alone."""
sizes = st.integers(1, 12)
seeds = st.integers(0, 1000)


@given(samples=sizes, batch_size=st.integers(1, 7), seed=seeds)
def test_each_epoch_shows_each_sample_once(samples, batch_size, seed):
    epochs = 3
    steps = -(-epochs * samples // batch_size)
    batches = ShuffledBatches(samples, batch_size, steps, seed)
    drawn = [sample for batch in batches for sample, _ in batch]
    for epoch in range(epochs):
        assert sorted(drawn[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


@given(samples=sizes, batch_size=st.integers(1, 7), seed=seeds, ranks=st.integers(1, 4))
def test_ranks_share_each_batch(samples, batch_size, seed, ranks):
    whole = list(ShuffledBatches(samples, batch_size, 5, seed))
    shares = [list(ShuffledBatches(samples, batch_size, 5, seed, rank, ranks)) for rank in range(ranks)]
    for step, batch in enumerate(whole):
        assert sorted(draw for share in shares for draw in share[step]) == sorted(batch)


def test_epochs_and_changes_differ():
    batches = list(ShuffledBatches(50, 50, 2, seed=0))
    assert [s for s, _ in batches[0]] != [s for s, _ in batches[1]]
    assert len({seed for batch in batches for _, seed in batch}) == 100


def flattened(pairs):
    """Pairs as lists of draws, two a pair."""

    class Flattened:
        def __len__(self):
            return len(pairs)

        def __iter__(self):
            return ([draw for pair in batch for draw in (pair.query, pair.gallery)] for batch in pairs)

    return Flattened()


@pytest.mark.parametrize(
    "make",
    [
        lambda seed, steps: ShuffledBatches(10, 4, steps, seed),
        lambda seed, steps: IdentityBatches(np.repeat(np.arange(5), 3), 3, 2, steps, seed),
        lambda seed, steps: flattened(ScenePairs(SCENES, 4, steps, seed)),
    ],
)
class TestAnySampler:
    def test_the_seed_alone_decides(self, make):
        assert list(make(1, 6)) == list(make(1, 6))
        assert list(make(1, 6)) != list(make(2, 6))

    def test_a_longer_run_begins_as_a_shorter_one(self, make):
        assert list(islice(make(1, 20), 6)) == list(make(1, 6))

    def test_length(self, make):
        assert len(make(0, 6)) == len(list(make(0, 6))) == 6

    def test_every_draw_of_a_run_has_changes_of_its_own(self, make):
        seeds = [seed for batch in make(0, 6) for _, seed in batch]
        assert len(set(seeds)) == len(seeds)


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=9),
    identities=st.integers(1, 5),
    crops=st.integers(1, 4),
    seed=seeds,
)
def test_pk_batches_have_p_people_and_k_crops_of_each(counts, identities, crops, seed):
    people = np.repeat(np.arange(len(counts)) * 3, counts)
    for batch in IdentityBatches(people, identities, crops, 7, seed):
        groups = [batch[i : i + crops] for i in range(0, len(batch), crops)]
        owners = [{int(people[crop]) for crop, _ in group} for group in groups]
        assert [len(group) for group in groups] == [crops] * identities
        assert all(len(owner) == 1 for owner in owners)
        if identities <= len(counts):
            assert len(set.union(*owners)) == identities
        for group, owner in zip(groups, owners, strict=True):
            there = int((people == owner.pop()).sum())
            assert len({crop for crop, _ in group}) == crops or there < crops


def test_pk_batches_show_everybody():
    people = np.repeat(np.arange(7), 2)
    seen = [int(people[crop]) for batch in IdentityBatches(people, 3, 2, 60, 0) for crop, _ in batch]
    shown = np.bincount(seen)
    assert shown.min() > 0.5 * shown.mean()


people_of_scenes = st.lists(
    st.lists(st.integers(UNLABELLED, 4), max_size=4).map(lambda ids: np.array(ids, dtype=np.int64)),
    max_size=8,
)


@given(scenes=people_of_scenes, batch_size=st.integers(1, 5), seed=seeds)
def test_a_pair_is_of_two_scenes_that_show_the_person(scenes, batch_size, seed):
    pairs = ScenePairs(scenes, batch_size, 6, seed)
    shared = {
        index
        for index, people in enumerate(scenes)
        for other, others in enumerate(scenes)
        if index != other and set(people.tolist()) & set(others.tolist()) - {UNLABELLED}
    }
    assert set(pairs.galleries) == shared
    if not shared:
        return
    drawn = [pair for batch in pairs for pair in batch]
    assert len(drawn) == 6 * batch_size
    for pair in drawn:
        assert pair.person_id != UNLABELLED
        assert pair.query[0] != pair.gallery[0]
        assert pair.person_id in scenes[pair.query[0]]
        assert pair.person_id in scenes[pair.gallery[0]]


def test_each_epoch_of_pairs_shows_each_gallery_scene_once_and_draws_anew():
    pairs = ScenePairs(SCENES, 5, 40, seed=3)
    drawn = [pair for batch in pairs for pair in batch]
    epochs = [drawn[start : start + 5] for start in range(0, 200, 5)]
    for epoch in epochs:
        assert sorted(pair.gallery[0] for pair in epoch) == [0, 1, 2, 4, 6]
    assert len({tuple(pair.gallery[0] for pair in epoch) for epoch in epochs}) > 5
    of_first = {(pair.query[0], pair.person_id) for pair in drawn if pair.gallery[0] == 0}
    assert of_first == {(2, 0), (4, 0), (1, 1), (6, 1)}


def test_a_share_of_pairs_has_queries_that_the_gallery_scene_does_not_show():
    drawn = [pair for batch in ScenePairs(SCENES, 5, 80, seed=1, absent=0.4) for pair in batch]
    absent = [pair for pair in drawn if pair.person_id not in SCENES[pair.gallery[0]]]
    assert 0.3 * len(drawn) < len(absent) < 0.5 * len(drawn)
    for pair in drawn:
        assert pair.person_id in SCENES[pair.query[0]]
        assert pair.query[0] != pair.gallery[0]
    everybody = [np.array([0, 1]), np.array([0, 1])]  # nobody is absent anywhere
    assert len([pair for batch in ScenePairs(everybody, 2, 3, 0, absent=1.0) for pair in batch]) == 6


@given(seed=seeds, ranks=st.integers(1, 4), done=st.integers(0, 5))
def test_ranks_share_pairs_and_a_resume_goes_on(seed, ranks, done):
    whole = list(ScenePairs(SCENES, 4, 6, seed))
    assert list(ScenePairs(SCENES, 4, 6, seed, done=done)) == whole[done:]
    shares = [list(ScenePairs(SCENES, 4, 6, seed, rank, ranks)) for rank in range(ranks)]
    for step, batch in enumerate(whole):
        assert [pair for share in shares for pair in share[step]] == batch
