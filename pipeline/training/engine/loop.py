"""The one training loop. A task says what is learned: for the distillation see `StudentTask`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pipeline.basics.errors import UserError
from pipeline.basics.interruption import Interrupted, Interruption
from pipeline.basics.progress import TrainingProgress
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import History, Point
from pipeline.training.engine.memory_layout import channels_last_is_safe
from pipeline.training.engine.optimisation import TrainingOptions, build_optimizer, build_scheduler
from pipeline.training.engine.state import TrainingState

ADVICE = "try a lower learning_rate or a clip_norm"

Batches = Callable[[int], Iterable[Any]]
"""Called with how many steps are done; returns the batches that are left."""


class Task(Protocol):
    """What a network does in the loop."""

    network: Any
    """A `torch.nn.Module`; the loop puts the one that fabric set up in its place."""
    forward_method: str
    """Name of the network's method that `losses` calls."""
    stateful: Mapping[str, torch.nn.Module]
    """What beside the network changes from step to step."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Run the network on a batch and return its losses, scalars by name, as they are to be weighted."""
        ...

    def after_step(self) -> None:
        """Do what is due after the optimiser's step."""
        ...


def train(
    fabric: Fabric,
    task: Task,
    batches: Batches,
    options: TrainingOptions,
    weights: Mapping[str, float],
    progress: TrainingProgress,
    checkpoints: Checkpoints | None = None,
) -> list[Point]:
    """Train a task's network, from the newest checkpoint on if there is one.

    Args:
        fabric: the devices.
        task: gives the losses of a batch.
        batches: gives `options.steps` of them, or what is left of them.
        options: optimiser and schedule.
        weights: factor on each loss by name; 1 where a name is not there.
        progress: called after each step.
        checkpoints: where the state is kept; None for nowhere.

    Returns:
        The history: points with `step` (the last of its stretch), `learning_rate`, `total` and each loss.

    Raises:
        UserError: a loss, or a weight at the end, is no longer finite.
        Interrupted: SIGTERM or Ctrl-C came; with `checkpoints`, the state is kept.
    """
    optimizer, scheduler = set_up(fabric, task, options)
    state = TrainingState(fabric, {"network": task.network, **task.stateful}, optimizer, scheduler)
    history = History(options.steps)
    done = go_on(fabric, checkpoints, state, history)
    with Interruption() as interruption:
        for step, batch in enumerate(batches(done), start=done + 1):
            losses = training_step(fabric, task, batch, optimizer, weights, options.clip_norm)
            values = _means_over_devices(fabric, losses)
            _check_finite(step, values)
            history.add(step, float(scheduler.get_last_lr()[0]), values)
            scheduler.step()
            progress(step, options.steps, history.newest)
            stopped_by = _over_devices(fabric, interruption.signal or 0, "max")
            if checkpoints is not None and (stopped_by or checkpoints.due(step)):
                checkpoints.write(step, {"training": state.take(), "history": history.take()})
            if stopped_by:
                raise Interrupted(stopped_by, step)
    _check_weights(task.network)
    with torch.no_grad():
        for buffer in task.network.buffers():  # statistics that each device kept from its share
            buffer.copy_(fabric.broadcast(buffer))
    return history.points


def set_up(fabric: Fabric, task: Task, options: TrainingOptions) -> tuple[Optimizer, LRScheduler]:
    """Put a task's network on its device, in training mode; return its optimiser and schedule."""
    if options.channels_last and channels_last_is_safe(task.network, fabric.device):
        task.network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer([task.network], options)
    scheduler = build_scheduler(optimizer, options)
    task.network, optimizer = fabric.setup(task.network, optimizer)
    task.network.mark_forward_method(task.forward_method)
    task.network.train()
    return optimizer, scheduler


def training_step(
    fabric: Fabric,
    task: Task,
    batch: Any,
    optimizer: Optimizer,
    weights: Mapping[str, float],
    clip_norm: float,
) -> dict[str, Tensor]:
    """Take one step of a training: losses, gradients, the optimiser, and what the task has to do after it.

    Args:
        fabric: the devices; it has set up the task's network and the optimiser.
        task: gives the losses of the batch.
        batch: on any device.
        optimizer: of the task's network.
        weights: factor on each loss by name; 1 where a name is not there.
        clip_norm: longest gradient, over all parameters; 0 for any length.

    Returns:
        The losses of this device's share, without gradients, and as `total` what was minimised. They may be
        infinite or NaN.
    """
    # On one device, fabric gives the precision to `forward` only, not to the marked method.
    with fabric.autocast():
        losses = task.losses(fabric.to_device(batch))
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    fabric.backward(total)
    if clip_norm:
        # A step that is not finite shows in the next loss; 16-mixed has some, and leaves them out.
        fabric.clip_gradients(task.network, optimizer, max_norm=clip_norm, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad()
    task.after_step()
    return {name: loss.detach() for name, loss in {"total": total, **losses}.items()}


def go_on(fabric: Fabric, checkpoints: Checkpoints | None, state: TrainingState, history: History) -> int:
    """Put back the newest checkpoint that all devices have, and return how many steps are done: 0 without."""
    checkpoint = checkpoints.newest() if checkpoints is not None else None
    if fabric.world_size > 1 and checkpoints is not None:
        # Each device has its own; a kill may have hit between two of them, and one may be damaged.
        common = _over_devices(fabric, checkpoint.step if checkpoint else 0, "min")
        checkpoint = checkpoints.newest(common) if common else None
        if _over_devices(fabric, checkpoint.step if checkpoint else 0, "min") != common:
            return 0
    if checkpoint is None:
        return 0
    state.put_back(checkpoint.state["training"])
    history.put_back(checkpoint.state["history"])
    return checkpoint.step


def _over_devices(fabric: Fabric, number: int, which: Literal["min", "max"]) -> int:
    """Return the least or the greatest of the numbers that the devices have, so that all do the same."""
    return int(fabric.all_reduce(torch.tensor(number, device=fabric.device), reduce_op=which))  # type: ignore[arg-type]


def _means_over_devices(fabric: Fabric, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the losses as numbers, the same on all devices, so that all write and stop alike."""
    together = torch.stack(list(losses.values()))
    means = fabric.all_reduce(together, reduce_op="mean")
    return dict(zip(losses, means.tolist(), strict=True))  # type: ignore[union-attr]


def _check_finite(step: int, values: Mapping[str, float]) -> None:
    bad = [name for name, value in values.items() if not torch.isfinite(torch.tensor(value))]
    if bad:
        raise UserError(f"step {step}: {', '.join(bad)} is not finite; {ADVICE}")


def _check_weights(network: torch.nn.Module) -> None:
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise UserError(f"after the last step, the weights are not finite; {ADVICE}")
