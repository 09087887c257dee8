"""Is one picture a copy of another: re-encoded, resized, or cropped by a few percent? On thumbnails; numpy and scipy only.

A hash does not survive a crop. Here one picture is laid over the other under every small crop of either, and their detail
(what is left after a high-pass) is correlated: notices that differ only in words, and garments of one cut, stay apart.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from core.arrays import FloatArray

SIDE = 64  # px; the detail that tells two notices apart is still there
LARGEST_CROP = 0.03  # of a side
COARSE, FINE = 0.015, 0.005  # steps of the search
BLUR = 5.0  # px of the high-pass
SAME = 0.92  # correlation of detail from which on it is a copy; other photos, notices, garments reach .918
WORTH_A_LOOK = 0.75  # coarse correlation below which the fine search is spared
ALIKE = 0.7  # correlation of 16 x 16 px: copies under the crops searched for are above
COARSE_SIDE = 32


def detail(webp: bytes) -> FloatArray:
    """Return a thumbnail in grey, and its detail, (2, SIDE, SIDE) float32."""
    from scipy.ndimage import gaussian_filter

    with Image.open(io.BytesIO(webp)) as opened:
        grey = np.asarray(opened.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS), np.float32)
    return np.stack([grey, grey - gaussian_filter(grey, BLUR)])


def is_copy(a: FloatArray, b: FloatArray) -> bool:
    """Tell whether two pictures (as `detail` returns them) are one under re-encoding, resizing and small crops."""
    return alike(a[0], b[0]) >= ALIKE and likeness(a[1], b[1]) >= SAME


def alike(a: FloatArray, b: FloatArray) -> float:
    """Correlate two grey pictures coarsely: what this tells apart needs no search."""
    small = [x.reshape(16, SIDE // 16, 16, SIDE // 16).mean(axis=(1, 3)) for x in (a, b)]
    return float((_unit(small[0]) * _unit(small[1])).sum())


def likeness(a: FloatArray, b: FloatArray) -> float:
    """Return the best correlation of two pictures' detail over crops of either, in [-1, 1].

    Args:
        a, b: (SIDE, SIDE) float32, the second part of what `detail` returns.
    """
    return max(_best_over(a, b), _best_over(b, a))


def _best_over(whole: FloatArray, part: FloatArray) -> float:
    steps = np.arange(0, LARGEST_CROP + 1e-9, COARSE)
    half = [x.reshape(COARSE_SIDE, 2, COARSE_SIDE, 2).mean(axis=(1, 3)) for x in (whole, part)]
    edges = tuple((round(float(low), 4), round(float(high), 4)) for low in steps for high in steps)
    best, rows, columns = _search(half[0], half[1], edges, edges)
    if best < WORTH_A_LOOK:
        return best
    near = [_around(found) for found in (rows, columns)]
    return max(best if best < SAME else -1.0, _search(whole, part, *near)[0])


def _around(edge: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    offsets = (0.0, -COARSE / 2, -FINE / 2, FINE / 2, COARSE / 2)
    lows, highs = ([round(max(share + offset, 0.0), 4) for offset in offsets] for share in edge)
    return tuple((low, high) for low in lows for high in highs)


def _search(
    whole: FloatArray, part: FloatArray, rows: tuple[tuple[float, float], ...], columns: tuple[tuple[float, float], ...]
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Try all crops of the whole's rows and columns; return the best correlation with the part, and the crops."""
    side = len(whole)
    tall = _samplers(rows, side) @ whole  # (R, S, S)
    wide = _samplers(columns, side)  # (C, S, S)
    cropped = np.einsum("rij,ckj->rcik", tall, wide, optimize=True)
    # correlation = (sum ab - n mean(a) mean(b)) / (|a - mean| |b - mean|), b of unit length without its mean
    unit = _unit(part)
    flat = cropped.reshape(len(rows), len(columns), -1)
    length = np.sqrt(np.maximum((flat**2).sum(axis=2) - flat.sum(axis=2) ** 2 / flat.shape[2], 1e-6))
    found = (flat @ unit.ravel()) / length
    row, column = divmod(int(found.argmax()), len(columns))
    return float(found[row, column]), rows[row], columns[column]


def _unit(x: FloatArray) -> FloatArray:
    centred = x - x.mean()
    return centred / max(float(np.sqrt((centred**2).sum())), 1e-6)


@lru_cache(maxsize=512)
def _samplers(edges: tuple[tuple[float, float], ...], side: int) -> FloatArray:
    """Return (K, side, side) matrices that cut a share of each end off an axis and stretch the rest to the whole, linearly."""
    found = np.zeros((len(edges), side, side), np.float32)
    for matrix, (low, high) in zip(found, edges, strict=True):
        places = np.clip((low + (np.arange(side) + 0.5) / side * (1 - low - high)) * side - 0.5, 0, side - 1)
        left = np.minimum(places.astype(int), side - 2)
        matrix[np.arange(side), left] += 1 - (places - left)
        matrix[np.arange(side), left + 1] += places - left
    return found
