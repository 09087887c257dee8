"""Names for the array types and the progress callback that pass between modules. Imports numpy only."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on; the caller draws it, `core` only reports."""


def ignore(done: int, total: int) -> None:
    """Ignore progress: the no-op callback."""
