"""Outlines of islands on the map: the line that holds nearly all members of a cluster. numpy, scipy and contourpy."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray

MOST_BINS, FEWEST_BINS = 48, 10  # cells a side: a line of 48 steps is smooth on a screen and takes a millisecond
SMOOTH = 1.2  # cells
PAD = 5  # empty cells around, so that every line closes
OUTSIDE = 0.03  # share of the members that may lie outside: stray ones would blow the line up


@dataclass(frozen=True)
class Outline:
    """One cluster's lines on the map."""

    name: str
    lines: tuple[FloatArray, ...]  # each (P, 2), map units, closed
    top: tuple[float, float]  # where its name stands
    title: str = ""  # what its pictures say


def outline(name: str, xy: FloatArray) -> Outline:
    """Draw the line around the places where a cluster is dense.

    Args:
        xy: (K, 2) finite positions of its members, K >= 1.
    Source: contour of a smoothed two-dimensional histogram at the density that the given share of members reaches.
    """
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter

    low, high = xy.min(axis=0), xy.max(axis=0)
    bins = min(max(int(len(xy) ** 0.5), FEWEST_BINS), MOST_BINS)  # few members in many cells would be a lace
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
