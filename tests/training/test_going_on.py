"""From which checkpoint several devices go on, each of which has its own."""

from types import SimpleNamespace

import pytest
import torch

from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.resume import OWN, SHARED, go_on
from pipeline.training.engine.state import random_state


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ((8, 8), 8),
        ((12, 8), 8),  # a kill came between the two
        ((4, 4), 4),
        ((0, 0), 0),  # the other has none
        ((4, 0), 0),  # the other has a newer one, and not that of step 4
        ((2, 2), 0),  # here is none so old
    ],
)
def test_all_go_on_from_the_same_step_or_none_does(tmp_path, other, wanted):
    """`other`: the step that the other device would go on from, before and after both know each other's."""
    checkpoints, taken = Checkpoints(tmp_path, steps=4), []
    for step in (4, 8):
        shared = {"training": f"state {step}", "history": f"history {step}"}
        checkpoints.write(step, {SHARED: shared, OWN: random_state()})
    its_answers = iter(other)
    fabric = SimpleNamespace(
        world_size=2,
        broadcast=lambda shared: shared,
        device=torch.device("cpu"),
        all_reduce=lambda own, reduce_op: {"min": min}[reduce_op](int(own), next(its_answers)),
    )
    keeper = SimpleNamespace(put_back=taken.append)
    assert go_on(fabric, checkpoints, keeper, keeper) == wanted
    assert taken == ([f"state {wanted}", f"history {wanted}"] if wanted else [])
