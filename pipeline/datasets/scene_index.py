"""The index of every test scene by its name, one by one or for many names at once."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

UNKNOWN_SCENE = -1


class SceneIndex:
    """The index of every scene by name.

    Args:
        names: of the scenes, in their order, each once.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._positions = {name: position for position, name in enumerate(names)}
        self._by_ascii = {name.encode(): index for name, index in self._positions.items() if name.isascii()}

    def __contains__(self, name: str) -> bool:
        return name in self._positions

    def __getitem__(self, name: str) -> int:
        return self._positions[name]

    def of(self, first: str, others: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int32]:
        """Return `[1 + K]` the indices of a name and of `[K]` ASCII names; `UNKNOWN_SCENE` where unknown."""
        found = map(self._by_ascii.get, others.tolist(), repeat(UNKNOWN_SCENE))
        indices = np.empty(1 + len(others), dtype=np.int32)
        indices[0] = self._positions.get(first, UNKNOWN_SCENE)
        indices[1:] = np.fromiter(found, np.int32, len(others))
        return indices
