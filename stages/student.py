"""What the stages that train students share: a row's options, which teachers it needs, and its outputs."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.saving import save_weights
from pipeline.options import merged, parse_options
from pipeline.training.history import Row, write_history
from pipeline.training.student import StudentOptions
from stages.parameters import Parameters
from stages.running import say

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


def student_options(parameters: Parameters, common: str, row: str) -> StudentOptions:
    """Return a row's options: the common section, and what the row states over it."""
    return parse_options(
        StudentOptions,
        merged(parameters.section(common), parameters.section(row)),
        parameters.where(f"{common} with {row}"),
    )


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


def write_student(
    row: str, network: PersonSearchNetwork, options: StudentOptions, history: list[Row]
) -> None:
    """Write a student's curves and weights."""
    weights = Path(f"models/students/{row}.safetensors")
    write_history(Path(f"results/{row}/training.tsv"), history)
    save_weights(weights, "person_search", options.network, network.state_dict())
    detector = ", taught by a detector" if options.detector_distillation else ""
    say(
        f"{weights}: {options.network.backbone.name} student, identity target "
        f"'{options.identity.target}'{detector}, "
        f"loss {history[-1]['total']:.3f} at the end"
    )
