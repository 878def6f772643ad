"""The settings of a student: what its entry in params.yaml holds, put over what all students share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidatorFunctionWrapHandler, WrapValidator, model_validator

from pipeline.basics.errors import UserError
from pipeline.basics.options import added_field, missing, refuse_without_effect
from pipeline.batches.transforms import AugmentationOptions
from pipeline.box_table import table_dim
from pipeline.losses.boxes.box_loss import BOX_TABLE
from pipeline.losses.boxes.targets import BoxOptions
from pipeline.losses.detector_distillation import DetectorDistillationOptions
from pipeline.losses.identity.targets import IdentityOptions
from pipeline.models.backbones import STRIDE
from pipeline.models.heads import HEADS, no_such_head
from pipeline.models.person_search import PersonSearchOptions
from pipeline.training.detector import DetectionWeights
from pipeline.training.engine.optimisation import NetworkTrainingOptions

NO_TABLE = "artifacts/no_table"
NO_DETECTOR = "models/no_detector"
"""What a student names that has no such teacher. The files exist, so that DVC can depend on them."""

DIM_OF_TABLE = "table"
"""What `network.embedding_dim` is where it is to be the table's D."""
UNKNOWN_DIM = -1
"""The embedding's size until the table is read; no network can be built of it. See `with_dim_of_table`."""


def _dim_may_be_the_tables(values: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(values, Mapping) or values.get("embedding_dim") != DIM_OF_TABLE:
        return parse(values)
    network: PersonSearchOptions = parse({k: v for k, v in values.items() if k != "embedding_dim"})
    return network.model_copy(update={"embedding_dim": UNKNOWN_DIM})


class StudentWeights(DetectionWeights):
    """Factors on the losses of detection and, where the network's head has them, on further ones.

    Attributes:
        second_class: on the norm-aware score of SeqNet's second head.
        second_box: on the box of SeqNet's second head.
        query_objectness: on QEEPS' query-guided RPN.
        similarity: on QEEPS' similarity subnet.
    """

    second_class: float = added_field(1.0, ge=0)
    second_box: float = added_field(1.0, ge=0)
    query_objectness: float = added_field(1.0, ge=0)
    similarity: float = added_field(1.0, ge=0)


class StudentOptions(NetworkTrainingOptions):
    """Everything that a student's training depends on but the data.

    Attributes:
        table: file of the re-ID teacher's look-up table, from the project's root, of whichever levels; or
            `NO_TABLE`.
        detector: weight file of the detector teacher, from the project's root; or `NO_DETECTOR`.
        network: the network; its `embedding_dim` may be `table`, see `with_dim_of_table`.
        augmentation: random changes of the training scenes.
        loss_weights: factors on the losses of detection.
        identity: what the embeddings are taught against, person by person; None for nothing, where there are
            `boxes`.
        boxes: what they are taught against box by box, unlabelled people too; None for nothing.
        detector_distillation: which parts of the detector teach, and how much; None without one.
        absent_pairs: share of the pairs, 0..1, whose gallery scene does not show the query's person; of a
            query-guided network alone (ours; the paper names pairs that share somebody).
    """

    table: str = NO_TABLE
    detector: str = NO_DETECTOR
    network: Annotated[PersonSearchOptions, WrapValidator(_dim_may_be_the_tables)]
    augmentation: AugmentationOptions = AugmentationOptions()
    loss_weights: StudentWeights = StudentWeights()
    identity: IdentityOptions | None = None
    detector_distillation: DetectorDistillationOptions | None = None
    absent_pairs: float = added_field(0.0, ge=0, le=1)
    boxes: BoxOptions | None = added_field(None)

    @model_validator(mode="after")
    def _teaches_the_embedding(self) -> "StudentOptions":
        if self.identity is None and self.boxes is None:
            raise missing(self, "identity")
        return self

    @model_validator(mode="after")
    def _has_effect(self) -> "StudentOptions":
        if self.network.head not in HEADS:
            raise ValueError(no_such_head(self.network.head))
        refuse_without_effect(self, _without_effect(self.network))
        return self

    @property
    def needs_identity_rows(self) -> bool:
        """Whether the table must have a row for each identity."""
        return self.identity is not None and self.identity.needs_table

    def targets(self) -> str:
        """Return what messages call the targets of the embeddings."""
        boxes = f"by box '{self.boxes.target}'" if self.boxes else ""
        if self.identity is None:
            return f"target {boxes}"
        return f"identity target '{self.identity.target}'{boxes and f', {boxes}'}"

    def weights(self) -> dict[str, float]:
        """Return the factor on each loss by name."""
        distillation = self.detector_distillation.weights() if self.detector_distillation else {}
        identity = {"identity": self.identity.weight} if self.identity else {}
        boxes = {BOX_TABLE: self.boxes.weight} if self.boxes else {}
        return self.loss_weights.model_dump() | identity | boxes | distillation


def _without_effect(network: PersonSearchOptions) -> dict[str, str]:
    """Return, by key of a student's settings, why it has no effect on a network of this kind."""
    kind = HEADS[network.head]
    further = StudentWeights.model_fields.keys() - DetectionWeights.model_fields.keys()
    absent = sorted(further - {*kind.further_losses(network)})
    reasons = {f"loss_weights.{name}": "the student's network has no such loss" for name in absent}
    if not kind.trains_on_pairs:
        unguided = f"no query guides a network with the head '{network.head}'"
        reasons |= {"network.guidance": unguided, "absent_pairs": unguided}
    elif network.roi.stride != STRIDE:
        reasons["network.roi.stride"] = f"the head '{network.head}' pools at the stem's end, at {STRIDE}"
    return reasons


def with_dim_of_table(options: StudentOptions, where: str, root: Path = Path()) -> StudentOptions:
    """Return the settings with the table's D as the embedding's size, where they ask for it.

    It is to be called before a network is built of settings that a user wrote.

    Args:
        options: the student's.
        where: what messages call the student.
        root: the project's.

    Raises:
        UserError: the table is not named, missing, damaged or no table.
    """
    if options.network.embedding_dim != UNKNOWN_DIM:
        return options
    check_teachers(options, where)
    network = options.network.model_copy(update={"embedding_dim": table_dim(root / options.table)})
    return options.model_copy(update={"network": network})


def check_teachers(options: StudentOptions, where: str) -> None:
    """Check that a student names the teachers that its losses need, and no other.

    Args:
        options: the student's.
        where: what the message calls the student.

    Raises:
        UserError: a teacher is needed and not named, or named and not needed.
    """
    identity, distillation = options.identity, options.detector_distillation
    if identity is not None and identity.needs_table and options.table == NO_TABLE:
        raise UserError(f"{where}: the identity target '{identity.target}' needs a table; set table: FILE")
    if options.boxes is not None and options.table == NO_TABLE:
        raise UserError(f"{where}: 'boxes' needs a table by box; set table: FILE")
    if options.network.embedding_dim == UNKNOWN_DIM and options.table == NO_TABLE:
        raise UserError(f"{where}: network.embedding_dim is 'table', but there is none; set table: FILE")
    if not options.needs_identity_rows and options.boxes is None and options.table != NO_TABLE:
        raise UserError(
            f"{where}: the {options.targets()} learns from no table, but table is {options.table}; "
            f"set table: {NO_TABLE}, or another target"
        )
    if distillation is not None and options.detector == NO_DETECTOR:
        raise UserError(f"{where}: detector_distillation needs a detector teacher; set detector: FILE")
    if distillation is None and options.detector != NO_DETECTOR:
        raise UserError(
            f"{where}: without detector_distillation nothing is learned from {options.detector}; "
            f"set detector: {NO_DETECTOR}, or add the section"
        )
