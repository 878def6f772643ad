"""Reading the tables of curves that the stages write."""

from pathlib import Path

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.scenes.scene import FloatArray

Columns = dict[str, FloatArray]
"""`[K]` numbers by the column's name."""


def read_columns(path: Path, *needed: str) -> Columns:
    """Read tab-separated numbers with a line of names above them.

    Args:
        path: the file.
        needed: names that must be among the columns.

    Raises:
        UserError: there is no such file, or it is no such table.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing; run `dvc repro`")
    names, *rows = path.read_text().splitlines() or [""]
    columns = names.split("\t")
    try:
        values = np.array([[float(cell) for cell in row.split("\t")] for row in rows])
        table = dict(zip(columns, values.reshape(len(rows), len(columns)).T, strict=True))
    except ValueError:
        raise UserError(f"{path} is damaged: not a table of {len(columns)} columns of numbers") from None
    missing = [name for name in needed if name not in table]
    if missing:
        raise UserError(f"{path} is damaged: no column '{missing[0]}'; run `dvc repro` to make it again")
    return table
