"""Which samples are in which batch: a function of the seed and the step, so that a resume changes nothing."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from torch.utils.data import Sampler

from pipeline.scenes.scene import UNLABELLED, IntArray

Sample = TypeVar("Sample")
Draw = tuple[int, int]
"""The index of a sample to load, and the seed of its random changes."""


class ShuffledBatches(Sampler[list[Draw]]):
    """Batches over endless shuffled epochs; each epoch shows every sample once.

    Args:
        samples: number of samples.
        batch_size: number of samples in a batch, over all ranks together.
        steps: number of batches in the whole training; `steps - done` are yielded.
        seed: of the shuffling and of each sample's random changes.
        rank: which share of each batch to yield, `0 .. ranks-1`.
        ranks: number of shares in a batch.
        done: how many batches to leave out at the start.
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        steps: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        done: int = 0,
    ) -> None:
        self.samples, self.batch_size, self.steps, self.seed = samples, batch_size, steps, seed
        self.rank, self.ranks, self.done = rank, ranks, done

    def __len__(self) -> int:
        """Return the number of batches that are left."""
        return self.steps - self.done

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield batches of (sample, seed of its changes)."""
        for step in range(self.done, self.steps):
            batch = range(step * self.batch_size, (step + 1) * self.batch_size)
            positions = share_of(batch, self.rank, self.ranks)
            yield [(self._sample_at(position), _draw_seed(self.seed, position)) for position in positions]

    def _sample_at(self, position: int) -> int:
        epoch, place = divmod(position, self.samples)
        return int(_shuffled(self.samples, self.seed, epoch)[place])


class IdentityBatches(Sampler[list[Draw]]):
    """PK sampling: P identities a batch, K crops of each (Hermans et al., 2017).

    Identities come in endless shuffled epochs. The last identities of an epoch, fewer than P, are left out,
    so that nobody is in a batch twice (unless there are fewer than P identities). Of an identity with fewer
    than K crops, K are drawn with replacement.

    Args:
        person_ids: `[N]` identity of each crop.
        identities_per_batch: P.
        crops_per_identity: K.
        steps: number of batches in the whole training; `steps - done` are yielded.
        seed: of the order, the choice of crops, and their random changes.
        rank: which share of each batch to yield, `0 .. ranks-1`.
        ranks: number of shares in a batch.
        done: how many batches to leave out at the start.
    """

    def __init__(
        self,
        person_ids: IntArray,
        identities_per_batch: int,
        crops_per_identity: int,
        steps: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        done: int = 0,
    ) -> None:
        self.rank, self.ranks = rank, ranks
        self.crops_of = [np.flatnonzero(person_ids == person) for person in np.unique(person_ids)]
        self.identities, self.crops = identities_per_batch, crops_per_identity
        self.steps, self.seed, self.done = steps, seed, done

    def __len__(self) -> int:
        """Return the number of batches that are left."""
        return self.steps - self.done

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield batches of (crop, seed of its changes), identity by identity."""
        for step in range(self.done, self.steps):
            batch: list[Draw] = []
            for turn in range(self.identities):
                position = step * self.identities + turn
                crops = self.crops_of[self._identity_at(step, turn)]
                rng = np.random.default_rng([self.seed, 1, position])
                chosen = rng.choice(crops, self.crops, replace=len(crops) < self.crops)
                batch += [
                    (int(crop), _draw_seed(self.seed, position * self.crops + i))
                    for i, crop in enumerate(chosen)
                ]
            yield list(share_of(batch, self.rank, self.ranks))

    def _identity_at(self, step: int, turn: int) -> int:
        people = len(self.crops_of)
        epoch, batch = divmod(step, max(1, people // self.identities))
        place = (batch * self.identities + turn) % people
        return int(_shuffled(people, self.seed, epoch)[place])


class PairDraw(NamedTuple):
    """A pair of scenes to load: the query's, whose person it is, and the gallery scene."""

    query: Draw
    person_id: int
    gallery: Draw


class ScenePairs(Sampler[list[PairDraw]]):
    """Pairs of scenes that show the same person (ours; the paper has all pairs of CUHK-SYSU's training set).

    Gallery scenes come in endless shuffled epochs of all scenes that show somebody who is in another scene
    too. Each time, one such person is drawn, and a query scene among the others that show that person. In a
    share of the pairs, the query is somebody else instead, whom the gallery scene does not show.

    Args:
        person_ids: by scene `[N]`, `0 .. I-1` or `UNLABELLED`.
        batch_size: number of pairs in a batch, over all ranks together.
        absent: that share, 0..1.
        steps: number of batches in the whole training; `steps - done` are yielded.
        seed: of the order, the draws, and the random changes of each scene.
        rank: which share of each batch to yield, `0 .. ranks-1`.
        ranks: number of shares in a batch.
        done: how many batches to leave out at the start.
    """

    def __init__(
        self,
        person_ids: Sequence[IntArray],
        batch_size: int,
        steps: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        done: int = 0,
        absent: float = 0.0,
    ) -> None:
        self.batch_size, self.steps, self.seed, self.absent = batch_size, steps, seed, absent
        self.rank, self.ranks, self.done = rank, ranks, done
        scenes_of: dict[int, list[int]] = {}
        for scene, people in enumerate(person_ids):
            for person in np.unique(people[people != UNLABELLED]).tolist():
                scenes_of.setdefault(person, []).append(scene)
        self.scenes_of = {person: scenes for person, scenes in scenes_of.items() if len(scenes) > 1}
        self.people_in: dict[int, list[int]] = {}
        for person, scenes in self.scenes_of.items():
            for scene in scenes:
                self.people_in.setdefault(scene, []).append(person)
        self.galleries = sorted(self.people_in)

    def __len__(self) -> int:
        """Return the number of batches that are left."""
        return self.steps - self.done

    def __iter__(self) -> Iterator[list[PairDraw]]:
        """Yield batches of pairs."""
        for step in range(self.done, self.steps):
            batch = range(step * self.batch_size, (step + 1) * self.batch_size)
            yield [self._pair_at(position) for position in share_of(batch, self.rank, self.ranks)]

    def _pair_at(self, position: int) -> PairDraw:
        epoch, place = divmod(position, len(self.galleries))
        gallery = self.galleries[_shuffled(len(self.galleries), self.seed, epoch)[place]]
        rng = np.random.default_rng([self.seed, 1, position])
        person = self._person_for(gallery, rng)
        query = int(rng.choice([scene for scene in self.scenes_of[person] if scene != gallery]))
        return PairDraw(
            (query, _draw_seed(self.seed, 2 * position)),
            person,
            (gallery, _draw_seed(self.seed, 2 * position + 1)),
        )

    def _person_for(self, gallery: int, rng: np.random.Generator) -> int:
        there = self.people_in[gallery]
        if self.absent and rng.random() < self.absent and len(there) < len(self.scenes_of):
            return int(rng.choice(sorted(self.scenes_of.keys() - set(there))))
        return int(rng.choice(there))


def share_of(batch: Sequence[Sample], rank: int, ranks: int) -> Sequence[Sample]:
    """Return the part of a batch that a rank takes. The parts in order are the batch; no two differ by more
    than one sample in length."""
    start, end = (part * len(batch) // ranks for part in (rank, rank + 1))
    return batch[start:end]


@lru_cache(maxsize=4)
def _shuffled(count: int, seed: int, epoch: int) -> IntArray:
    return np.random.default_rng([seed, 0, epoch]).permutation(count)


def _draw_seed(seed: int, position: int) -> int:
    return int(np.random.SeedSequence([seed, 2, position]).generate_state(1)[0])
