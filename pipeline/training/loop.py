"""The one training loop. What is learned is the task's business; see `student.py` for the distillation."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from pipeline.errors import UserError
from pipeline.training.optimisation import TrainingOptions, build_optimizer, build_scheduler

HISTORY_ROWS = 100
"""Into how many rows the curves of a training are averaged, at most."""

ADVICE = "try a lower learning_rate or a clip_norm"

Row = dict[str, float]
Report = Callable[[int, int, Mapping[str, float]], None]
"""Called after each step with the step, the number of steps and the newest row of the history."""


class Task(Protocol):
    """What a network does in the loop."""

    network: Any
    """A `torch.nn.Module`; the loop puts the one that fabric set up in its place."""
    forward_method: str
    """Name of the network's method that `losses` calls."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Run the network on a batch and return its losses, scalars by name, as they are to be weighted."""
        ...

    def after_step(self) -> None:
        """Do what is due after the optimiser's step."""
        ...


def train(
    fabric: Fabric,
    task: Task,
    batches: Iterable[Any],
    options: TrainingOptions,
    weights: Mapping[str, float],
    report: Report,
) -> list[Row]:
    """Train a task's network.

    Args:
        fabric: the devices.
        task: gives the losses of a batch.
        batches: `options.steps` of them.
        options: optimiser and schedule.
        weights: factor on each loss by name; 1 where a name is not there.
        report: progress.

    Returns:
        The history: rows with `step` (the last one averaged in), `learning_rate`, `total` and each loss.

    Raises:
        UserError: a loss, or a weight at the end, is no longer finite.
    """
    if options.channels_last:
        task.network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer([task.network], options)
    scheduler = build_scheduler(optimizer, options)
    task.network, optimizer = fabric.setup(task.network, optimizer)
    task.network.mark_forward_method(task.forward_method)
    task.network.train()
    history: list[Row] = []
    every = math.ceil(options.steps / HISTORY_ROWS)
    sums: dict[str, float] = {}
    for step, batch in enumerate(batches, start=1):
        # On one device, fabric gives the precision to `forward` only, not to the marked method.
        with fabric.autocast():
            losses = task.losses(fabric.to_device(batch))
        total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        values = _means_over_devices(fabric, {"total": total, **losses})
        _check_finite(step, values)
        fabric.backward(total)
        if options.clip_norm:
            # A step that is not finite shows in the next loss; 16-mixed has such steps, and leaves them out.
            fabric.clip_gradients(
                task.network, optimizer, max_norm=options.clip_norm, error_if_nonfinite=False
            )
        optimizer.step()
        optimizer.zero_grad()
        task.after_step()
        sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
        if step % every == 0 or step == options.steps:
            averaged = step - (history[-1]["step"] if history else 0)
            rate = float(scheduler.get_last_lr()[0])
            means = {name: value / averaged for name, value in sums.items()}
            history.append({"step": step, "learning_rate": rate, **means})
            sums = {}
        scheduler.step()
        report(step, options.steps, history[-1] if history else {})
    _check_weights(task.network)
    with torch.no_grad():
        for buffer in task.network.buffers():  # statistics that each device kept from its share
            buffer.copy_(fabric.broadcast(buffer))
    return history


def _means_over_devices(fabric: Fabric, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the losses as numbers, the same on all devices, so that all write and stop alike."""
    together = torch.stack([loss.detach() for loss in losses.values()])
    means = fabric.all_reduce(together, reduce_op="mean")
    return dict(zip(losses, means.tolist(), strict=True))  # type: ignore[union-attr]


def _check_finite(step: int, values: Mapping[str, float]) -> None:
    bad = [name for name, value in values.items() if not torch.isfinite(torch.tensor(value))]
    if bad:
        raise UserError(f"step {step}: {', '.join(bad)} is not finite; {ADVICE}")


def _check_weights(network: torch.nn.Module) -> None:
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise UserError(f"after the last step, the weights are not finite; {ADVICE}")
