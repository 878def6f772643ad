"""Fewer dimensions for a teacher's rows: the principal axes through the origin (uncentred PCA).

Rows are compared by their inner products. The top eigenvectors of the rows' second moment keep these best
(Eckart and Young, 1936); a centred PCA keeps distances from the mean instead.
"""

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError

Matrix = npt.NDArray[np.float32]
NOTHING = 1e-12
"""Below this share of the whole, an eigenvalue is rounding: rows in float32 have 1e-14 of it."""


class SecondMoment:
    """The sum of the outer products of unit rows, in float64, taken block by block, and its projection.

    Args:
        dim: to how many dimensions rows are projected.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._sum: npt.NDArray[np.float64] = np.zeros((0, 0))
        self._rows = 0

    def add(self, rows: Matrix) -> None:
        """Add unit rows `[n, D]`. Raises `UserError` where they have fewer dimensions than are asked for."""
        given = rows.shape[1]
        if self._dim > given:
            raise UserError(
                f"embedding_dim is {self._dim}, but the teacher's embedding has {given} dimensions"
            )
        vectors = rows.astype(np.float64)
        self._sum = vectors.T @ vectors + (self._sum if self._rows else 0)
        self._rows += len(rows)

    def projection(self) -> Matrix:
        """Return the top eigenvectors `[D, dim]`, by falling eigenvalue.

        The largest number of each, in magnitude, is positive, so that equal rows give equal signs.

        Raises:
            UserError: the rows lie in fewer dimensions than that.
        """
        dim = self._dim
        values, vectors = np.linalg.eigh(self._sum)
        spanned = int((values > NOTHING * max(values.sum(), 0)).sum())
        if dim > spanned:
            raise UserError(f"embedding_dim is {dim}, but {self._rows} boxes span {spanned} dimensions alone")
        top = vectors[:, ::-1][:, :dim]
        largest = top[np.abs(top).argmax(axis=0), np.arange(dim)]
        signed: Matrix = (top * np.sign(largest)).astype(np.float32)
        return signed


def projected(rows: Matrix, projection: Matrix | None) -> Matrix:
    """Return unit rows `[N, D]` in fewer dimensions, `[N, d]`, of unit length again.

    Args:
        rows: of unit length.
        projection: `[D, d]`; None leaves the rows as they are.

    Raises:
        UserError: a row has nothing in the dimensions that are kept.
    """
    if projection is None:
        return rows
    fewer = rows.astype(np.float64) @ projection.astype(np.float64)
    lengths = np.linalg.norm(fewer, axis=1, keepdims=True)
    lost = np.flatnonzero(lengths[:, 0] <= NOTHING)
    if len(lost):
        raise UserError(
            f"{len(lost)} rows have nothing in the {projection.shape[1]} dimensions that are kept; a larger "
            "embedding_dim keeps more"
        )
    unit: Matrix = (fewer / lengths).astype(np.float32)
    return unit


def unit_rows(embeddings: Matrix) -> Matrix:
    """Return embeddings `[N, D]` at unit length. Raises `UserError` where one is zero or not finite."""
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise UserError("an embedding is zero or not finite, so it has no direction; train the teacher again")
    unit: Matrix = (vectors / lengths).astype(np.float32)
    return unit
