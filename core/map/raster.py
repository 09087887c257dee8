"""Render the map: `core.map.sums` adds up the points of each pixel, our kernel shades the pixels. Runs off the event loop.

A pixel's colour is the count-weighted mean of its points' colours, of those with a colour of their own if it has any; its
opacity follows the rank of its count. Dots grow where the map is sparse, and dots with a colour of their own grow over the
others where those are sparse: a label shows at once among a million points. Decision and figures:
docs/decisions/0002-map-rendering.md.
"""

import threading
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
from numba import njit

from core.arrays import BoolArray, FloatArray, IntArray, NumberArray
from core.errors import ShapeError
from core.map.grid import GridIndex, LassoMode, View, combine
from core.map.sums import Sum, sums
from core.palette import CLASS_PALETTE, CONTINUOUS, UNLABELLED_COLOUR

_MOST_COUNTED = 65_535  # points in a pixel; with more, opacity stays the same
FRONT_OPACITY = 0.9  # of the few points with a colour of their own among many without
_KEPT = 4  # colourings in the grid's order, 3 or 4 bytes a point each: windows differ in what they show


class ColouringKind(StrEnum):
    """Whether points are coloured by codes or by values."""

    CATEGORICAL = "categorical"
    CONTINUOUS = "continuous"


@dataclass(frozen=True)
class Colouring:
    """The colour of every point."""

    kind: ColouringKind
    codes: IntArray  # (N,) int16, -1 = unlabelled; empty if continuous
    values: FloatArray  # (N,) float32, NaN = undefined; empty if categorical
    palette: tuple[str, ...]  # "#rrggbb": by code, or the stops from low to high
    unlabelled: str  # colour of -1 and NaN
    names: tuple[str, ...]  # of the codes
    low: float
    high: float
    rest: str = ""  # what has no colour of its own, in words; "" leaves the words to the legend
    marks: tuple[str, ...] = ()  # words at even distances along the scale, low to high; () leaves them to the legend
    marks_are_times: bool = False  # then ISO 8601, UTC: only a page knows the reader's time zone

    def __len__(self) -> int:
        return len(self.codes) if self.kind == ColouringKind.CATEGORICAL else len(self.values)

    def grown(self, n: int) -> "Colouring":
        """Return the same of more rows, which have no colour of their own."""
        if self.kind == ColouringKind.CATEGORICAL:
            return replace(self, codes=np.concatenate([self.codes, np.full(n - len(self), -1, self.codes.dtype)]))
        return replace(self, values=np.concatenate([self.values, np.full(n - len(self), np.nan, self.values.dtype)]))

    def visible(self, hidden: frozenset[int]) -> BoolArray | None:
        """Return which rows are not hidden by the legend, (N,) bool, not to be written to; None if all are visible."""
        if self.kind != ColouringKind.CATEGORICAL or not hidden:
            return None
        rows = self._visible.get(hidden)
        if rows is None:  # kept: it is asked for with every move of the mouse
            shown = np.ones(len(self.palette) + 1, bool)  # -1 is the last
            shown[[code for code in hidden if -1 <= code < len(self.palette)]] = False
            rows = shown[self.codes]
            rows.flags.writeable = False
            if len(self._visible) >= _KEPT:
                self._visible.clear()
            self._visible[hidden] = rows
        return rows

    @cached_property
    def _visible(self) -> dict[frozenset[int], BoolArray]:
        return {}

    def counts(self) -> dict[int, int]:
        """Return how many rows have each code, -1 included; empty if continuous."""
        return self._counts

    @cached_property
    def _counts(self) -> dict[int, int]:
        if self.kind != ColouringKind.CATEGORICAL:
            return {}
        return {code: int(np.count_nonzero(self.codes == code)) for code in range(-1, len(self.palette))}

    @cached_property
    def some_without(self) -> bool:
        """Tell whether some rows have a colour of their own and others have none."""
        n = self.counts().get(-1, 0) if self.kind == ColouringKind.CATEGORICAL else int(np.isnan(self.values).sum())
        return 0 < n < len(self)

    def has_own(self, rows: IntArray) -> BoolArray:
        """Tell which of (K,) rows have a colour of their own."""
        if self.kind == ColouringKind.CATEGORICAL:
            return np.asarray(self.codes[rows] >= 0)
        return ~np.isnan(self.values[rows])

    def colours_of(self, rows: IntArray) -> list[str]:
        """Return the colour of each of (K,) rows as "#rrggbb"."""
        if self.kind == ColouringKind.CATEGORICAL:
            table = [*self.palette, self.unlabelled]  # -1 is the last
            return [table[code] for code in self.codes[rows]]
        red_green_blue = (self.blend(self.values[rows]) * 255).round().astype(int)
        return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in red_green_blue]

    def table(self) -> FloatArray:
        """Return the codes' colours, (C + 1, 3) float32 in [0, 1], the one of -1 last."""
        return np.array([_rgb(c) for c in (*self.palette, self.unlabelled)], np.float32)

    def blend(self, values: FloatArray) -> FloatArray:
        """Return (..., 3) float32 colours in [0, 1] of values, NaN as unlabelled."""
        stops = self.table()[:-1]
        fine = np.linspace(0, len(stops) - 1, 256)  # a table of 256 colours: one look-up per pixel, not three interpolations
        table = np.stack([np.interp(fine, np.arange(len(stops)), stops[:, c]) for c in range(3)], axis=1)
        table = np.concatenate([table, [_rgb(self.unlabelled)]]).astype(np.float32)
        share = (np.nan_to_num(values) - self.low) / max(self.high - self.low, 1e-12)
        at = np.rint(np.clip(share, 0, 1) * 255).astype(np.int64)
        return table[np.where(np.isnan(values), 256, at)]


@dataclass(frozen=True)
class Dots:
    """How points are drawn. Sparse maps get larger, more opaque dots; dense maps show the density."""

    radius: int  # px
    opacity: float  # of the sparsest pixels; the densest are opaque
    front: int = 0  # px, radius of points with a colour of their own where others have none; at least `radius`


# (share of filled pixels below which they apply, dots in CSS px), chosen by eye on 5,000 to 1,000,000 points
DOTS = ((0.004, Dots(3, 0.85)), (0.02, Dots(2, 0.8)), (0.08, Dots(1, 0.65)), (1.1, Dots(0, 0.5)))


def _rgb(colour: str) -> tuple[float, float, float]:
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def _dots_for(filled: float, pixel_ratio: float) -> Dots:
    """Return the dots for a share of filled pixels, in device px."""
    dots = next(dots for share, dots in DOTS if filled < share)
    return replace(dots, radius=round(dots.radius * pixel_ratio))


def _only(rgba: IntArray, pixels: IntArray, opacity: float) -> IntArray:
    """Return (h, w) pixels with all but a few of them (positions in the flat picture) empty, and these at least so opaque."""
    found, values = np.zeros_like(rgba), rgba.ravel()[pixels]
    alphas = np.maximum(values >> np.uint32(24), np.uint32(round(255 * opacity)))
    found.ravel()[pixels] = (values & np.uint32(0xFFFFFF)) | (alphas << np.uint32(24))
    return found


def _lay_over(below: IntArray, above: IntArray) -> None:
    """Replace pixels in place where the upper picture has any."""
    filled = above != 0
    below[filled] = above[filled]


@dataclass(frozen=True)
class Picture:
    """One rendered layer of the map."""

    rgba: IntArray  # (height, width) uint32, row 0 at the bottom, as Bokeh's `image_rgba` takes it
    dots: Dots  # in device px


class Raster:
    """The points of one map, ready to be rendered in any colouring, view and size. Any thread may draw."""

    def __init__(self, grid: GridIndex) -> None:
        self._grid = grid
        self._lock = threading.Lock()
        self._ordered: deque[tuple[Colouring, dict[str, NumberArray]]] = deque(maxlen=_KEPT)

    def draw(
        self,
        colouring: Colouring,
        view: View,
        width: int,
        height: int,
        *,
        keep: BoolArray | None = None,
        dots: Dots | None = None,
        pixel_ratio: float = 1.0,
    ) -> Picture:
        """Draw the points in view.

        Args:
            colouring: N codes or values, N rows as the grid.
            width, height: device px, at least 1.
            keep: (N,) bool, which rows to draw; all if None.
            dots: in device px; chosen by the share of filled pixels if None. A selection takes the dots of the whole map.
            pixel_ratio: device px per CSS px, by which chosen dots are scaled.
        Raises:
            ShapeError: if the colouring or `keep` does not have N rows.
        """
        for what, n in (("colouring", len(colouring)), ("mask", self._grid.n if keep is None else len(keep))):
            if n != self._grid.n:
                raise ShapeError(f"The map has {self._grid.n} rows, but the {what} has {n}; compute it again for this map.")
        count, colours, own = self._aggregate(colouring, view, width, height, keep)
        if dots is None:
            dots = _dots_for(len(colours) / count.size, pixel_ratio)
            front = dots.radius if own is None else _dots_for(np.count_nonzero(own) / count.size, pixel_ratio).radius
            dots = replace(dots, front=max(dots.radius, front))
        rgba = _shade(count, colours, dots.opacity)
        grown = _grow(rgba, dots.radius) if dots.radius else rgba
        if own is not None and dots.front:
            opacity = FRONT_OPACITY if dots.front > dots.radius else 0.0
            _lay_over(grown, _grow(_only(rgba, np.flatnonzero(count)[own], opacity), dots.front))
        return Picture(grown, dots)

    def _aggregate(
        self, colouring: Colouring, view: View, width: int, height: int, keep: BoolArray | None
    ) -> tuple[IntArray, FloatArray, BoolArray | None]:
        """Count the points of each pixel and mix their colours.

        Returns:
            counts (h, w) uint32, the colours (F, 3) float32 in [0, 1] of the F filled pixels, row by row, and which of them
            have points with a colour of their own, (F,) bool; None if all points have, or none.
        """
        points = self._points(colouring, view, keep)
        is_categorical = colouring.kind == ColouringKind.CATEGORICAL
        # Sums of colours cost the same for any number of classes, where counts per class would need a layer per class.
        wanted = {name: (Sum.SUM, name) for name in "rgb"} if is_categorical else {"value": (Sum.MEAN, "value")}
        mixed = colouring.some_without
        if mixed:
            wanted["own"] = (Sum.SUM, "own") if is_categorical else (Sum.COUNT, "value")
        count, layers = sums(points, view, width, height, wanted)
        n_own = layers["own"] if mixed else None
        own = None if n_own is None else np.asarray(n_own > 0)
        if not is_categorical:
            return count, colouring.blend(layers["value"].astype(np.float64, copy=False)), own
        n = count[count > 0] if n_own is None else np.maximum(n_own, 1)
        colours = (np.stack([layers[name] for name in "rgb"], axis=1) / (255.0 * n[:, None])).astype(np.float32)
        if own is not None:
            colours[~own] = colouring.table()[-1]
        return count, colours, own

    def _points(self, colouring: Colouring, view: View, keep: BoolArray | None) -> dict[str, NumberArray]:
        """Return the columns x, y and r, g, b (and own, if some have no colour) or value of the points around the view."""
        grid = self._grid
        columns = {"x": grid.xs, "y": grid.ys, **self._by_cell(colouring)}
        x0, x1, y0, y1 = grid.bounds
        if keep is None and view[0] <= x0 and x1 <= view[1] and view[2] <= y0 and y1 <= view[3]:
            return columns
        at = grid.positions(view, keep)
        return {name: column[at] for name, column in columns.items()}

    def _by_cell(self, colouring: Colouring) -> dict[str, NumberArray]:
        """Return colours, 8 bits a channel, or values in the grid's order; most draws are zooms, which need no new ones."""
        with self._lock:
            for known, ordered in self._ordered:
                if known is colouring:
                    return ordered
            if colouring.kind == ColouringKind.CATEGORICAL:
                table, codes = np.rint(colouring.table() * 255).astype(np.uint8), colouring.codes[self._grid.rows]
                if colouring.some_without:
                    table[-1] = 0  # added to nothing
                columns: dict[str, NumberArray] = {name: table[codes, i] for i, name in enumerate("rgb")}
                if colouring.some_without:
                    columns["own"] = (codes >= 0).astype(np.uint8)
                self._ordered.append((colouring, columns))
            else:
                self._ordered.append((colouring, {"value": colouring.values[self._grid.rows]}))
            return self._ordered[-1][1]


@njit(cache=True, nogil=True)
def _shade(count, colours, opacity):  # type: ignore[no-untyped-def]
    """Pack colours and rank-based opacity into (h, w) uint32 RGBA; empty pixels are 0."""
    height, width = count.shape
    pixels_with = np.zeros(_MOST_COUNTED + 1, np.int64)
    for y in range(height):
        for x in range(width):
            pixels_with[min(count[y, x], _MOST_COUNTED)] += 1
    pixels_with[0] = 0
    lone, filled = pixels_with[1], pixels_with.sum()
    alphas = np.empty(_MOST_COUNTED + 1, np.uint32)
    up_to = 0
    for n in range(_MOST_COUNTED + 1):
        up_to += pixels_with[n]
        rank = max(up_to - lone, 0) / max(filled - lone, 1)  # 0 for the sparsest pixels, 1 for the densest
        alphas[n] = np.uint32(np.rint(255 * (opacity + (1 - opacity) * rank)))
    rgba = np.zeros((height, width), np.uint32)
    at = 0
    for y in range(height):
        for x in range(width):
            n = min(count[y, x], _MOST_COUNTED)
            if n > 0:
                red = np.uint32(np.rint(255 * colours[at, 0]))
                green = np.uint32(np.rint(255 * colours[at, 1]))
                blue = np.uint32(np.rint(255 * colours[at, 2]))
                at += 1
                rgba[y, x] = red | green << np.uint32(8) | blue << np.uint32(16) | alphas[n] << np.uint32(24)
    return rgba


@njit(cache=True, nogil=True)
def _grow(rgba, radius):  # type: ignore[no-untyped-def]
    """Grow each pixel to a disc. A disc never covers a filled pixel; where two overlap the more opaque one wins.

    datashader's `spread` costs pixels times disc; this costs filled pixels times disc, and only sparse maps need it.
    """
    height, width = rgba.shape
    grown = rgba.copy()
    reach = (radius + 0.5) ** 2
    for y in range(height):
        for x in range(width):
            if rgba[y, x] == 0:
                continue
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    free = rgba[v, u] == 0 and (u - x) ** 2 + (v - y) ** 2 < reach
                    if free and rgba[y, x] >> np.uint32(24) > grown[v, u] >> np.uint32(24):
                        grown[v, u] = rgba[y, x]
    return grown


def warm() -> None:
    """Load our kernels, compiled before or now, for the dtypes the server uses, so that the first user need not wait."""
    xy = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    grid = GridIndex.build(xy)
    raster, view, keep = Raster(grid), (0.2, 0.8, 0.2, 0.8), np.ones(50, bool)
    codes, no_values = np.zeros(50, np.int16), np.array([], np.float32)
    categorical = Colouring(
        ColouringKind.CATEGORICAL, codes, no_values, CLASS_PALETTE[:1], UNLABELLED_COLOUR, ("a",), low=0.0, high=1.0
    )
    continuous = replace(categorical, kind=ColouringKind.CONTINUOUS, values=xy[:, 0].copy(), palette=CONTINUOUS)
    for colouring in (categorical, continuous):
        raster.draw(colouring, view, 40, 30)
        raster.draw(colouring, view, 40, 30, keep=keep, dots=Dots(1, 0.5))
    rows = grid.lasso(np.array([0.0, 1, 1]), np.array([0.0, 0, 1]))
    combine(rows, grid.box(*view), LassoMode.ADD)
    grid.within(view, 10)
    for visible in (None, keep):
        grid.nearest(0.5, 0.5, 0.1, 0.1, visible)
