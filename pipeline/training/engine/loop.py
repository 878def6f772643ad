"""The one training loop. A task says what is learned: for the distillation see `StudentTask`."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, runtime_checkable

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
from pipeline.training.engine.joint import joint_losses, over_devices, synchronise_batch_norm
from pipeline.training.engine.memory_layout import channels_last_is_safe
from pipeline.training.engine.optimisation import TrainingOptions, build_optimizer, build_scheduler
from pipeline.training.engine.resume import go_on, to_keep
from pipeline.training.engine.state import TrainingState

LOOK_EVERY = 10
"""Steps on a GPU from one look at losses, signals and clock to the next. On the CPU it is each step."""
ADVICE = "try a lower learning_rate or a clip_norm"

Batches = Callable[[int], Iterable[Any]]
"""Called with how many steps are done; returns the batches that are left."""


@runtime_checkable
class HasBackbone(Protocol):
    """A network whose backbone PyTorch can compile."""

    def compile_backbone(self) -> None:
        """Let the backbone be compiled at its first call, in place: the names of its weights stay."""
        ...


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

    def counts(self) -> Mapping[str, int]:
        """Return how much each of the newest losses is a mean over, on this device.

        A loss without an entry must be computed over the joint batch already, so that all devices have it.
        """
        ...

    def after_batch(self) -> None:
        """Do what is due after a batch's gradients are known."""
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
    newest = _Newest(fabric, history)
    every = LOOK_EVERY if fabric.device.type == "cuda" else 1
    with Interruption() as interruption:
        for step, batch in enumerate(_accumulated(batches(done), options.accumulate), start=done + 1):
            losses = training_step(fabric, task, batch, optimizer, weights, options.clip_norm)
            newest.add(step, float(scheduler.get_last_lr()[0]), losses)
            scheduler.step()
            looking = step % every == 0 or step == options.steps
            if looking:
                newest.look()
            progress(step, options.steps, history.newest)
            if looking:
                stopped_by = over_devices(fabric, interruption.signal or 0, "max")
                if checkpoints is not None and (stopped_by or _is_due(fabric, checkpoints, step, options)):
                    checkpoints.write(step, to_keep(fabric, state, history))
                if stopped_by:
                    raise Interrupted(stopped_by, step)
    _check_weights(task.network)
    return history.points


def set_up(fabric: Fabric, task: Task, options: TrainingOptions) -> tuple[Optimizer, LRScheduler]:
    """Prepare a task's network for training; return its optimiser and schedule.

    It gets its device, memory layout and joint batch statistics, and is compiled where that is asked for.
    """
    synchronise_batch_norm(task.network, fabric.device)
    if options.channels_last and channels_last_is_safe(task.network, fabric.device):
        task.network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer([task.network], options)
    scheduler = build_scheduler(optimizer, options)
    # In 16-mixed, a step is left out where a gradient is not finite, which PyTorch takes for a wrong order.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
    if options.compile:
        for module in task.network.modules():
            if isinstance(module, HasBackbone):
                module.compile_backbone()
    task.network, optimizer = fabric.setup(task.network, optimizer)
    task.network.mark_forward_method(task.forward_method)
    task.network.train()
    return optimizer, scheduler


def training_step(
    fabric: Fabric,
    task: Task,
    batches: Sequence[Any],
    optimizer: Optimizer,
    weights: Mapping[str, float],
    clip_norm: float,
) -> dict[str, Tensor]:
    """Take one step of a training: losses, gradients, the optimiser, and what the task has to do after it.

    Args:
        fabric: the devices; it has set up the task's network and the optimiser.
        task: gives the losses of a batch.
        batches: this device's part of each; the gradients of all batches are averaged.
        optimizer: of the task's network.
        weights: factor on each loss by name; 1 where a name is not there.
        clip_norm: longest gradient, over all parameters; 0 for any length.

    Returns:
        The losses, without gradients, and as `total` what was minimised: means over the batches. With several
        devices, their mean over devices is that of the joint batches. They may be infinite or NaN.
    """
    seen: list[dict[str, Tensor]] = []
    for number, batch in enumerate(batches, start=1):
        # Gradients of several devices are brought together once a step, with the last batch.
        with fabric.no_backward_sync(task.network, enabled=number < len(batches)):
            # On one device, fabric gives the precision to `forward` only, not to the marked method.
            with fabric.autocast():
                losses = joint_losses(task.losses(fabric.to_device(batch)), task.counts)
            total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
            fabric.backward(total / len(batches))
        task.after_batch()
        seen.append({name: loss.detach() for name, loss in {"total": total, **losses}.items()})
    if clip_norm:
        # A step that is not finite shows in the next loss; 16-mixed has some, and leaves them out.
        fabric.clip_gradients(task.network, optimizer, max_norm=clip_norm, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad()
    return {name: sum(losses[name] for losses in seen) / len(seen) for name in seen[0]}  # type: ignore[misc]


def _is_due(fabric: Fabric, checkpoints: Checkpoints, step: int, options: TrainingOptions) -> bool:
    """Tell all devices alike whether a checkpoint is due. After the last step it is: no output exists yet."""
    due = step == options.steps or checkpoints.due(step)
    return bool(over_devices(fabric, int(due), "max"))


def _accumulated(batches: Iterable[Any], count: int) -> Iterator[list[Any]]:
    """Yield lists of `count` batches."""
    remaining = iter(batches)
    while batch := list(islice(remaining, count)):
        yield batch


class _Newest:
    """The losses of the steps that were not looked at yet: to look, the processor waits for the device."""

    def __init__(self, fabric: Fabric, history: History) -> None:
        self._fabric, self._history = fabric, history
        self._steps: list[tuple[int, float]] = []
        self._names: list[str] = []
        self._losses: list[Tensor] = []

    def add(self, step: int, learning_rate: float, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of a step, without a look at them."""
        self._steps.append((step, learning_rate))
        self._names = list(losses)
        self._losses.append(torch.stack(list(losses.values())))

    def look(self) -> None:
        """Put all into the history, as means over devices. Raises `UserError` where one is not finite."""
        means: Any = self._fabric.all_reduce(torch.stack(self._losses), reduce_op="mean")
        for (step, learning_rate), values in zip(self._steps, means.tolist(), strict=True):
            named = dict(zip(self._names, values, strict=True))
            _check_finite(step, named)
            self._history.add(step, learning_rate, named)
        self._steps, self._losses = [], []


def _check_finite(step: int, values: Mapping[str, float]) -> None:
    bad = [name for name, value in values.items() if not torch.isfinite(torch.tensor(value))]
    if bad:
        raise UserError(f"step {step}: {', '.join(bad)} is not finite; {ADVICE}")


def _check_weights(network: torch.nn.Module) -> None:
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise UserError(f"after the last step, the weights are not finite; {ADVICE}")
