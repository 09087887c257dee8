"""Names for types that pass between modules: arrays, the progress callback, free-form JSON. Imports numpy only."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
NumberArray = NDArray[np.number[Any]]
BoolArray = NDArray[np.bool_]

JsonObject = dict[str, Any]
"""A JSON object whose keys this program does not know in advance."""

Progress = Callable[[int, int], None]
"""Called with (done, total) while work is in progress; the caller draws it, `core` only reports."""


def ignore(done: int, total: int) -> None:
    """No-op progress callback."""
