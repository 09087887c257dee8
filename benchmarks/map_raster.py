"""Compare ways to draw the map (datashader's sums with our shading, datashader alone), and time the lasso.

python -m benchmarks.map_raster

Every line is the median of `ROUNDS` alternating runs in this process; the last column is the ratio to our way of drawing.
"""

import argparse
import warnings
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import datashader as ds
import datashader.transfer_functions as tf
import numpy as np
import pandas as pd

from core.map.grid import GridIndex, combine
from core.map.raster import Colouring, ColouringKind, Raster, warm
from core.map.sums import datashader_ready
from core.palette import UNLABELLED_COLOUR

WIDTH, HEIGHT, N_CLASSES, ROUNDS = 900, 700, 24, 7
FULL, ZOOMED = (-14.0, 14.0, -14.0, 14.0), (-3.0, 3.0, -3.0, 3.0)


def star(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a wavy lasso of 200 vertices."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    r = radius * (1 + 0.2 * np.sin(7 * angle))
    return r * np.cos(angle), r * np.sin(angle)


def measure(n: int) -> None:
    """Print one table for n points."""
    rng = np.random.default_rng(0)
    centres, blob = rng.uniform(-10, 10, (N_CLASSES, 2)), rng.integers(0, N_CLASSES, n)
    xy = (centres[blob] + rng.normal(size=(n, 2))).astype(np.float32)
    palette = tuple(f"#{colour:06x}" for colour in rng.integers(0, 1 << 24, N_CLASSES))
    codes, nothing, grey = blob.astype(np.int16), np.array([], np.float32), UNLABELLED_COLOUR
    classes = Colouring(ColouringKind.CATEGORICAL, codes, nothing, palette, grey, palette, 0, 1)
    values = Colouring(ColouringKind.CONTINUOUS, np.array([], np.int16), xy[:, 0].copy(), palette[:2], grey, (), -10, 10)
    grid = GridIndex.build(xy)
    raster, half = Raster(grid), xy[:, 0] < 0
    frame = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "code": pd.Categorical(codes)})

    def stock(view: tuple[float, ...]) -> Any:
        canvas = ds.Canvas(WIDTH, HEIGHT, x_range=view[:2], y_range=view[2:])
        return tf.dynspread(tf.shade(canvas.points(frame, "x", "y", ds.count_cat("code")), color_key=list(palette)))

    def recolour() -> Any:
        raster._ordered.clear()
        return raster.draw(classes, FULL, WIDTH, HEIGHT)

    small, large = star(2), star(8)
    rows = grid.lasso(*large)
    left = np.flatnonzero(half)
    ways: dict[str, Callable[[], Any]] = {
        "zoom out, 24 classes": lambda: raster.draw(classes, FULL, WIDTH, HEIGHT),
        "the same, datashader alone (count_cat, shade, dynspread)": lambda: stock(FULL),
        "zoom in, 24 classes": lambda: raster.draw(classes, ZOOMED, WIDTH, HEIGHT),
        "the same, datashader alone": lambda: stock(ZOOMED),
        "recolour, 24 classes": recolour,
        "zoom out, values": lambda: raster.draw(values, FULL, WIDTH, HEIGHT),
        "selection of one half": lambda: raster.draw(classes, FULL, WIDTH, HEIGHT, keep=half),
        f"lasso, 200 vertices, {len(grid.lasso(*small)):,} inside": lambda: grid.lasso(*small),
        f"lasso, 200 vertices, {len(rows):,} inside": lambda: grid.lasso(*large),
        "add it to a selection": lambda: combine(rows, left, "add"),
        "the same, numpy union1d": lambda: np.union1d(rows, left),
        "nearest image": lambda: grid.nearest(0.0, 0.0, 0.2, 0.2),
        "build the grid": lambda: GridIndex.build(xy),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):  # the first one compiles and is not counted
        for name, way in ways.items():
            start = perf_counter()
            way()
            if turn:
                times[name].append((perf_counter() - start) * 1000)
    ours = median(times[next(iter(ways))])
    print(f"\n{n:,} points, {WIDTH} x {HEIGHT} px, median of {ROUNDS}\n{'':58}      ms   ratio")
    for name, taken in times.items():
        print(f"{name:58} {median(taken):7.1f} {median(taken) / ours:7.2f}")


def main() -> None:
    """Measure at the given sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 5_000_000])
    start = perf_counter()
    warm()
    datashader_ready().result()
    print(f"warm-up of the kernels in this process: {perf_counter() - start:.1f} s")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in parser.parse_args().sizes:
            measure(n)


if __name__ == "__main__":
    main()
