"""The loop itself, around a network of one weight."""

import typing

import pytest
import torch
from torch import nn

from pipeline.basics.errors import UserError
from pipeline.devices import make_fabric
from pipeline.training.engine.history import MOST_POINTS, write_history
from pipeline.training.engine.loop import train
from tests.tiny import silent, training_options


class Line(nn.Module):
    """One weight matrix; what its loss is, it is told."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 1)
        self.dtypes = []

    def loss(self, batch):
        output = self.layer(batch)
        self.dtypes.append(output.dtype)
        return {"square": output.float().square().mean(), "plain": output.float().mean()}


class LineTask:
    forward_method = "loss"
    stateful: typing.ClassVar = {}

    def __init__(self):
        torch.manual_seed(0)
        self.network = Line()
        self.steps_seen = 0

    def losses(self, batch):
        return self.network.loss(batch)

    def counts(self):
        return {}

    def after_batch(self):
        self.steps_seen += 1


def run(task=None, weights=None, batch=None, report=silent, **changes):
    options = training_options(**({"schedule": "step", "warmup_steps": 0} | changes))
    same = torch.ones(1, 2, 1, 1) if batch is None else batch
    task = task or LineTask()
    return task, train(
        make_fabric(options.precision),
        task,
        lambda done: [same] * (options.steps - done),
        options,
        weights or {},
        report,
    )


@pytest.mark.parametrize("steps", [1, 7, 100, 101, 199])
def test_history_covers_all_steps_in_few_rows(steps):
    seen = []
    task, history = run(steps=steps, report=lambda *values: seen.append(values[:2]))
    assert len(history) <= MOST_POINTS
    assert history[-1]["step"] == steps == task.steps_seen
    assert seen == [(step, steps) for step in range(1, steps + 1)]
    assert [row["step"] for row in history] == sorted({row["step"] for row in history})


def test_history_rows_are_means():
    values = iter(range(1, 1000))

    class Counting(LineTask):
        def losses(self, batch):
            losses = super().losses(batch)
            return {"count": losses["plain"] * 0 + next(values)}

    _, history = run(Counting(), steps=250)
    assert [row["count"] for row in history[:2]] == [2.0, 5.0]
    assert history[-1] == pytest.approx({"step": 250, "learning_rate": 3e-3, "total": 250.0, "count": 250.0})


def test_weights_are_factors_on_losses():
    _, history = run(weights={"square": 3.0, "plain": 0.0}, steps=1)
    assert history[0]["total"] == pytest.approx(3 * history[0]["square"])
    only, _ = run(weights={"square": 0.0, "plain": 0.0}, steps=3, weight_decay=0.0)
    assert torch.equal(only.network.layer.weight, LineTask().network.layer.weight)


def test_a_loss_that_is_not_finite():
    with pytest.raises(UserError, match=r"step 1: total, square, plain is not finite; try a lower"):
        run(batch=torch.full((1, 2, 1, 1), torch.nan))


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize(("steps", "says"), [(1, "after the last step, the weights"), (5, "step 2: ")])
def test_a_gradient_that_is_not_finite(clip_norm, steps, says):
    class Steep(LineTask):
        def losses(self, batch):
            return {"root": (super().losses(batch)["plain"] * 0).sqrt()}

    with pytest.raises(UserError, match=says):
        run(Steep(), steps=steps, clip_norm=clip_norm)


def test_clipping_bounds_the_step():
    free, _ = run(
        optimizer="sgd", clip_norm=0.0, steps=1, batch=torch.full((1, 2, 1, 1), 50.0), weight_decay=0.0
    )
    bound, _ = run(
        optimizer="sgd", clip_norm=1.0, steps=1, batch=torch.full((1, 2, 1, 1), 50.0), weight_decay=0.0
    )
    start = LineTask().network.layer
    moved = [
        torch.cat(
            [
                (p - q).detach().flatten()
                for p, q in zip(t.network.parameters(), start.parameters(), strict=True)
            ]
        )
        for t in (free, bound)
    ]
    assert moved[1].norm() == pytest.approx(3e-3, rel=1e-3)
    assert moved[0].norm() > 10 * moved[1].norm()


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_precision_reaches_the_network(precision, dtype):
    task, _ = run(precision=precision, steps=2)
    assert task.network.dtypes == [dtype] * 2
    assert all(parameter.dtype == torch.float32 for parameter in task.network.parameters())


@pytest.mark.parametrize("channels_last", [False, True])
def test_channels_last_is_the_layout_of_the_weights(channels_last):
    task = LineTask()
    task.network.layer = nn.Conv2d(2, 2, 3, padding=1)
    run(task, channels_last=channels_last, batch=torch.ones(1, 2, 4, 4), steps=1)
    weight = task.network.layer.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_history_file(tmp_path):
    rows = [{"step": 10, "total": 0.123456789}, {"step": 20.0, "total": 12345678.0}]
    write_history(tmp_path / "results" / "training.tsv", rows)
    assert (
        tmp_path / "results" / "training.tsv"
    ).read_bytes() == b"step\ttotal\n10\t0.123457\n20\t1.23457e+07\n"
