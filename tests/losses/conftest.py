"""People for identity losses: unit embeddings, ids with repeats and unlabelled ones, and a table."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.scenes.scene import UNLABELLED

IDENTITIES, DIM = 5, 6


class People(NamedTuple):
    """`embeddings` `[P, D]` (a leaf, float64), `person_ids` `[P]` and a teacher's `table` `[I, D]`."""

    embeddings: Tensor
    person_ids: Tensor
    table: Tensor


@pytest.fixture
def people() -> People:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(7 + IDENTITIES, DIM, generator=generator, dtype=torch.float64)
    unit = functional.normalize(rows, dim=1)
    ids = torch.tensor([3, UNLABELLED, 0, 3, UNLABELLED, 4, 1])
    return People(unit[:7].clone().requires_grad_(), ids, unit[7:].clone())
