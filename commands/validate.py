"""`person-search validate`: score a trained student on validation identities."""

import json
from pathlib import Path

import click

from commands.trying import validation_outcome
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.models.heads import load_student
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress


@click.command()
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), default=PREPARED, show_default=True)
def validate(weights: Path, data: Path) -> None:
    """Score the student in WEIGHTS on validation identities, as `tune` does with each try."""
    parameters = Parameters(("infer", "evaluate"))
    inference = parameters.options("infer", InferenceOptions)
    evaluation = parameters.options("evaluate", EvaluationOptions)
    with ShownProgress("validate") as progress:
        outcome = validation_outcome(
            load_student(weights), open_prepared(data), inference, evaluation, progress
        )
    click.echo(f"{weights}: {json.dumps(outcome.as_dict())}")
