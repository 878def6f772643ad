"""Which scenes of a pool go to which split: each to one, and neighbouring frames to the same.

Neighbouring frames show the same people and the same background, so frames of one second must not be on both
sides. Hence either whole sequences go to a split, those that share a person together; or each sequence is cut
in time, in one piece for each split. The method is ours.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from pipeline.datasets.pool import Pool, generator_of, natural
from pipeline.datasets.split_options import SplitOptions
from pipeline.scenes.scene import UNLABELLED

DRAWS = 64
"""How many random orders of the groups are tried; the one that comes nearest to the shares is taken."""
LEAST_OF_SHARE = 1 / 3
"""With `auto`, whole sequences are kept together where each split gets this part of its share at least."""
SHORT = 10
"""Sequences of fewer scenes are not cut in time each, but laid end to end and cut together."""

Division = Mapping[str, Sequence[int]]
"""For each split, the indices of its scenes in the pool, ascending."""


def divide_scenes(pool: Pool, options: SplitOptions) -> Division:
    """Return the scenes of each split that has a share; together they are all scenes, each once."""
    if options.by == "time":
        return _by_time(pool, options)
    division = _by_groups(_groups(pool), options)
    if options.by == "sequences" or _is_near(division, options):
        return division
    return _by_time(pool, options)


def _is_near(division: Division, options: SplitOptions) -> bool:
    total = sum(map(len, division.values()))
    least = {split: LEAST_OF_SHARE * share * total for split, share in options.shares.items()}
    return all(0 < len(division[split]) >= least[split] for split in options.shares)


def _members(pool: Pool) -> dict[str, list[int]]:
    """Return the scenes of each sequence, sequences in natural order."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, sequence in enumerate(pool.sequences):
        members[sequence].append(index)
    return {sequence: members[sequence] for sequence in sorted(members, key=natural)}


def _groups(pool: Pool) -> list[list[int]]:
    """Return groups of scenes: sequences that share people, directly or through others, are in one group."""
    leader: dict[str, str] = {}

    def lead(node: str) -> str:
        while leader.setdefault(node, node) != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    # Sequences and people are the nodes of a graph; a letter in front keeps their names apart.
    for scene, sequence in zip(pool.scenes, pool.sequences, strict=True):
        for person in np.unique(scene.person_ids[scene.person_ids != UNLABELLED]):
            leader[lead(f"p{person}")] = lead(f"s{sequence}")
    groups: dict[str, list[int]] = defaultdict(list)
    for sequence, scenes in _members(pool).items():
        groups[lead(f"s{sequence}")] += scenes
    return list(groups.values())


def _by_groups(groups: Sequence[Sequence[int]], options: SplitOptions) -> Division:
    generator = generator_of(options.seed, "groups")
    total = sum(map(len, groups))
    best: dict[str, list[int]] = {}
    nearest = np.inf
    for _ in range(DRAWS):
        drawn = _filled([groups[index] for index in generator.permutation(len(groups))], options.shares)
        off = sum(abs(len(drawn[split]) / max(total, 1) - share) for split, share in options.shares.items())
        if off < nearest - 1e-9:
            best, nearest = drawn, off
    return {split: sorted(scenes) for split, scenes in best.items()}


def _filled(groups: Sequence[Sequence[int]], shares: Mapping[str, float]) -> dict[str, list[int]]:
    """Give each group to the split that lacks most; the last groups to splits that have none yet."""
    total = sum(map(len, groups))
    given: dict[str, list[int]] = {split: [] for split in shares}
    for index, group in enumerate(groups):
        empty = [split for split in shares if not given[split]]
        open_to = empty if len(groups) - index <= len(empty) else list(shares)
        lacking = {split: shares[split] * total - len(given[split]) for split in open_to}
        given[max(lacking, key=lambda split: lacking[split])].extend(group)
    return given


def _by_time(pool: Pool, options: SplitOptions) -> Division:
    """Cut each sequence in as many pieces as there are splits.

    All sequences are cut in the same order: cameras that film at the same time then agree on what is when.
    """
    shares = options.shares
    order = [list(shares)[index] for index in generator_of(options.seed, "time").permutation(len(shares))]
    borders = np.cumsum([0.0, *(shares[split] for split in order)])
    members = list(_members(pool).values())
    long = [scenes for scenes in members if len(scenes) >= SHORT]
    short = [index for scenes in members if len(scenes) < SHORT for index in scenes]
    given: dict[str, list[int]] = {split: [] for split in shares}
    for scenes in [*long, short]:
        cuts = np.rint(borders * len(scenes)).astype(int).tolist()
        for split, (start, end) in zip(order, pairwise(cuts), strict=True):
            given[split] += scenes[start:end]
    return {split: sorted(scenes) for split, scenes in given.items()}
