"""Grow and shrink a selection by distance on the map. numpy and scipy."""

import math

import numpy as np

from core.arrays import FloatArray, IntArray

STEP = 0.25  # share of the selection that one step adds, or of what is left then that it takes away
LEAST = 5  # images of a step, at least


def grown(xy: FloatArray, rows: IntArray) -> IntArray:
    """Add the images that are nearest on the map to any of the selected ones.

    Args:
        xy: (N, 2) positions, NaN for images that are not on the map.
        rows: (K,) selected rows.
    Returns:
        int64 rows, ascending: the selection with a quarter more, 5 at least, as far as there are any.
    """
    distance, others = _distances(xy, rows, outside=True)
    n = max(LEAST, math.ceil(STEP * len(rows)))
    return np.union1d(rows, others[np.argsort(distance, kind="stable")[:n]]).astype(np.int64)


def shrunk(xy: FloatArray, rows: IntArray) -> IntArray:
    """Take away the selected images that are nearest on the map to any other; one image always stays.

    Args:
        xy: (N, 2) positions, NaN for images that are not on the map.
        rows: (K,) selected rows.
    Returns:
        int64 rows, ascending: the selection without a fifth, 5 at least.
    """
    distance, mine = _distances(xy, rows, outside=False)
    n = min(max(LEAST, math.ceil(STEP / (1 + STEP) * len(rows))), len(rows) - 1)
    return np.setdiff1d(rows, mine[np.argsort(distance, kind="stable")[: max(n, 0)]]).astype(np.int64)


def _distances(xy: FloatArray, rows: IntArray, *, outside: bool) -> tuple[FloatArray, IntArray]:
    """Return how far rows outside the selection are from it, or those inside from all outside; and these rows."""
    from scipy.spatial import KDTree

    known = np.isfinite(xy).all(axis=1)
    inside = np.zeros(len(xy), bool)
    inside[rows] = True
    from_, to = (~inside & known, inside & known) if outside else (inside & known, ~inside & known)
    asked = np.flatnonzero(from_)
    if not len(asked) or not to.any():
        return np.array([]), np.array([], np.int64)
    distance, _ = KDTree(xy[to]).query(xy[asked])
    return distance, asked
