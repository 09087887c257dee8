"""Add up the points of each pixel of the map: by datashader, or for few points in numpy, which has nothing to compile."""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from enum import StrEnum
from functools import cache

import numpy as np

from core.arrays import FloatArray, IntArray, NumberArray
from core.map.grid import View

LOG = logging.getLogger("lassoscope.map")
FEW = 50_000  # points that are added up in numpy: datashader compiles for seconds in every process


class Sum(StrEnum):
    """What is worked out of the points of a pixel."""

    SUM = "sum"
    MEAN = "mean"  # of those that are not NaN
    COUNT = "count"  # of those that are not NaN


Layers = dict[str, NumberArray]
"""By name, what is worked out, (F,) float64 or uint32, of the F filled pixels, row by row."""


def sums(
    points: Mapping[str, NumberArray], view: View, width: int, height: int, wanted: Mapping[str, tuple[Sum, str]]
) -> tuple[IntArray, Layers]:
    """Count the points of each pixel and add up columns of theirs, by the way that is ready and fast for so many.

    Args:
        points: columns x, y and others, N numbers each.
        wanted: by name of a layer, what of which column.
    Returns:
        counts (h, w) uint32, row 0 at the bottom, and the layers.
    """
    is_few = len(points["x"]) <= FEW or not datashader_ready().done()
    return (sums_of_few if is_few else sums_by_datashader)(points, view, width, height, wanted)


def sums_by_datashader(
    points: Mapping[str, NumberArray], view: View, width: int, height: int, wanted: Mapping[str, tuple[Sum, str]]
) -> tuple[IntArray, Layers]:
    """Do so by datashader, which compiles for seconds in every process. Arguments and results as in `sums`."""
    import datashader as ds  # takes 1.6 s, which commands without a map should not pay
    import pandas as pd

    ways = {Sum.SUM: ds.sum, Sum.MEAN: ds.mean, Sum.COUNT: ds.count}
    canvas = ds.Canvas(width, height, x_range=view[:2], y_range=view[2:])
    asked = {name: ways[way](column) for name, (way, column) in wanted.items()}
    with np.errstate(invalid="ignore", divide="ignore"):  # datashader divides by the count of empty pixels
        found = canvas.points(pd.DataFrame(points, copy=False), "x", "y", ds.summary(n=ds.count(), **asked))
    count = found["n"].data
    filled = np.flatnonzero(count)
    return count, {name: found[name].data.ravel()[filled] for name in wanted}


def sums_of_few(
    points: Mapping[str, NumberArray], view: View, width: int, height: int, wanted: Mapping[str, tuple[Sum, str]]
) -> tuple[IntArray, Layers]:
    """Do so in numpy: milliseconds for `FEW` points, but several times datashader's for a million. As `sums`."""
    x, y = points["x"].astype(np.float64), points["y"].astype(np.float64)
    x0, x1, y0, y1 = view
    inside = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    across, up = _pixels(x[inside], x0, x1, width), _pixels(y[inside], y0, y1, height)
    pixels, size = up * width + across, width * height
    count = np.bincount(pixels, minlength=size)
    filled = np.flatnonzero(count)
    layers: Layers = {}
    for name, (way, column) in wanted.items():
        values = points[column][inside].astype(np.float64)
        is_number = ~np.isnan(values)
        n = np.bincount(pixels[is_number], minlength=size)[filled]
        total = np.bincount(pixels[is_number], values[is_number], minlength=size)[filled]
        with np.errstate(invalid="ignore"):  # NaN where a pixel has no number
            found: dict[Sum, NumberArray] = {Sum.SUM: total, Sum.MEAN: total / n, Sum.COUNT: n.astype(np.uint32)}
            layers[name] = found[way]
    return count.astype(np.uint32).reshape(height, width), layers


def _pixels(at: FloatArray, low: float, high: float, n: int) -> IntArray:
    """Return the pixel, [0, n), of each coordinate in [low, high]; the upper end belongs to the last one, as in datashader."""
    scale = n / (high - low)
    found = (at * scale - low * scale).astype(np.int64)
    return np.where(at == high, found - 1, found).clip(0, n - 1)


@cache
def datashader_ready() -> "Future[None]":
    """Compile datashader's functions for the dtypes the server uses, in a thread; done once it has."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            compile_datashader()
        except Exception:
            LOG.exception("datashader cannot be used; maps are drawn without it")
        else:
            done.set_result(None)

    threading.Thread(target=work, name="datashader", daemon=True).start()
    return done


def compile_datashader() -> None:
    """Draw all that the server draws, by datashader: it compiles once a process, for seconds."""
    numbers = np.linspace(0.2, 0.8, 9).astype(np.float32)
    codes = np.zeros(9, np.uint8)
    columns: dict[str, NumberArray] = {
        "x": numbers,
        "y": numbers,
        "r": codes,
        "g": codes,
        "b": codes,
        "own": codes,
        "value": numbers,
    }
    colours, own = {name: (Sum.SUM, name) for name in "rgb"}, {"own": (Sum.SUM, "own")}
    value, some = {"value": (Sum.MEAN, "value")}, {"own": (Sum.COUNT, "value")}
    for wanted in (colours, {**colours, **own}, value, {**value, **some}):
        sums_by_datashader(columns, (0.0, 1.0, 0.0, 1.0), 4, 3, wanted)
