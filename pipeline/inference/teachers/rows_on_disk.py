"""Rows that wait on the disk until all are there: their projection needs all of them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
ROWS_AT_A_TIME = 2048


class RowsOnDisk:
    """Rows in a file without a name, which goes when the program ends, however it does. A context manager.

    Args:
        folder: where the file is, and 4 D bytes a row are free.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 (`__exit__` closes it)
        self.dim = 0

    def __enter__(self) -> "RowsOnDisk":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file back."""
        self._file.close()

    def append(self, rows: Matrix) -> None:
        """Take the next rows `[n, D]`. Raises `OSError` where the disk is full; it names the folder."""
        self.dim = rows.shape[1]
        try:
            self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from None

    def blocks(self) -> Iterator[Matrix]:
        """Yield all rows in order, in blocks `[n, D]`."""
        self._file.seek(0)
        while content := self._file.read(ROWS_AT_A_TIME * self.dim * np.dtype(np.float32).itemsize):
            yield np.frombuffer(content, dtype=np.float32).reshape(-1, self.dim)
