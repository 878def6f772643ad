"""The checkpoints of a training stage: see `own_folder.py` for where they are, and which are its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from pipeline.basics.environment_variables import whole_number
from pipeline.basics.launchers import rank
from pipeline.models.pretrained import pretrained_sha256
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.optimisation import NetworkTrainingOptions
from stages.support.own_folder import own_folder

SECONDS_VARIABLE = "PERSON_SEARCH_CHECKPOINT_SECONDS"
STEPS_VARIABLE = "PERSON_SEARCH_CHECKPOINT_STEPS"
DEFAULT_SECONDS = 300
MOST = 10**9


@contextmanager
def resuming(stage: str, options: NetworkTrainingOptions, inputs: Mapping[str, str]) -> Iterator[Checkpoints]:
    """Give a training its checkpoints. They are removed when the block, which writes the outputs, is done.

    After an error or a kill they stay, and the next training with the same inputs continues from the newest.

    Args:
        stage: its name, with the student.
        options: all settings of the training.
        inputs: by name, the SHA-256 of each file or data set that is read, but pretrained weights.

    Raises:
        UserError: another process is running this stage, or a variable has no usable value.
    """
    read = {**inputs, **pretrained_sha256(options.network.backbone.weights)}
    with own_folder(stage, options, read) as folder:
        seconds = whole_number(SECONDS_VARIABLE, DEFAULT_SECONDS, least=1, most=MOST)
        steps = whole_number(STEPS_VARIABLE, MOST, least=1, most=MOST)
        checkpoints = Checkpoints(folder, seconds, steps)
        newest = checkpoints.newest()
        if newest is not None and rank() == 0:
            click.echo(f"{stage}: going on after step {newest.step}, from {folder}", err=True)
        yield checkpoints
        checkpoints.remove()
