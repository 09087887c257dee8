"""Turns "this view of these images, coloured so, with this selection" into what the map shows. Runs off the event loop."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.map.grid import GridIndex, View
from core.map.raster import Colouring, Dots, Picture, Raster
from dashboard.shared import Once, Same

DOTS_UP_TO = 5_000  # points in view; a canvas paints that many real dots in 35 ms
DIMMED = 0.25  # opacity of what is not selected while something is
DOT_OPACITY = 0.85
NOTHING = Picture(np.zeros((1, 1), np.uint32), Dots(0, 1.0))


class DotColumns(TypedDict):
    """Real dots, as the columns of a data source, each (K,): first those without a colour of their own, last the selection."""

    x: FloatArray  # map units
    y: FloatArray
    colour: list[str]  # "#rrggbb"
    alpha: FloatArray  # in [0, 1]


_NONE = np.zeros(0, np.float32)
NO_DOTS = DotColumns(x=_NONE, y=_NONE, colour=[], alpha=_NONE)


@dataclass(frozen=True, eq=False)
class Request:
    """What the map is asked to show; arrays are compared by identity, they are never changed in place."""

    grid: GridIndex
    colouring: Colouring
    hidden: frozenset[int]
    selected: np.ndarray  # (K,) int64 rows, ascending
    view: View
    width: int  # device px
    height: int
    pixel_ratio: float
    keep: BoolArray | None = None  # (N,) which rows pass the filters; None = all

    @property
    def base_key(self) -> Hashable:
        """Return what the picture below the selection is made from."""
        of = (self.hidden, self.view, self.width, self.height, self.pixel_ratio)
        return (Same(self.grid), Same(self.colouring), Same(self.keep), *of)

    @property
    def shown(self) -> BoolArray | None:
        """Return which rows the legend leaves on and the filters let pass, (N,) bool; None = all."""
        visible = self.colouring.visible(self.hidden)
        return visible if self.keep is None else self.keep if visible is None else visible & self.keep


@dataclass(frozen=True)
class Frame:
    """What to show; None = as it was."""

    request: Request
    base: Picture | None
    overlay: Picture | None
    dots: DotColumns | None
    mode: str  # "dots" or "image"


class Painter:
    """Draws frames; remembers the last, so that a new selection does not draw and send the whole map again.

    Windows that show the same part of the map in the same size share one picture of it.
    """

    def __init__(self, once: Once) -> None:
        self._once = once
        self._last: Request | None = None  # the request whose base picture is on the screen
        self._dot_style: Dots | None = None

    def draw(self, request: Request) -> Frame:
        """Draw dots if few points are in view, else pictures."""
        dots = self._dots(request)
        if dots is not None:
            self._last = None
            return Frame(request, NOTHING, NOTHING, dots, "dots")
        raster = self._once.once("raster", Same(request.grid), partial(Raster, request.grid))
        base, overlay, last = None, None, self._last
        shown = request.shown
        draw = partial(
            raster.draw,
            request.colouring,
            request.view,
            width=request.width,
            height=request.height,
            pixel_ratio=request.pixel_ratio,
        )
        if last is None or request.base_key != last.base_key:
            base = self._once.once("base", request.base_key, partial(draw, keep=shown))
            self._dot_style = base.dots
        if base is not None or last is None or last.selected is not request.selected:
            overlay = NOTHING
            if len(request.selected):
                keep = np.zeros(request.grid.n, bool)
                keep[request.selected] = True
                if shown is not None:
                    keep &= shown
                overlay = draw(keep=keep, dots=self._dot_style)
        self._last = request
        return Frame(request, base, overlay, None if last is not None else NO_DOTS, "image")

    def _dots(self, request: Request) -> DotColumns | None:
        rows = request.grid.within(request.view, DOTS_UP_TO)
        if rows is None:
            return None
        shown = request.shown
        if shown is not None:
            rows = rows[shown[rows]]
        own = request.colouring.has_own(rows)
        rows = np.concatenate([rows[~own], rows[own]])  # a label is not covered by what has none
        chosen = _in_ascending(rows, request.selected)
        rows = np.concatenate([rows[~chosen], rows[chosen]])  # the selection on top
        alpha = np.full(len(rows), DIMMED if len(request.selected) else DOT_OPACITY, np.float32)
        alpha[len(rows) - chosen.sum() :] = DOT_OPACITY
        x, y = request.grid.places(rows)
        return DotColumns(x=x, y=y, colour=request.colouring.colours_of(rows), alpha=alpha)


def _in_ascending(rows: IntArray, among: IntArray) -> BoolArray:
    """Tell which rows are among ascending ones: `np.isin` would sort all of them again."""
    if not len(among):
        return np.zeros(len(rows), bool)
    at = np.minimum(np.searchsorted(among, rows), len(among) - 1)
    return np.asarray(among[at] == rows)
