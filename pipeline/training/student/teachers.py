"""A student's teachers: the re-ID teacher as a look-up table, never as a network, and the detector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pipeline import box_table
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.lookup_table import check_fits, read_lookup_table
from pipeline.models.detector import Detector
from pipeline.models.heads import HEADS
from pipeline.scenes.box_rows import box_offsets
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.views import Views
from pipeline.training.student.options import NO_DETECTOR, NO_TABLE, StudentOptions, check_teachers


@dataclass(frozen=True)
class Teachers:
    """What teaches a student.

    Attributes:
        table: `[I, D]` unit rows of the look-up table, one an identity; None for a student without them.
        detector: the detector teacher; None for a student without one.
        sha256: of the file of each teacher that there is, by `table` and `detector`.
        box_rows: `[V * N, D]` float16 unit rows of the look-up table, one a box and view; None for a student
            without them.
        views: in which the boxes of `box_rows` are seen; None for the pictures themselves.
    """

    table: Tensor | None = None
    detector: Detector | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    box_rows: Tensor | None = None
    views: Views | None = None


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
    table, box_rows, views, detector, sha256 = None, None, None, None, {}
    path, dim = Path(options.table), options.network.embedding_dim
    if options.needs_identity_rows:
        held = read_lookup_table(path)
        identities = data.manifest["splits"]["train"]["counts"]["identities"]
        check_fits(held, path, data.name, data.sha256, identities, dim)
        table = torch.from_numpy(held.features)
    if options.boxes is not None:
        by_box = box_table.read_box_table(path)
        offsets = box_offsets(data.split("train").scenes)
        box_table.check_fits(by_box, path, data.name, data.sha256, offsets, dim)
        box_rows, views = torch.from_numpy(by_box.features), by_box.views
        if views is not None:
            _check_learns_from_views(options, where)
    if options.table != NO_TABLE:
        sha256["table"] = sha256_of(path)
    if options.detector != NO_DETECTOR:
        path = Path(options.detector)
        detector, sha256["detector"] = Detector.load(path), sha256_of(path)
    return Teachers(table, detector, sha256, box_rows, views)


def _check_learns_from_views(options: StudentOptions, where: str) -> None:
    """Raise `UserError` where a student needs to know people by name, whose clothes have other colours."""
    pairs = HEADS[options.network.head].trains_on_pairs
    who = f"pairs of the head '{options.network.head}'" if pairs else "its identity target"
    if pairs or options.identity is not None:
        raise UserError(
            f"{where}: {options.table} has views, in which clothes have other colours, and {who} would take "
            "them for the same people's; leave out `views` of the table"
            f"{'' if pairs else ', or `identity` of the student'}"
        )
