"""The settings of a student: what its entry in params.yaml holds, put over what all students share."""

from pipeline.basics.errors import UserError
from pipeline.basics.options import added_field
from pipeline.batches.transforms import AugmentationOptions
from pipeline.losses.detector_distillation import DetectorDistillationOptions
from pipeline.losses.identity.targets import IdentityOptions
from pipeline.models.person_search import PersonSearchOptions
from pipeline.training.detector import DetectionWeights
from pipeline.training.engine.optimisation import NetworkTrainingOptions

NO_TABLE = "artifacts/no_table"
NO_DETECTOR = "models/no_detector"
"""What a student names that has no such teacher. The files exist, so that DVC can depend on them."""


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
        table: file of the re-ID teacher's look-up table, from the project's root; or `NO_TABLE`.
        detector: weight file of the detector teacher, from the project's root; or `NO_DETECTOR`.
        augmentation: random changes of the training scenes.
        loss_weights: factors on the losses of detection.
        identity: what the embeddings are taught against.
        detector_distillation: which parts of the detector teach, and how much; None without one.
        absent_pairs: share of the pairs, 0..1, whose gallery scene does not show the query's person; of a
            query-guided network alone (ours; the paper names pairs that share somebody).
    """

    table: str = NO_TABLE
    detector: str = NO_DETECTOR
    network: PersonSearchOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    loss_weights: StudentWeights = StudentWeights()
    identity: IdentityOptions
    detector_distillation: DetectorDistillationOptions | None = None
    absent_pairs: float = added_field(0.0, ge=0, le=1)

    def weights(self) -> dict[str, float]:
        """Return the factor on each loss by name."""
        distillation = self.detector_distillation.weights() if self.detector_distillation else {}
        return self.loss_weights.model_dump() | {"identity": self.identity.weight} | distillation


def check_teachers(options: StudentOptions, where: str) -> None:
    """Check that a student names the teachers that its losses need, and no other.

    Args:
        options: the student's.
        where: what the message calls the student.

    Raises:
        UserError: a teacher is needed and not named, or named and not needed.
    """
    target, distillation = options.identity.target, options.detector_distillation
    if options.identity.needs_table and options.table == NO_TABLE:
        raise UserError(f"{where}: the identity target '{target}' needs a table; set table: FILE")
    if not options.identity.needs_table and options.table != NO_TABLE:
        raise UserError(
            f"{where}: the identity target '{target}' learns from no table, but table is {options.table}; "
            f"set table: {NO_TABLE}, or another target"
        )
    if distillation is not None and options.detector == NO_DETECTOR:
        raise UserError(f"{where}: detector_distillation needs a detector teacher; set detector: FILE")
    if distillation is None and options.detector != NO_DETECTOR:
        raise UserError(
            f"{where}: without detector_distillation nothing is learned from {options.detector}; "
            f"set detector: {NO_DETECTOR}, or add the section"
        )
