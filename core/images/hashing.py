"""Near-duplicate groups by a perceptual hash: re-encoded and resized copies share one. `core.duplicates` finds crops.

A hash proves little: plain frames of any colour share one, and so do pages that differ in one line. Therefore pictures with
near hashes are compared before they are grouped.

Measured (2026-11, 256-bit phash): copies of photos and notices at JPEG q30 to WebP and half to 1.5 times the size lie
within 20 bits; different photos are at least 50 apart, notices that differ in words 34, Fashion-MNIST images 24.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from core.arrays import IntArray

HASH_SIDE = 16  # 16 x 16 bits; 8 x 8 lumps small pictures of the same garment together
MAX_DISTANCE = 20  # bits
NEAREST = 4  # leaders that are compared: a copy's hash is nearer than that of the many other pages of one layout
_BITS = HASH_SIDE * HASH_SIDE
_CUTS = np.linspace(0, _BITS, MAX_DISTANCE + 2).astype(int).tolist()  # 21 pieces: of 20 wrong bits, one piece is free
_PIECES = list(pairwise(_CUTS))
_POWERS = np.concatenate([2 ** np.arange(stop - start)[::-1] for start, stop in _PIECES])  # of each bit in its piece
COMPARED = 65_536  # hashes at a time: 2 MB stay in the cache
REMEMBERED = 4_096  # hashes whose nearest leaders are known: more than a batch has
INDEX_PAYS = 30_000_000  # hashes compared, after which an index of a million would have been faster


def perceptual_hash(image: Image.Image) -> str:
    """Return the 256-bit DCT hash of an image as 64 hex digits.

    Source: `imagehash.phash` (Krawetz 2011; Zauner 2010).
    """
    import imagehash

    bits = imagehash.phash(image, hash_size=HASH_SIDE).hash
    return np.packbits(bits.ravel()).tobytes().hex()


class Grouper:
    """Finds the image whose group a new one belongs to: the nearest leader that it is a near-duplicate of, else itself.

    Search is exact. With few questions all hashes are compared; with more, an index is built: hashes within 20 bits agree in at
    least one of 21 pieces (pigeonhole; Norouzi et al. 2012, multi-index hashing). A million images take 64 MB, and the index
    84 more.
    """

    def __init__(self) -> None:
        """Start without leaders."""
        self._n_rows = self._n_settled = self._n = 0
        self._ids = np.zeros(1_024, "S32")
        self._hashes = np.zeros((1_024, _BITS // 64), np.uint64)
        self._index: _Index | None = None
        self._n_compared = 0  # hashes compared outside of the index
        self._asked: dict[str, tuple[int, IntArray]] = {}  # by hash: how many leaders were compared, places of the nearest

    def catch_up(self, blocks: Callable[[int], Iterable[Sequence[tuple[str, str, str | None]]]]) -> None:
        """Take the images that a catalog has got since the last time.

        Args:
            blocks: returns (id, hash, hash of its group's first image; None for that itself) of the images from a row on. One
                that is out of the first one's reach was found by its embedding, and leads to its group, too, as does one whose
                first was removed: a removed image has the hash "", and leads nowhere.
        """
        for block in blocks(self._n_rows):
            leading = [(image_id, hash_) for image_id, hash_, first in block if hash_ and (not first or _is_far(hash_, first))]
            self._lead([image_id for image_id, _ in leading], [hash_ for _, hash_ in leading])
            self._n_rows, self._n_settled = self._n_rows + len(block), self._n

    def settle(self) -> None:
        """Forget what `add` has added since, of which the catalog tells if it has it, and the index."""
        self._n, self._index, self._n_compared = self._n_settled, None, 0
        self._asked.clear()

    def _lead(self, ids: Sequence[str], hashes: Sequence[str]) -> None:
        stop = self._n + len(ids)
        while stop > len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._ids[self._n : stop] = ids
        self._hashes[self._n : stop] = _from_hex("".join(hashes)).reshape(-1, _BITS // 64)
        self._n = stop

    def near(self, hash_: str) -> list[str]:
        """Return the leaders whose groups a new image may belong to, nearest first, at most `NEAREST`."""
        return [self._ids[place].decode() for place in self._nearest(hash_)]

    def _nearest(self, hash_: str) -> IntArray:
        """Return the places of these leaders. It is asked for twice: before a batch is compared, and after."""
        code = _from_hex(hash_)
        start, places = self._asked.pop(hash_) if hash_ in self._asked else self._indexed(code)
        found = [places]
        for first in range(start, self._n, COMPARED):
            some = slice(first, min(first + COMPARED, self._n))
            found.append(np.flatnonzero(self._distances(some, code) <= MAX_DISTANCE) + first)
        places = np.concatenate(found)
        nearest = places[np.argsort(self._distances(places, code), kind="stable")[:NEAREST]]
        if len(self._asked) >= REMEMBERED:
            self._asked.clear()
        self._asked[hash_] = self._n, nearest  # no others: thousands of pages of one layout are in reach of each other
        return nearest

    def _indexed(self, code: IntArray) -> tuple[int, IntArray]:
        """Return how many leaders the index has, 0 without one, and the places of those in reach."""
        self._n_compared += self._n - (self._index.n if self._index is not None else 0)
        if self._n_compared > INDEX_PAYS and self._n > INDEX_PAYS // 1_024:
            self._index, self._n_compared = _Index(self._hashes[: self._n]), 0
        if self._index is None:
            return 0, np.array([], np.int64)
        # Thousands of a million, few of them near: most differ in too many of their first bits, and repeats go last.
        places = self._index.candidates(code)
        places = places[np.bitwise_count(self._hashes[places, 0] ^ code[0]) <= MAX_DISTANCE]
        return self._index.n, np.unique(places[self._distances(places, code) <= MAX_DISTANCE])

    def add(self, image_id: str, hash_: str, *, is_copy: Callable[[str], bool] = bool) -> str:
        """Return the image whose group a new one belongs to: the nearest within reach that it is a copy of, else itself.

        Args:
            is_copy: tells whether the new image is a copy of an image that `near` names.
        """
        for leader in self.near(hash_):
            if is_copy(leader):
                return leader
        self._lead([image_id], [hash_])
        return image_id

    def _distances(self, places: IntArray | slice, code: IntArray) -> IntArray:
        """Return how many bits differ, (n,)."""
        first, *others = np.bitwise_count(self._hashes[places] ^ code).T
        found: IntArray = sum(others, first.astype(np.int64))  # a third of the time that numpy's sum of short rows takes
        return found


class _Index:
    """Places of n hashes by each of their pieces."""

    def __init__(self, hashes: IntArray) -> None:
        self.n = len(hashes)
        whole = np.ascontiguousarray(hashes).view(np.uint8)
        self._orders, self._starts = [], []
        for start, stop in _PIECES:
            keys = _piece(whole, start, stop)
            self._orders.append(np.argsort(keys, kind="stable").astype(np.int32))
            self._starts.append(np.concatenate([[0], np.bincount(keys, minlength=2 ** (stop - start)).cumsum()]))

    def candidates(self, code: IntArray) -> IntArray:
        """Return the places that agree with a hash in a piece, with repeats."""
        keys = np.add.reduceat(np.unpackbits(code.view(np.uint8)) * _POWERS, _CUTS[:-1]).tolist()
        found = zip(keys, self._orders, self._starts, strict=True)
        return np.concatenate([order[starts[key] : starts[key + 1]] for key, order, starts in found])


def _piece(whole: IntArray, start: int, stop: int) -> IntArray:
    """Return the bits [start, stop) of hashes, (n, bytes) uint8, as numbers, (n,) uint16: numpy sorts these in one pass."""
    first, last = start // 8, (stop - 1) // 8
    bits: IntArray = np.zeros(len(whole), np.uint32)
    for place in range(first, last + 1):
        bits = bits << np.uint32(8) | whole[:, place]
    return (bits >> np.uint32((last + 1) * 8 - stop) & np.uint32(2 ** (stop - start) - 1)).astype(np.uint16)


def _is_far(hash_: str, leader: str) -> bool:
    return int(np.bitwise_count(_from_hex(hash_) ^ _from_hex(leader)).sum()) > MAX_DISTANCE


def _from_hex(hashes: str) -> IntArray:
    return np.frombuffer(bytes.fromhex(hashes), np.uint64)
