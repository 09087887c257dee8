"""Find the rows inside a lasso, in a box or near the mouse: a grid over the map. numba kernels, numpy in and out.

Cells entirely inside the lasso are selected whole; only points in cells that an edge touches are tested one by one, so the
cost follows the length of the outline. Points are inside by the non-zero winding rule, so that a lasso drawn more than once
around, or as a figure of eight, loses nothing.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
from numba import njit

from core.arrays import BoolArray, FloatArray, IntArray
from core.errors import InputError, ShapeError

View = tuple[float, float, float, float]
"""(x0, x1, y0, y1) in map units."""
POINTS_A_CELL = 8
MAX_SIDE = 512  # cells per side; with more, building and traversing the grid costs more than it saves
SPACE = 0.04  # of the points' extent, left free on each side
_EDGE_MARGIN = 1e-3  # of a cell: edges are widened by it, as rounding may put a point into the neighbouring cell
_OUT, _IN, _EDGE = 0, 1, 2


@njit(cache=True, nogil=True)
def _cells_of(xs, ys, x0, y0, width, height, side):  # type: ignore[no-untyped-def]
    cells = np.empty(len(xs), np.int32)
    for i in range(len(xs)):
        column = min(int((xs[i] - x0) / width), side - 1)
        row = min(int((ys[i] - y0) / height), side - 1)
        cells[i] = row * side + column
    return cells


@njit(cache=True, nogil=True)
def _counting_sort(cells, n_cells):  # type: ignore[no-untyped-def]
    offsets = np.zeros(n_cells + 1, np.int64)
    for cell in cells:
        offsets[cell + 1] += 1
    for cell in range(n_cells):
        offsets[cell + 1] += offsets[cell]
    at = offsets[:-1].copy()
    order = np.empty(len(cells), np.int32)
    for i in range(len(cells)):
        order[at[cells[i]]] = i
        at[cells[i]] += 1
    return offsets, order


@njit(cache=True, nogil=True)
def _clip(value, low, high):  # type: ignore[no-untyped-def]
    """Floor to an int in [low, high]; clipped first, because a vertex may be beyond the range of int."""
    return int(np.floor(min(max(value, low), high)))


@njit(cache=True, nogil=True)
def _inside(x, y, px, py, edges, n_edges):  # type: ignore[no-untyped-def]
    """Return whether the winding number of the given edges around the point is not zero; edge i starts at vertex i - 1."""
    turns = 0
    for k in range(n_edges):
        i = edges[k]
        j = i - 1  # -1 is the last vertex
        if (py[i] > y) != (py[j] > y) and x < (px[j] - px[i]) * (y - py[i]) / (py[j] - py[i]) + px[i]:
            turns += 1 if py[i] > y else -1
    return turns != 0


@njit(cache=True, nogil=True)
def _classify(px, py, side):  # type: ignore[no-untyped-def]
    """Classify every cell as outside, inside or touched by the polygon, which is given in units of cells."""
    kind = np.zeros((side, side), np.uint8)
    crossings, steps = np.empty(len(px)), np.empty(len(px), np.int64)
    for row in range(side):  # cells by their centres; those that an edge touches are corrected below
        y, n = row + 0.5, 0
        for i in range(len(px)):
            j = i - 1
            if (py[i] > y) != (py[j] > y):
                crossings[n] = (px[j] - px[i]) * (y - py[i]) / (py[j] - py[i]) + px[i]
                steps[n] = 1 if py[i] > y else -1
                n += 1
        order, turns = np.argsort(crossings[:n]), 0
        for k in range(n - 1):
            turns += steps[order[k]]
            if turns == 0:
                continue
            for column in range(_clip(np.ceil(crossings[order[k]] - 0.5), 0, side), side):
                if column + 0.5 >= crossings[order[k + 1]]:
                    break
                kind[row, column] = _IN
    for i in range(len(px)):
        j = i - 1
        low, high = min(py[i], py[j]), max(py[i], py[j])
        for row in range(_clip(low - _EDGE_MARGIN, 0, side), _clip(high + _EDGE_MARGIN, -1, side - 1) + 1):
            from_, to = 0.0, 1.0
            if high - low > 1e-12:  # only the part of the edge in this row of cells
                from_ = min(max((row - _EDGE_MARGIN - py[i]) / (py[j] - py[i]), 0.0), 1.0)
                to = min(max((row + 1 + _EDGE_MARGIN - py[i]) / (py[j] - py[i]), 0.0), 1.0)
            xa, xb = px[i] + from_ * (px[j] - px[i]), px[i] + to * (px[j] - px[i])
            first = _clip(min(xa, xb) - _EDGE_MARGIN, 0, side)
            for column in range(first, _clip(max(xa, xb) + _EDGE_MARGIN, -1, side - 1) + 1):
                kind[row, column] = _EDGE
    return kind


@njit(cache=True, nogil=True)
def _collect(kind, py_cells, offsets, rows, xs, ys, px, py):  # type: ignore[no-untyped-def]
    """Return the rows in inside cells, and those in edge cells that are inside by the edges of their row of cells."""
    side = kind.shape[0]
    found = np.empty(len(rows), np.int32)
    edges = np.empty(len(px), np.int64)
    n = 0
    for row in range(side):
        n_edges = 0
        for i in range(len(px)):
            low, high = min(py_cells[i], py_cells[i - 1]), max(py_cells[i], py_cells[i - 1])
            if low <= row + 1 + _EDGE_MARGIN and high >= row - _EDGE_MARGIN:
                edges[n_edges] = i
                n_edges += 1
        if n_edges == 0:
            continue
        for column in range(side):
            what = kind[row, column]
            if what == _OUT:
                continue
            cell = row * side + column
            for at in range(offsets[cell], offsets[cell + 1]):
                if what == _IN or _inside(xs[at], ys[at], px, py, edges, n_edges):
                    found[n] = rows[at]
                    n += 1
    return found[:n].copy()


@njit(cache=True, nogil=True)
def _in_box(offsets, rows, xs, ys, box, cells, side, limit):  # type: ignore[no-untyped-def]
    """Collect the rows in the closed box, at most `limit` (negative: all)."""
    found = np.empty(len(rows) if limit < 0 else min(limit, len(rows)), np.int64)
    n = 0
    for row in range(cells[2], cells[3] + 1):
        for column in range(cells[0], cells[1] + 1):
            cell = row * side + column
            for at in range(offsets[cell], offsets[cell + 1]):
                if box[0] <= xs[at] <= box[1] and box[2] <= ys[at] <= box[3]:
                    if n == len(found):
                        return found, n
                    found[n] = rows[at]
                    n += 1
    return found, n


@njit(cache=True, nogil=True)
def _positions(offsets, rows, cells, side, keep):  # type: ignore[no-untyped-def]
    """Return the positions in `rows` of the kept points of a block of cells."""
    n = 0
    for row in range(cells[2], cells[3] + 1):
        n += offsets[row * side + cells[1] + 1] - offsets[row * side + cells[0]]
    found = np.empty(n, np.int32)
    n = 0
    for row in range(cells[2], cells[3] + 1):
        for at in range(offsets[row * side + cells[0]], offsets[row * side + cells[1] + 1]):
            if len(keep) == 0 or keep[rows[at]]:
                found[n] = at
                n += 1
    return found[:n]


@njit(cache=True, nogil=True)
def _nearest(offsets, rows, xs, ys, x, y, rx, ry, cells, side, visible):  # type: ignore[no-untyped-def]
    best, best_distance = -1, 1.0
    for row in range(cells[2], cells[3] + 1):
        for column in range(cells[0], cells[1] + 1):
            cell = row * side + column
            for at in range(offsets[cell], offsets[cell + 1]):
                if len(visible) and not visible[rows[at]]:
                    continue
                distance = ((xs[at] - x) / rx) ** 2 + ((ys[at] - y) / ry) ** 2
                if distance < best_distance or (distance == best_distance and (best < 0 or rows[at] < best)):
                    best, best_distance = rows[at], distance
    return best


@dataclass(frozen=True)
class GridIndex:
    """The points of a map sorted into roughly square cells, without rows that are not on the map (NaN)."""

    n: int  # number of all rows, on the map or not
    side: int
    x0: float
    y0: float
    width: float  # of a cell, map units
    height: float
    offsets: IntArray  # (side^2 + 1,)
    rows: IntArray  # (M,) int32, ordered by cell
    xs: FloatArray  # (M,) float32 by cell
    ys: FloatArray

    @classmethod
    def build(cls, xy: FloatArray) -> "GridIndex":
        """Sort (N, 2) positions into a grid; they are kept as float32.

        Raises:
            ShapeError: if it is not an (N, 2) array.
        """
        if xy.ndim != 2 or xy.shape[1] != 2:
            raise ShapeError(f"A map needs (N, 2) positions, got {xy.shape}.")
        rows = np.flatnonzero(np.isfinite(xy).all(axis=1)).astype(np.int32)
        xs, ys = xy[rows, 0].astype(np.float32), xy[rows, 1].astype(np.float32)
        if not len(rows):
            nothing = np.array([], np.float32)
            return cls(len(xy), 1, 0.0, 0.0, 1.0, 1.0, np.zeros(2, np.int64), rows, nothing, nothing)
        side = int(np.clip(np.sqrt(len(rows) / POINTS_A_CELL), 1, MAX_SIDE))
        x0, y0 = float(xs.min()), float(ys.min())
        width = max((float(xs.max()) - x0) / side, 1e-9)
        height = max((float(ys.max()) - y0) / side, 1e-9)
        offsets, order = _counting_sort(_cells_of(xs, ys, x0, y0, width, height, side), side * side)
        return cls(len(xy), side, x0, y0, width, height, offsets, rows[order], xs[order], ys[order])

    def grown(self, n: int) -> "GridIndex":
        """Return it for n rows, of which those that are new are not on the map."""
        return replace(self, n=n)

    @property
    def bounds(self) -> View:
        """Return (x0, x1, y0, y1) of all points; a unit square if there are none."""
        if not len(self.rows):
            return 0.0, 1.0, 0.0, 1.0
        return self.x0, float(self.xs.max()), self.y0, float(self.ys.max())

    @cached_property
    def whole(self) -> View:
        """Return (x0, x1, y0, y1) of all points with some space around them, as a map shows them first."""
        x0, x1, y0, y1 = self.bounds
        x, y = (x1 - x0) * SPACE or 1.0, (y1 - y0) * SPACE or 1.0
        return x0 - x, x1 + x, y0 - y, y1 + y

    @cached_property
    def _at(self) -> IntArray:
        """(n,) position of each row in `rows`; -1 if it is not on the map."""
        at = np.full(self.n, -1, np.int32)
        at[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return at

    def places(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return x and y of (K,) rows, NaN for rows that are not on the map."""
        at = self._at[rows]
        if not len(self.rows):
            return np.full(len(at), np.nan), np.full(len(at), np.nan)
        return np.where(at < 0, np.nan, self.xs[at]), np.where(at < 0, np.nan, self.ys[at])

    def lasso(self, xs: FloatArray, ys: FloatArray) -> IntArray:
        """Return the rows inside a polygon (non-zero winding rule; closed automatically).

        Args:
            xs, ys: (V,) map units.
        Returns:
            (K,) int64, ascending.
        Raises:
            InputError: if it has fewer than 3 vertices, or one is not finite.
        """
        px, py = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
        if px.shape != py.shape or px.ndim != 1 or len(px) < 3 or not (np.isfinite(px).all() and np.isfinite(py).all()):
            raise InputError(f"A lasso needs at least 3 finite vertices, got {len(px)}; draw a larger shape.")
        px_cells, py_cells = (px - self.x0) / self.width, (py - self.y0) / self.height
        kind = _classify(px_cells, py_cells, self.side)
        found = _collect(kind, py_cells, self.offsets, self.rows, self.xs, self.ys, px, py)
        return np.sort(found).astype(np.int64)  # sorted as int32: in half the time

    def box(self, x0: float, x1: float, y0: float, y1: float) -> IntArray:
        """Return the rows in a closed box, ascending; its corners may be given in any order."""
        found, n = self._box((x0, x1, y0, y1), -1)
        return np.sort(found[:n])

    def within(self, view: View, limit: int) -> IntArray | None:
        """Return the rows in view (x0, x1, y0, y1), or None if there are more than `limit`."""
        found, n = self._box(view, limit + 1)
        return None if n > limit else np.sort(found[:n])

    def positions(self, view: View, keep: BoolArray | None) -> IntArray:
        """Return the positions in `rows`, `xs`, `ys` of the points in view, and of a few around it, (K,) int32.

        Args:
            view: (x0, x1, y0, y1), map units.
            keep: (N,) bool by row, which points to return; all if None.
        """
        mask = np.zeros(0, bool) if keep is None else keep
        return _positions(self.offsets, self.rows, self._cells(view), self.side, mask)

    def _box(self, view: View, limit: int) -> tuple[IntArray, int]:
        box = np.array([*sorted(view[:2]), *sorted(view[2:])], np.float64)
        found, n = _in_box(self.offsets, self.rows, self.xs, self.ys, box, self._cells(tuple(box)), self.side, limit)
        return found, n

    def _cells(self, view: View) -> IntArray:
        """Return the block of cells around a view (x0, x1, y0, y1): first and last column, first and last row, (4,) int64."""
        columns = (np.array(view[:2]) - self.x0) / self.width
        rows = (np.array(view[2:]) - self.y0) / self.height
        low_high = np.array([columns[0] - 1, columns[1] + 1, rows[0] - 1, rows[1] + 1])
        return np.clip(low_high, 0, self.side - 1).astype(np.int64)

    def nearest(self, x: float, y: float, rx: float, ry: float, visible: BoolArray | None = None) -> int | None:
        """Return the nearest row within the ellipse of radii (rx, ry) around (x, y), or None.

        Args:
            visible: (N,) bool, which rows may be found; all if None.
        """
        mask = np.zeros(0, bool) if visible is None else visible
        cells = self._cells((x - rx, x + rx, y - ry, y + ry))
        row = _nearest(self.offsets, self.rows, self.xs, self.ys, x, y, rx, ry, cells, self.side, mask)
        return None if row < 0 else int(row)


def is_longer(xy: FloatArray, before: FloatArray) -> bool:
    """Tell whether a map is the same as before, (n, 2), with as many or more rows, (N, 2), that are not on it."""
    n = len(before)
    if len(xy) < n or xy.dtype != before.dtype or not np.isnan(xy[n:]).all():
        return False
    mine, theirs = (np.ascontiguousarray(one).view(np.uint8) for one in (xy[:n], before))  # NaN equals NaN by its bits
    return np.array_equal(mine, theirs)


class LassoMode(StrEnum):
    """How a lasso changes the selection."""

    NEW = "new"
    ADD = "add"
    SUBTRACT = "subtract"
    INTERSECT = "intersect"


def combine(current: IntArray, new: IntArray, mode: LassoMode) -> IntArray:
    """Combine the selection with a lasso's rows.

    Args:
        current, new: ascending int64 rows, each row once.
    Returns:
        ascending int64 rows.
    """
    if mode == LassoMode.NEW:
        return np.asarray(new, np.int64)
    if mode == LassoMode.SUBTRACT:
        return np.setdiff1d(current, new, assume_unique=True)
    rows = np.concatenate([np.asarray(current, np.int64), np.asarray(new, np.int64)])
    rows.sort(kind="stable")  # merges two sorted runs
    is_second = np.zeros(len(rows), bool)  # the second occurrence of a row that is in both
    is_second[1:] = rows[1:] == rows[:-1]
    return rows[is_second if mode == LassoMode.INTERSECT else ~is_second]
