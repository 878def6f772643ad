"""What the training stages share: a training's run, from its checkpoints to its outputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from torch import nn

from pipeline.basics.launchers import rank
from pipeline.basics.progress import TrainingProgress
from pipeline.basics.writable import check_can_write
from pipeline.devices import wait_for_all
from pipeline.models.weight_files import Kind, Origin, save_weights
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.environment import write_environment
from pipeline.training.engine.history import Point, write_history
from pipeline.training.engine.optimisation import NetworkTrainingOptions
from stages.support.checkpoint_folder import resuming
from stages.support.running import ShownProgress

Network = TypeVar("Network", bound=nn.Module)
Train = Callable[[TrainingProgress, Checkpoints], tuple[Network, list[Point]]]
"""Trains a network, from the newest checkpoint on; returns it and the history of its losses."""


class Outputs(NamedTuple):
    """What a training makes: the `weights` of a network of a `kind`, its `history` and its `environment`."""

    kind: Kind
    weights: Path
    history: Path
    environment: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.weights, self.history, self.environment


@contextmanager
def training_run(
    stage: str, options: NetworkTrainingOptions, inputs: Mapping[str, str], files: Sequence[Path]
) -> Iterator[tuple[TrainingProgress, Checkpoints]]:
    """Give a training its progress, which is shown, and checkpoints to go on from; see `resuming`.

    The block trains and, in the first process, writes the outputs.

    Args:
        stage: its name, with the student.
        options: all settings of the training.
        inputs: by name, the SHA-256 of each file or data set that is read, but pretrained weights.
        files: the outputs.

    Raises:
        UserError: an output could not be written. It is tried before the training.
    """
    if rank() == 0:
        check_can_write(*files)
    with resuming(stage, options, inputs) as checkpoints, ShownProgress(stage) as progress:
        yield progress, checkpoints
        wait_for_all()  # before checkpoints are removed: the files might not have been written


def write_outputs(
    outputs: Outputs,
    options: NetworkTrainingOptions,
    origin: Origin,
    network: nn.Module,
    history: list[Point],
) -> None:
    """Write what a training makes; of several processes, only the first is to."""
    write_history(outputs.history, history)
    write_environment(outputs.environment, network)
    save_weights(outputs.weights, outputs.kind, options.network, network.state_dict(), origin)


def run_training(
    stage: str,
    options: NetworkTrainingOptions,
    train: Train[Network],
    origin: Origin,
    outputs: Outputs,
) -> float:
    """Train a network and write its outputs, with progress shown and checkpoints to go on from.

    Args:
        stage: see `training_run`, as for `options`.
        options: all settings.
        train: the training.
        origin: what is read, which the weight file says.
        outputs: the files to make.

    Returns:
        The loss at the end.
    """
    with training_run(stage, options, origin.sha256, outputs.files) as (progress, checkpoints):
        network, history = train(progress, checkpoints)
        if rank() == 0:
            write_outputs(outputs, options, origin, network, history)
    return history[-1]["total"]
