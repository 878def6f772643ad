"""What the stages `train_baseline` and `train_student` share: a row's options and its outputs."""

from pathlib import Path

from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.saving import save_weights
from pipeline.options import merged, parse_options
from pipeline.training.history import write_history
from pipeline.training.loop import Row
from pipeline.training.student import StudentOptions
from stages.parameters import Parameters
from stages.running import say

PREPARED = Path("data/prepared")


def student_options(parameters: Parameters, common: str, row: str) -> StudentOptions:
    """Return a row's options: the common section, and what the row states over it."""
    return parse_options(
        StudentOptions,
        merged(parameters.section(common), parameters.section(row)),
        parameters.where(f"{common} with {row}"),
    )


def write_student(
    row: str, network: PersonSearchNetwork, options: StudentOptions, history: list[Row]
) -> None:
    """Write a student's curves and weights."""
    weights = Path(f"models/students/{row}.safetensors")
    write_history(Path(f"results/{row}/training.tsv"), history)
    save_weights(weights, "person_search", options.network, network.state_dict())
    say(
        f"{weights}: {options.network.backbone.name} student taught by '{options.identity.target}', "
        f"loss {history[-1]['total']:.3f} at the end"
    )
