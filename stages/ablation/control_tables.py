"""Tables without the teacher's knowledge (ours): a student that gains from them gains from fixed targets."""

from dataclasses import replace
from typing import Literal

import numpy as np

from pipeline.lookup_table import LookupTable
from pipeline.scenes.scene import IntArray

Control = Literal["random", "permuted"]
NO_TEACHER = "none"


def control_table(table: LookupTable, control: Control, seed: int) -> LookupTable:
    """Return a control of a teacher's table, for the same people.

    Args:
        table: the teacher's.
        control: `random`: rows of random orthonormal bases. They are far apart and hold no knowledge of any
            person. `permuted`: the teacher's rows, each given to another person: the same geometry, the wrong
            people.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    people, dim = table.features.shape
    if control == "permuted":
        return replace(table, features=table.features[_without_fixed_points(people, rng)])
    bases = [np.linalg.qr(rng.standard_normal((dim, dim)))[0] for _ in range(-(-people // dim))]
    rows = np.concatenate(bases)[:people].astype(np.float32)
    return replace(table, features=rows, teacher_sha256=NO_TEACHER)


def _without_fixed_points(number: int, rng: np.random.Generator) -> IntArray:
    """Return a random cyclic permutation of `number` places. None keeps its number, unless it is alone."""
    order = rng.permutation(number)
    result = np.empty(number, dtype=np.int64)
    result[order] = np.roll(order, 1)
    return result
