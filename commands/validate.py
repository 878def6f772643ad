"""`person-search validate`: score a trained student on validation identities."""

import json
from pathlib import Path

import click

from commands.lazy import imported
from commands.places import check_weights
from commands.validation import require_validation
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
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
    check_weights(weights)
    prepared = open_prepared(data)
    require_validation(prepared)
    load_student = imported("pipeline.models.heads:load_student")
    validation_outcome = imported("commands.trying:validation_outcome")
    with ShownProgress("validate") as progress:
        outcome = validation_outcome(load_student(weights), prepared, inference, evaluation, progress)
    click.echo(f"{weights}: {json.dumps(outcome.as_dict())}")
