"""Several embeddings of one person as one."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError


def one_person(embeddings: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return the mean of embeddings `[K, D]` as unit vectors, of unit length: `[D]`.

    Raises:
        UserError: one is zero or no finite numbers, or they cancel each other out.
    """
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise UserError("a query's embedding has no direction: choose another picture or box")
    mean = (vectors / lengths).mean(axis=0)
    length = np.linalg.norm(mean)
    if length < np.finfo(np.float32).eps:
        raise UserError("the queries cancel each other out: use fewer of them")
    unit: npt.NDArray[np.float64] = mean / length
    return unit
