"""A student's teachers: the re-ID teacher as a look-up table, never as a network, and the detector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pipeline.basics.hashing import sha256_of
from pipeline.lookup_table import check_fits, read_lookup_table
from pipeline.models.detector import Detector
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.student.options import NO_DETECTOR, NO_TABLE, StudentOptions, check_teachers


@dataclass(frozen=True)
class Teachers:
    """What teaches a student.

    Attributes:
        table: `[I, D]` unit rows of the look-up table; None for a student without a re-ID teacher.
        detector: the detector teacher; None for a student without one.
        sha256: of the file of each teacher that there is, by `table` and `detector`.
    """

    table: Tensor | None = None
    detector: Detector | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)


def read_teachers(options: StudentOptions, data: PreparedDataSet, where: str) -> Teachers:
    """Read the teachers that a student names.

    Args:
        options: the student's.
        data: what it is trained on; the table must be of it.
        where: what messages call the student.

    Raises:
        UserError: a teacher is missing, damaged, not of these data or this student, or not learned from.
    """
    check_teachers(options, where)
    table, detector, sha256 = None, None, {}
    if options.table != NO_TABLE:
        path = Path(options.table)
        held = read_lookup_table(path)
        identities = data.manifest["splits"]["train"]["counts"]["identities"]
        check_fits(held, path, data.name, data.sha256, identities, options.network.embedding_dim)
        table, sha256["table"] = torch.from_numpy(held.features), sha256_of(path)
    if options.detector != NO_DETECTOR:
        path = Path(options.detector)
        detector, sha256["detector"] = Detector.load(path), sha256_of(path)
    return Teachers(table, detector, sha256)
