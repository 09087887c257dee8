"""Outlines of clusters on the map: lines around nearly all members of a cluster. numpy, scipy and contourpy."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray

MOST_BINS, FEWEST_BINS = 48, 10  # cells per side: 48 give a smooth line on a screen and take a millisecond
SMOOTH = 1.2  # cells
PAD = 5  # empty cells around, so that every line is closed
OUTSIDE = 0.03  # share of the members that may be outside: outliers would inflate the outline


@dataclass(frozen=True)
class Outline:
    """One cluster's lines on the map."""

    name: str
    lines: tuple[FloatArray, ...]  # each (P, 2), map units, closed
    top: tuple[float, float]  # position of its name
    title: str = ""  # the words in its pictures


def outline(name: str, xy: FloatArray) -> Outline:
    """Trace the lines around the dense regions of a cluster.

    Args:
        xy: (K, 2) finite positions of its members, K >= 1.
    Source: contour of a smoothed two-dimensional histogram, at half the density that all but `OUTSIDE` of the members reach.
    """
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter

    low, high = xy.min(axis=0), xy.max(axis=0)
    bins = min(max(int(len(xy) ** 0.5), FEWEST_BINS), MOST_BINS)  # with few members in many cells the outline falls apart
    step = np.maximum((high - low) / bins, 1e-6)
    cells = np.minimum(((xy - low) / step).astype(int), bins - 1) + PAD
    side = bins + 2 * PAD
    counts = np.bincount(cells[:, 1] * side + cells[:, 0], minlength=side * side).reshape(side, side)
    density = gaussian_filter(counts.astype(float), SMOOTH)
    level = float(np.quantile(density[cells[:, 1], cells[:, 0]], OUTSIDE)) / 2
    x, y = (low[axis] + step[axis] * (np.arange(side) - PAD + 0.5) for axis in (0, 1))
    lines = [np.asarray(line) for line in contour_generator(x=x, y=y, z=density).lines(level)]
    longest = max(lines, key=len)
    left, top = longest[longest[:, 1].argmax()].tolist()
    return Outline(name, tuple(lines), (left, top))
