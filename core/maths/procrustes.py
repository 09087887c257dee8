"""Two arrangements of the same points laid over each other by turning, mirroring, moving and scaling. Imports numpy only."""

import numpy as np

from core.arrays import FloatArray


def laid_over(xy: FloatArray, onto: FloatArray) -> FloatArray:
    """Turn, mirror, move and scale points so that they come as near as they can to others: ordinary Procrustes analysis.

    Args:
        xy: (N, 2) finite.
        onto: (N, 2) where each of them should come; NaN for those that may come anywhere.
    Returns:
        (N, 2) float32; `xy` unchanged if fewer than 2 points are known, or all of them are one.
    Source: Gower 1975; the turn by SVD, Schönemann 1966.
    """
    known = np.isfinite(onto).all(axis=1)
    here, there = xy[known].astype(np.float64), onto[known].astype(np.float64)
    if len(here) < 2 or not np.ptp(here, axis=0).any() or not np.ptp(there, axis=0).any():
        return np.asarray(xy, np.float32)
    centre, goal = here.mean(axis=0), there.mean(axis=0)
    u, s, vt = np.linalg.svd((here - centre).T @ (there - goal))
    scale = s.sum() / np.square(here - centre).sum()
    return ((xy - centre) @ (u @ vt) * scale + goal).astype(np.float32)


def displacement(xy: FloatArray, before: FloatArray) -> float:
    """Return how far points moved on average, as a share of the radius of where they were.

    Args:
        xy: (N, 2).
        before: (N, 2), NaN for those that were nowhere.
    Returns:
        >= 0; the radius is the root of the mean squared distance from the middle. NaN if fewer than 2 points were anywhere.
    """
    known = np.isfinite(before).all(axis=1)
    here, there = xy[known].astype(np.float64), before[known].astype(np.float64)
    radius = np.sqrt(np.square(there - there.mean(axis=0)).sum(axis=1).mean()) if len(there) > 1 else 0.0
    return float(np.linalg.norm(here - there, axis=1).mean() / radius) if radius else float("nan")
