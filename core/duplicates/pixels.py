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
COARSE_SIDE = 32


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


def copy_likeness(a: FloatArray, b: FloatArray) -> float:
    """Return how similar two pictures are under re-encoding, resizing and small crops.

    Args:
        a, b: as `detail` returns them.
    Returns:
        correlation of detail in [-1, 1]; pass values from `SAME` on to `stands_out`; -1 if they are coarsely different.
    """
    return likeness(a[1], b[1]) if alike(a[0], b[0]) >= ALIKE else -1.0


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


def alike(a: FloatArray, b: FloatArray) -> float:
    """Correlate two grey pictures coarsely, to skip the search for clearly different ones."""
    small = [x.reshape(16, SIDE // 16, 16, SIDE // 16).mean(axis=(1, 3)) for x in (a, b)]
    return float((_unit(small[0]) * _unit(small[1])).sum())


def likeness(a: FloatArray, b: FloatArray) -> float:
    """Return the best correlation of two pictures' detail over crops of either, in [-1, 1].

    Args:
        a, b: (SIDE, SIDE) float32, the second part of what `detail` returns.
    """
    return laid_over(a, b)[0]


def laid_over(a: FloatArray, b: FloatArray) -> tuple[float, tuple[float, float, float, float], bool]:
    """Find the crop of one picture that is most similar to the other.

    Args:
        a, b: (SIDE, SIDE) float32, the second part of what `detail` returns.
    Returns:
        the correlation in [-1, 1]; the shares cut off at top, bottom, left and right; whether they are cut off `b`.
    """
    steps = np.arange(0, LARGEST_CROP + 1e-9, COARSE)
    edges = tuple((round(float(low), 4), round(float(high), 4)) for low in steps for high in steps)
    half = [x.reshape(COARSE_SIDE, 2, COARSE_SIDE, 2).mean(axis=(1, 3)) for x in (a, b)]
    there, back = _search(half[0], half[1], edges, edges), _search(half[1], half[0], edges, edges)
    of_b = there[0] < back[0]
    (best, rows, columns), whole, part = (back, b, a) if of_b else (there, a, b)
    found = best if best < WORTH_FINE_SEARCH else -1.0
    for _ in range(2 * (best >= WORTH_FINE_SEARCH)):  # rows, then columns, twice: within .0004 of trying all 625 pairs
        _, rows, _ = _search(whole, part, _around(rows), (columns,))
        found, _, columns = _search(whole, part, (rows,), _around(columns))
    return found, (*rows, *columns), of_b


def _around(edge: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    offsets = (0.0, -COARSE / 2, -FINE / 2, FINE / 2, COARSE / 2)
    lows, highs = ([round(max(share + offset, 0.0), 4) for offset in offsets] for share in edge)
    return tuple((low, high) for low in lows for high in highs)


def _search(
    whole: FloatArray, part: FloatArray, rows: tuple[tuple[float, float], ...], columns: tuple[tuple[float, float], ...]
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Try all crops of the whole's rows and columns; return the best correlation with the part, and the crops.

    A crop is the product R W C of the whole W with a matrix for its rows and one for its columns. Its sums with the part and
    with itself are products of small matrices with C and C C', so that no crop is made: a third of the time.
    """
    if len(rows) > len(columns):
        found_best, of_columns, of_rows = _search(whole.T, part.T, columns, rows)
        return found_best, of_rows, of_columns
    side = len(whole)
    by_rows, by_columns = _crops(rows, side), _crops(columns, side)
    tall = (by_rows.stacked @ whole).reshape(len(rows), side, side)
    turned = tall.transpose(0, 2, 1)
    # correlation = sum ab / |a - mean(a)|, b of unit length without its mean
    products = (turned.reshape(-1, side) @ _unit(part)).reshape(len(rows), -1) @ by_columns.turned.T
    squares = (turned @ tall).reshape(len(rows), -1) @ by_columns.squared.T
    sums = (by_rows.sums @ whole) @ by_columns.sums.T
    found = products / np.sqrt(np.maximum(squares - sums**2 / side**2, 1e-6))
    row, column = divmod(int(found.argmax()), len(columns))
    return float(found[row, column]), rows[row], columns[column]


def _unit(x: FloatArray) -> FloatArray:
    centred = x - x.mean()
    return centred / max(float(np.sqrt((centred**2).sum())), 1e-6)


@dataclass(frozen=True)
class _Crops:
    """K matrices that crop a share off each end of an axis of `side` px and stretch the rest linearly."""

    stacked: FloatArray  # (K * side, side)
    sums: FloatArray  # (K, side) over the pixels of the result
    turned: FloatArray  # (K, side * side), each transposed
    squared: FloatArray  # (K, side * side), each transposed times itself


@lru_cache(maxsize=512)
def _crops(edges: tuple[tuple[float, float], ...], side: int) -> _Crops:
    found = np.zeros((len(edges), side, side), np.float32)
    for matrix, (low, high) in zip(found, edges, strict=True):
        places = np.clip((low + (np.arange(side) + 0.5) / side * (1 - low - high)) * side - 0.5, 0, side - 1)
        left = np.minimum(places.astype(int), side - 2)
        matrix[np.arange(side), left] += 1 - (places - left)
        matrix[np.arange(side), left + 1] += places - left
    turned = np.ascontiguousarray(found.transpose(0, 2, 1))
    flat = len(edges), -1
    return _Crops(found.reshape(-1, side), found.sum(axis=1), turned.reshape(flat), (turned @ found).reshape(flat))
