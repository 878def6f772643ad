"""The re-ID teacher as a student's stage reads it: its table, never its network."""

from pathlib import Path

import torch
from torch import Tensor

from pipeline.lookup_table import check_fits, read_lookup_table
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.student.training import StudentOptions

TABLE = Path("artifacts/id_lut.h5")


def teacher_table(data: PreparedDataSet, options: StudentOptions, path: Path = TABLE) -> Tensor:
    """Return a table's rows `[I, D]`.

    Raises:
        UserError: there is none, it is damaged, or it does not fit the data or the student.
    """
    table = read_lookup_table(path)
    identities = data.manifest["splits"]["train"]["counts"]["identities"]
    check_fits(table, path, data.name, data.sha256, identities, options.network.embedding_dim)
    return torch.from_numpy(table.features)
