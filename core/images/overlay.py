"""Overlay two pictures and find where they differ. Pillow, numpy and scipy.

By a hash, or by the correlation of the whole, two pages match even if a line, a name or a number differs. Here the place with
the largest difference decides. Measured (pages of text, notices, photos; JPEG q30 to WebP, half to 1.5 times the size):
copies differ by at most 8 grey levels (root mean square of the worst 16 px), one digit on a page of 1,000 px by 9 and more.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from core.arrays import FloatArray

SIDE = 640  # px at which pictures are compared, or what the smaller one has
CELLS, FEW_CELLS = 8, 3  # a side, of the grid in which colours are compared; of tiny pictures
COLOUR, PLAIN_COLOUR = 40.0, 12.0  # levels that a cell's mean colour may differ by; of pictures with little in them
LITTLE = 0.12  # share of a picture that shows anything; below, only what it shows in full size proves something
APART, APART_CROPPED = 8.0, 14.0  # grey levels in the worst place; laid over a crop, edges are a fraction of a px off
SHARE, SHARE_CROPPED = 0.4, 0.2  # of what is in that place
WINDOW, SHARP, BROAD = 16, 1.0, 8.0  # px: of a place, and of the blurs that leave out noise and light
TINY = 48  # px; a smaller picture has no places, and the whole was compared already
FAINT = 16.0  # squared grey levels that count as nothing

# Ways to change a crop: one edge, both of an axis against each other (a shift) or together (a scale).
_AXIS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1), (1, 1), (-1, -1))
MOVES = [(*way, 0, 0) for way in _AXIS] + [(0, 0, *way) for way in _AXIS]
SOME_CROP = (0.015, 0.015, 0.015, 0.015)  # where a search may begin

Edges = tuple[float, float, float, float]  # share of a picture cut off at top, bottom, left, right


def colours_part(a: Image.Image, b: Image.Image, *, cut: Edges = (0.0, 0.0, 0.0, 0.0)) -> bool:
    """Tell whether two RGB pictures are of different colour anywhere, in a grid.

    Args:
        cut: what of `a` is left out.
    """
    top, bottom, left, right = cut
    box = (left * a.width, top * a.height, (1 - right) * a.width, (1 - bottom) * a.height)
    n = CELLS if min(max(a.size), max(b.size)) >= TINY else FEW_CELLS
    grid, way = (n, n), Image.Resampling.BOX
    cells = [np.asarray(x, np.float32) for x in (a.resize(grid, way, box=box), b.resize(grid, way))]
    limit = PLAIN_COLOUR if shows_little(a) or shows_little(b) else COLOUR
    return bool(np.abs(cells[0] - cells[1]).max() > limit)


def shows_little(image: Image.Image) -> bool:
    """Tell whether a picture is mostly plain, such as a blank frame or a page with one line."""
    from scipy.ndimage import uniform_filter

    small = image.convert("L").resize((128, 128), Image.Resampling.BICUBIC)
    detail = _detail(np.asarray(small, np.float32), 5.0)
    return float((uniform_filter(detail**2, WINDOW) > FAINT).mean()) < LITTLE


def places_part(a: Image.Image, b: Image.Image, *, cropped: Edges | None = None) -> bool:
    """Tell whether two RGB pictures of one framing differ in some place, in colour or in content.

    Args:
        cropped: what of `a` is cut off in `b`, roughly; None if they show the same. It is searched more closely here.
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    grey = [image.convert("L") for image in (a, b)]
    side = min(max(a.size), max(b.size), SIDE)
    size = _fitted(b.size if cropped else a.size, side)
    edges = (0.0, 0.0, 0.0, 0.0) if cropped is None else _closest(grey[0], grey[1], cropped, size)
    if colours_part(a, b, cut=edges):
        return True
    if side < TINY:
        return False
    over, under = (gaussian_filter(x, SHARP) for x in (_cut(grey[0], edges, size), _cut(grey[1], (0, 0, 0, 0), size)))
    first, second = _detail(over, BROAD), _detail(under, BROAD)
    window = max(6, min(WINDOW, side // 8))
    energies = [np.maximum(uniform_filter(x * x, window), 0) for x in (first, second, first - second)]
    if cropped is not None:  # the outermost is a guess
        rim = min(window // 2, min(size) // 4)
        energies = [x[rim : len(x) - rim, rim : x.shape[1] - rim] for x in energies]
    apart, share = (APART, SHARE) if cropped is None else (APART_CROPPED, SHARE_CROPPED)
    here, there, difference = energies
    in_share = difference > share * (np.maximum(here, there) + FAINT)
    if cropped is None:  # either is enough: with nothing moved, nothing else explains it
        return bool(np.sqrt(difference.max()) > apart or (in_share & (difference > (apart / 2) ** 2)).any())
    return bool((in_share & (difference > apart**2)).any())


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = side / max(size)
    return max(8, round(size[0] * scale)), max(8, round(size[1] * scale))


def _detail(x: FloatArray, blur: float) -> FloatArray:
    from scipy.ndimage import gaussian_filter

    return x - gaussian_filter(x, blur)


def _cut(image: Image.Image, edges: Edges, size: tuple[int, int]) -> FloatArray:
    top, bottom, left, right = edges
    box = (left * image.width, top * image.height, (1 - right) * image.width, (1 - bottom) * image.height)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box), np.float32)


def _closest(whole: Image.Image, part: Image.Image, start: Edges, size: tuple[int, int]) -> Edges:
    """Find the crop of one picture that looks most like another, edge by edge, to a twentieth of a percent."""
    from scipy.ndimage import gaussian_filter

    small = _fitted(size, min(max(size), 224))
    near = whole.resize((round(small[0] * 1.1), round(small[1] * 1.1)), Image.Resampling.LANCZOS)
    wanted = _unit(_detail(gaussian_filter(_cut(part, (0, 0, 0, 0), small), SHARP), 6.0))

    def likeness(edges: Sequence[float]) -> float:
        top, bottom, left, right = edges
        return float(
            (_unit(_detail(gaussian_filter(_cut(near, (top, bottom, left, right), small), SHARP), 6.0)) * wanted).sum()
        )

    best = max((start, SOME_CROP), key=likeness)
    found = likeness(best)
    for step in (0.008, 0.004, 0.002, 0.001, 0.0005):
        for _ in range(4):
            before = found
            for move in MOVES:
                top, bottom, left, right = (max(0.0, edge + step * way) for edge, way in zip(best, move, strict=True))
                value = likeness((top, bottom, left, right))
                if value > found + 1e-5:
                    found, best = value, (top, bottom, left, right)
            if found == before:
                break
    return best


def _unit(x: FloatArray) -> FloatArray:
    centred = x - x.mean()
    return np.asarray(centred / max(float(np.sqrt((centred**2).sum())), 1e-6), np.float32)
