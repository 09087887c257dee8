"""Is one picture a near-duplicate of another: re-encoded, resized, or cropped by a few percent? Works on thumbnails.

Hashes do not survive a crop. Here one picture is overlaid on the other with every small crop of either, and their detail
(after a high-pass filter) is correlated; notices that differ only in words, and garments of one cut, do not match.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from core.arrays import FloatArray

SIDE = 64  # px; enough for the detail that distinguishes two notices
LARGEST_CROP = 0.03  # of a side
COARSE, FINE = 0.015, 0.005  # steps of the search
BLUR = 5.0  # px of the high-pass
SAME = 0.92  # minimum correlation of detail of near-duplicates; other photos rarely reach it, trousers of 28 px do
CLEAR = 0.985  # correlation that needs no comparison with other neighbours: different garments of 28 px stay below
GAP = 0.6  # 1 - correlation of a near-duplicate is less than this share of 1 - correlation of the next other picture
WORTH_FINE_SEARCH = 0.75  # coarse correlation below which the fine search is skipped
ALIKE = 0.45  # correlation of 16 x 16 px below which the search is skipped; thin words under a crop go down to .53

Edge = tuple[float, float]
"""Shares cut off at both ends of an axis."""


def detail(webp: bytes) -> FloatArray:
    """Return a thumbnail's grey levels and their detail, (2, SIDE, SIDE) float32."""
    with Image.open(io.BytesIO(webp)) as opened:
        grey = np.asarray(opened.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS), np.float32)
    blur = _blur()
    return np.stack([grey, grey - blur @ grey @ blur.T])


@lru_cache(maxsize=1)
def _blur() -> FloatArray:
    """Return the Gaussian of `BLUR` along one axis as a matrix, (SIDE, SIDE): a tenth of the filter's time."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(np.eye(SIDE), BLUR, axis=0), np.float32)


def copy_likenesses(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return how similar pairs of pictures are under re-encoding, resizing and small crops.

    Args:
        a, b: (P, 2, SIDE, SIDE) float32, each picture as `detail` returns it.
    Returns:
        (P,) float64: the correlation of detail in [-1, 1]; pass values from `SAME` on to `stands_out`; -1 if they are
        coarsely different.
    """
    found = np.full(len(a), -1.0)
    likely = np.flatnonzero(_alike(a[:, 0], b[:, 0]) >= ALIKE)
    found[likely] = [overlay.likeness for overlay in lay_over(a[likely, 1], b[likely, 1])]
    return found


def stands_out(found: float, others: Sequence[float], *, alone: bool) -> bool:
    """Tell whether a likeness is a near-duplicate's: a gap separates near-duplicates from pictures that only look alike.

    Args:
        found: the likeness in question.
        others: the likeness of the picture's other near neighbours.
        alone: the result if all others are equally alike, so that there is no gap.
    Source: the ratio test for distinctive matches (Lowe 2004), extended to any number of near-duplicates.
    """
    level = found
    if found >= CLEAR:
        return True
    for other in sorted((x for x in others if x < found), reverse=True):
        if 1 - level < GAP * (1 - other):
            return True
        if other < SAME:
            return False
        level = other
    return alone


def _alike(a: FloatArray, b: FloatArray) -> FloatArray:
    """Correlate grey pictures coarsely, (P, SIDE, SIDE) each, to skip the search for clearly different ones."""
    shrink = np.kron(np.eye(16, dtype=np.float32), np.ones((1, SIDE // 16), np.float32))
    small = [_unit(shrink @ x @ shrink.T) for x in (a, b)]
    return np.asarray((small[0] * small[1]).sum(axis=(1, 2)))


@dataclass(frozen=True)
class Overlay:
    """How a crop of one picture lies over another."""

    likeness: float  # correlation of detail in [-1, 1]
    cropped: tuple[float, float, float, float]  # shares cut off at top, bottom, left and right
    of_second: bool  # whether they are cut off the second picture


def lay_over(a: FloatArray, b: FloatArray) -> list[Overlay]:
    """Find for each pair of pictures the crop of one that is most similar to the other.

    Args:
        a, b: (P, SIDE, SIDE) float32, the second part of what `detail` returns.
    """
    steps = np.arange(0, LARGEST_CROP + 1e-9, COARSE)
    edges = tuple((round(float(low), 4), round(float(high), 4)) for low in steps for high in steps)
    half = [(x[:, ::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, ::2] + x[:, 1::2, 1::2]) / 4 for x in (a, b)]
    there, back = _search(half[0], half[1], edges, edges), _search(half[1], half[0], edges, edges)
    found = []
    for place, (first, second) in enumerate(zip(there, back, strict=True)):
        of_second = first[0] < second[0]
        whole, part = (b, a) if of_second else (a, b)
        best, rows, columns = second if of_second else first
        if best >= WORTH_FINE_SEARCH:
            for _ in range(2):  # rows, then columns, twice: within .0004 of trying all 625 pairs
                ((_, rows, _),) = _search(whole[place, None], part[place, None], _around(rows), (columns,))
                ((best, _, columns),) = _search(whole[place, None], part[place, None], (rows,), _around(columns))
        found.append(Overlay(best, (*rows, *columns), of_second))
    return found


def _around(edge: Edge) -> tuple[Edge, ...]:
    offsets = (0.0, -COARSE / 2, -FINE / 2, FINE / 2, COARSE / 2)
    lows, highs = ([round(max(share + offset, 0.0), 4) for offset in offsets] for share in edge)
    return tuple((low, high) for low in lows for high in highs)


def _search(
    wholes: FloatArray, parts: FloatArray, rows: tuple[Edge, ...], columns: tuple[Edge, ...]
) -> list[tuple[float, Edge, Edge]]:
    """Try all crops of the wholes' rows and columns; return for each pair the best correlation with the part, and the crops.

    A crop is the product R W C of the whole W with a matrix for its rows and one for its columns. Its sums with the part and
    with itself are products of small matrices with C and C C', so that no crop is made: a third of the time.
    """
    if len(rows) > len(columns):
        found_best = _search(wholes.transpose(0, 2, 1), parts.transpose(0, 2, 1), columns, rows)
        return [(best, of_rows, of_columns) for best, of_columns, of_rows in found_best]
    n, side = wholes.shape[:2]
    by_rows, by_columns = _crops(rows, side), _crops(columns, side)
    tall = (by_rows.stacked @ wholes).reshape(n, len(rows), side, side)
    turned = tall.transpose(0, 1, 3, 2)
    # correlation = sum ab / |a - mean(a)|, b of unit length without its mean
    products = (turned @ _unit(parts)[:, None]).reshape(n, len(rows), side * side) @ by_columns.turned.T
    squares = (turned @ tall).reshape(n, len(rows), side * side) @ by_columns.squared.T
    sums = (by_rows.sums @ wholes) @ by_columns.sums.T
    likenesses = (products / np.sqrt(np.maximum(squares - sums**2 / side**2, 1e-6))).reshape(n, len(rows) * len(columns))
    best = likenesses.argmax(axis=1)
    return [
        (float(of[place]), rows[place // len(columns)], columns[place % len(columns)])
        for of, place in zip(likenesses, best.tolist(), strict=True)
    ]


def _unit(x: FloatArray) -> FloatArray:
    """Bring pictures, (P, S, S), to a mean of 0 and a length of 1."""
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True)), 1e-6))


@dataclass(frozen=True)
class _Crops:
    """K matrices that crop a share off each end of an axis of `side` px and stretch the rest linearly."""

    stacked: FloatArray  # (K * side, side)
    sums: FloatArray  # (K, side) over the pixels of the result
    turned: FloatArray  # (K, side * side), each transposed
    squared: FloatArray  # (K, side * side), each transposed times itself


@lru_cache(maxsize=512)
def _crops(edges: tuple[Edge, ...], side: int) -> _Crops:
    found = np.zeros((len(edges), side, side), np.float32)
    for matrix, (low, high) in zip(found, edges, strict=True):
        places = np.clip((low + (np.arange(side) + 0.5) / side * (1 - low - high)) * side - 0.5, 0, side - 1)
        left = np.minimum(places.astype(int), side - 2)
        matrix[np.arange(side), left] += 1 - (places - left)
        matrix[np.arange(side), left + 1] += places - left
    turned = np.ascontiguousarray(found.transpose(0, 2, 1))
    flat = len(edges), -1
    return _Crops(found.reshape(-1, side), found.sum(axis=1), turned.reshape(flat), (turned @ found).reshape(flat))
