"""What the stages that train students share: a row's options, which teachers it needs, and its outputs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from pipeline.basics.errors import UserError
from pipeline.basics.options import merged, parse_options
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.saving import save_weights
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import Row, write_history
from pipeline.training.environment import write_environment
from pipeline.training.student.training import StudentOptions
from stages.support.parameters import Parameters
from stages.support.resuming import resuming
from stages.support.running import ShownProgress, say

PREPARED = Path("data/prepared")

STAGE_OF_TEACHERS = {
    (False, False): "train_baseline",
    (True, False): "train_student",
    (False, True): "train_student_by_detector",
    (True, True): "train_student_by_both",
}
"""Which stage trains a row: by whether it needs the re-ID teacher's table, and the detector teacher.

A stage for each, so that a row depends on the teachers that it has and on no other.
"""


def row_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all stages have that train students."""
    for option in (
        click.option("--seed", type=click.IntRange(min=0), help="In place of the row's, to repeat a row."),
        click.option("--name", help="What the outputs are called; by default as the row."),
        click.option("--row", required=True, help="Which entry of `students` in params.yaml to train."),
    ):
        function = option(function)
    return function


def student_options(parameters: Parameters, common: str, row: str, seed: int | None = None) -> StudentOptions:
    """Return a row's options: the common section, what the row states over it, and a seed over both."""
    values = merged(parameters.section(common), parameters.section(row))
    if seed is not None:
        values = merged(values, {"seed": seed})
    return parse_options(StudentOptions, values, parameters.where(f"{common} with {row}"))


def check_stage(options: StudentOptions, row: str, stage: str) -> None:
    """Raise `UserError` where a row needs other teachers than a stage reads."""
    table, detector = options.identity.needs_table, options.detector_distillation is not None
    right = STAGE_OF_TEACHERS[table, detector]
    if right != stage:
        asked = {"the table": table, "the detector teacher": detector}
        needs = " and ".join(name for name, needed in asked.items() if needed) or "no teacher"
        raise UserError(
            f"params.yaml: row '{row}' needs {needs}, and {stage} trains other rows; "
            f"in dvc.yaml, list it under {right}"
        )


@contextmanager
def student_training(
    name: str, options: StudentOptions, data: PreparedDataSet, inputs: Mapping[str, str]
) -> Iterator[tuple[ShownProgress, Checkpoints]]:
    """Give a training its progress and its checkpoints, which go when the block is done; see `resuming`.

    Args:
        name: of the stage, with the row.
        options: the row's.
        data: what it is trained on.
        inputs: the SHA-256 of the teachers, by name.
    """
    scenes = len(data.split("train").scenes)
    with (
        resuming(name, options, options.training, scenes, {"data": data.sha256, **inputs}) as checkpoints,
        ShownProgress(name) as progress,
    ):
        yield progress, checkpoints


def write_student(
    name: str, network: PersonSearchNetwork, options: StudentOptions, history: list[Row]
) -> None:
    """Write a student's curves, what it was trained on, and its weights."""
    weights = Path(f"models/students/{name}.safetensors")
    write_history(Path(f"results/{name}/training.tsv"), history)
    write_environment(Path(f"results/{name}/environment.json"), network)
    save_weights(weights, "person_search", options.network, network.state_dict())
    detector = ", taught by a detector" if options.detector_distillation else ""
    say(
        f"{weights}: {options.network.backbone.name} student, identity target "
        f"'{options.identity.target}'{detector}, "
        f"loss {history[-1]['total']:.3f} at the end"
    )
