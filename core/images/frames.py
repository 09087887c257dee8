"""Animated and multi-page pictures: decode as many frames as a budget allows, show those that differ most as a mosaic.

Judged by its first frame alone, a file could hide anything behind a harmless start. Pillow and numpy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.arrays import FloatArray
from core.images.colour import GROUND

SHOWN = 4
MOST_FRAMES = 1_000
MOST_PIXELS = 400_000_000  # of all frames of one file that are compared: some seconds of decoding
TILE_SIDE = 600  # px of a frame in the mosaic, which is then no larger than a person's view
SMALL = 16  # px of the square by which frames are compared
DIFFERENT = 2.5  # grey levels that two frames differ by on average: less is noise of the encoder
GAP = 1 / 64  # of a tile's side between two


@dataclass(frozen=True)
class Frames:
    """The frames of a file."""

    image: Image.Image  # RGB: the first frame, or the mosaic
    n: int  # frames of the file as far as they were counted
    shown: int  # frames in the image, 1 for a still
    all_seen: bool  # False: there were too many to compare all


def choose_frames(first: Image.Image, others: Iterator[Image.Image], *, n_known: int | None, sampled: bool = False) -> Frames:
    """Choose the frames that differ most, the first always among them.

    Args:
        first: RGB.
        others: the following frames, RGB; may raise where the file is damaged, and what came before counts.
        n_known: how many frames the file says it has, None if it does not say.
        sampled: `others` are some of them only.
    """
    picks, n, spent, ended = _Picks(first), 1, first.width * first.height, False
    while n < MOST_FRAMES and spent <= MOST_PIXELS and not ended:
        try:
            frame = next(others)
        except Exception:  # the end, or damage: a browser shows the frames before it
            ended = True
        else:
            picks.add(frame)
            n, spent = n + 1, spent + frame.width * frame.height
    tiles = picks.tiles
    image = first if len(tiles) == 1 else mosaic(tiles)
    all_seen = ended and not sampled
    return Frames(image, n if all_seen else max(n, n_known or 0), len(tiles), all_seen)


class _Picks:
    """Selects, in one pass, a few frames that differ most, in the order of the file."""

    def __init__(self, first: Image.Image) -> None:
        self._signs = [_sign(first)]
        self.tiles = [_tile(first)]

    def add(self, frame: Image.Image) -> None:
        """Keep a frame if it differs more from those that are kept than two of them from each other."""
        sign = _sign(frame)
        nearest = min(_distance(sign, kept) for kept in self._signs)
        if nearest < DIFFERENT:
            return
        if len(self.tiles) == SHOWN:
            closest, later = min(
                (_distance(self._signs[a], self._signs[b]), b) for b in range(1, SHOWN) for a in range(b)
            )  # the later of the two goes, so the first frame stays
            if nearest <= closest:
                return
            del self.tiles[later], self._signs[later]
        self._signs.append(sign)
        self.tiles.append(_tile(frame))


def _sign(frame: Image.Image) -> FloatArray:
    return np.asarray(frame.resize((SMALL, SMALL), Image.Resampling.BOX, reducing_gap=2.0), np.float32)


def _distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a - b).mean())


def _tile(frame: Image.Image) -> Image.Image:
    scale = TILE_SIDE / max(frame.size)
    if scale >= 1:
        return frame.copy()
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    return frame.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def mosaic(tiles: list[Image.Image]) -> Image.Image:
    """Arrange 2 to 4 uncropped pictures in rows of two on white."""
    width, height = max(tile.width for tile in tiles), max(tile.height for tile in tiles)
    gap = max(1, round(max(width, height) * GAP))
    side_by_side = len(tiles) > 2 or width <= height
    columns = 2 if side_by_side else 1
    rows = -(-len(tiles) // columns)
    whole = Image.new("RGB", (columns * width + (columns - 1) * gap, rows * height + (rows - 1) * gap), GROUND)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        left, top = column * (width + gap) + (width - tile.width) // 2, row * (height + gap) + (height - tile.height) // 2
        whole.paste(tile, (left, top))
    return whole


def spread(n: int, most: int) -> list[int]:
    """Return at most `most` frame numbers after the first, evenly spread, the last among them."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, most + 1))} - {0})
