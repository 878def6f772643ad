"""The table that a student's own identity loss ended with, for other students to learn from."""

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.lookup_table import LookupTable
from pipeline.losses.identity.identity_loss import IdentityLoss
from pipeline.losses.identity.table import OnlineInstanceMatching
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.scene import UNLABELLED
from pipeline.training.student.options import StudentOptions


def check_own_table(options: StudentOptions, where: str) -> None:
    """Check, before a student is trained, that its identity loss will have a table of its own.

    Args:
        options: the student's.
        where: what the message calls the student.

    Raises:
        UserError: its target learns no table.
    """
    if options.identity is None or not options.identity.learns_table:
        raise UserError(
            f"{where}: the {options.targets()} learns no table that could be kept; what it learns from is "
            f"{options.table}"
        )


def own_rows(identity_loss: IdentityLoss, where: str) -> npt.NDArray[np.float32]:
    """Return the rows `[I, D]` of unit length that an identity loss ended with.

    Args:
        identity_loss: that of a trained student.
        where: what the message calls the student.

    Raises:
        UserError: some rows were never written: no batch had these people.
        TypeError: the loss has no table that learns along.
    """
    if not isinstance(identity_loss, OnlineInstanceMatching):
        raise TypeError(f"{type(identity_loss).__name__} learns no table")
    rows: npt.NDArray[np.float32] = identity_loss.table.detach().float().cpu().numpy()
    missing = np.flatnonzero(~(np.linalg.norm(rows, axis=1) > 0))
    if len(missing):
        raise UserError(
            f"{where}: its table cannot be kept: {len(missing)} of {len(rows)} people have no row, since no "
            f"batch had them (first: person {missing[0]}); train longer (training.steps), or leave "
            "--keep-table out"
        )
    return rows


def own_table(rows: npt.NDArray[np.float32], data: PreparedDataSet, weights_sha256: str) -> LookupTable:
    """Return a student's own rows as a look-up table.

    A row has moved along with all boxes of its person, step by step; `counts` says how many these are.

    Args:
        rows: `[I, D]`, see `own_rows`.
        data: what the student was trained on.
        weights_sha256: hash of the student's weight file; the student is the table's teacher.
    """
    people = np.concatenate([scene.person_ids for scene in data.split("train").scenes])
    counts = np.bincount(people[people != UNLABELLED], minlength=len(rows))
    ids = np.arange(len(rows), dtype=np.int64)
    return LookupTable(rows, ids, counts.astype(np.int64), data.name, data.sha256, weights_sha256)
