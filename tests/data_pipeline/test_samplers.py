"""Batches are a function of seed and step."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.samplers import IdentityBatches, ShuffledBatches

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


@pytest.mark.parametrize(
    "make",
    [
        lambda seed, steps: ShuffledBatches(10, 4, steps, seed),
        lambda seed, steps: IdentityBatches(np.repeat(np.arange(5), 3), 3, 2, steps, seed),
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
