"""`person-search validate`: score a trained student on the validation or test scenes of any data."""

import json
from pathlib import Path

import click

from commands.lazy import imported
from commands.places import GivenPath, check_weights
from commands.printing import say
from commands.scores import DETECTION, SEARCH, scores_text
from commands.validation import TEST, VALIDATION, note_on_test, require_validation
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress


@click.command()
@click.argument("weights", type=click.Path(path_type=Path))
@click.option(
    "--split",
    type=click.Choice([VALIDATION, TEST]),
    default=VALIDATION,
    show_default=True,
    help="Whose scenes and queries.",
)
@click.option(
    "--data",
    type=GivenPath(path_type=Path),
    default=PREPARED,
    show_default=True,
    help="Any prepared data set, which need not be the one that the student was trained on.",
)
def validate(weights: Path, split: str, data: Path) -> None:
    """Score the student in WEIGHTS on validation identities, as `tune` does with each try, or on others.

    The scores are those of the default gallery, by the protocol of the data set.
    """
    parameters = Parameters(("infer", "evaluate"))
    inference = parameters.options("infer", InferenceOptions)
    evaluation = parameters.options("evaluate", EvaluationOptions)
    check_weights(weights)
    prepared = open_prepared(data)
    if split == VALIDATION:
        require_validation(prepared)
    load_student = imported("pipeline.models.heads:load_student")
    split_metrics = imported("commands.trying:split_metrics")
    outcome_of = imported("commands.trying:outcome_of")
    network = load_student(weights)
    if split == TEST:
        say(note_on_test("settings"))
    with ShownProgress("validate") as progress:
        metrics = split_metrics(network, prepared, split, inference, evaluation, progress)
    say(scores_text({f"{split} of '{prepared.name}'": metrics}, (*SEARCH, *DETECTION)))
    click.echo(f"{weights}: {json.dumps(outcome_of(metrics).as_dict())}")
