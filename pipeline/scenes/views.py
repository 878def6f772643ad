"""What a view of a scene is: a matrix on its colours; see `pipeline/batches/views.py`."""

import numpy as np
import numpy.typing as npt

Views = npt.NDArray[np.float32]
"""`[V, S, 3, 4]`: what red, green and blue in 0..1, and 1, of S scenes are multiplied with in V views.

The first view is `PLAIN_VIEW`.
"""
PLAIN_VIEW = np.eye(3, 4, dtype=np.float32)
"""The view that is the picture itself."""
