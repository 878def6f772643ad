"""Tables of numbers as tab-separated values with a line of names above them, as DVC plots them."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file

Columns = dict[str, npt.NDArray[np.float64]]
"""`[K]` numbers by the column's name."""


def write_tsv(
    path: Path, names: Sequence[str], lines: Iterable[Sequence[float]], whole: Collection[str] = ()
) -> None:
    """Write a table of numbers, each with six digits.

    Args:
        path: the file; its folder is made.
        names: `[C]` of the columns.
        lines: `[C]` numbers each.
        whole: names of the columns that hold whole numbers; all their digits are written.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    formats = [".0f" if name in whole else ".6g" for name in names]
    texts = ["\t".join(map(format, line, formats)) for line in lines]
    write_atomically(path, "\n".join(["\t".join(names), *texts]) + "\n")


def read_tsv(path: Path, *needed: str) -> Columns:
    """Read a table of numbers that a stage wrote.

    Args:
        path: the file.
        needed: names that must be among the columns.

    Raises:
        UserError: there is no such file, or it is no such table.
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"{path} is missing; run `dvc repro`")
    try:
        names, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    except UnicodeDecodeError:
        raise UserError(f"{path} is damaged: no text in UTF-8; run `dvc repro` to make it again") from None
    columns = names.split("\t")
    try:
        values = np.array([[float(cell) for cell in line.split("\t")] for line in lines])
        table = dict(zip(columns, values.reshape(len(lines), len(columns)).T, strict=True))
    except ValueError:
        raise UserError(f"{path} is damaged: not a table of {len(columns)} columns of numbers") from None
    missing = [name for name in needed if name not in table]
    if missing:
        raise UserError(f"{path} is damaged: no column '{missing[0]}'; run `dvc repro` to make it again")
    return table
