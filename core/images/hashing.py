"""Near-duplicate groups by a perceptual hash: re-encoded and resized copies share one. `core.duplicates` finds crops.

A hash proves little: plain frames of any colour share one, and so do pages that differ in one line. Therefore pictures with
near hashes are compared before they are grouped.

Measured (2026-11, 256-bit phash): copies of photos and notices at JPEG q30 to WebP and half to 1.5 times the size lie
within 20 bits; different photos are at least 50 apart, notices that differ in words 34, Fashion-MNIST images 24.
"""

from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

HASH_SIDE = 16  # 16 x 16 bits; 8 x 8 lumps small pictures of the same garment together
MAX_DISTANCE = 20  # bits
NEAREST = 4  # leaders that are compared: a copy's hash is nearer than that of the many other pages of one layout
_BITS = HASH_SIDE * HASH_SIDE
_CUTS = np.linspace(0, _BITS, MAX_DISTANCE + 2).astype(int)  # 21 pieces: of 20 wrong bits, one piece is free


def perceptual_hash(image: Image.Image) -> str:
    """Return the 256-bit DCT hash of an image as 64 hex digits.

    Source: `imagehash.phash` (Krawetz 2011; Zauner 2010).
    """
    import imagehash

    bits = imagehash.phash(image, hash_size=HASH_SIDE).hash
    return np.packbits(bits.ravel()).tobytes().hex()


class Grouper:
    """Assigns each new image to the group of the nearest leader that it is a near-duplicate of, or to a new group.

    A group's id is the id of its first image and never changes. Search is exact: hashes within 20 bits agree in at
    least one of 21 pieces (pigeonhole; Norouzi et al. 2012, multi-index hashing).
    """

    def __init__(self, known: Iterable[tuple[str, str, str]] = ()) -> None:
        """Start from (id, hash, group) of the images so far, in row order."""
        self._leaders: list[tuple[str, str]] = []  # (image, its group)
        self._hashes = np.zeros((1_024, _BITS // 8), np.uint8)
        self._buckets: list[dict[bytes, list[int]]] = [{} for _ in _CUTS[1:]]
        codes: dict[str, np.ndarray] = {}
        for image_id, hash_, group in known:
            code = _from_hex(hash_)
            if image_id == group:
                codes[group] = code
                self._lead(image_id, group, code)
            elif int(np.bitwise_count(codes[group] ^ code).sum()) > MAX_DISTANCE:  # found by its embedding: leads to its group
                self._lead(image_id, group, code)

    def near(self, hash_: str) -> list[str]:
        """Return the images whose groups a new image may belong to, nearest first, at most `NEAREST`."""
        return [self._leaders[place][0] for place in self._near(_from_hex(hash_))]

    def add(self, image_id: str, hash_: str, *, is_copy: Callable[[str], bool] = bool) -> str:
        """Return the group of a new image: that of the nearest image within reach that it is a copy of, else its own.

        Args:
            is_copy: tells whether the new image is a copy of an image that `near` names.
        """
        code = _from_hex(hash_)
        for place in self._near(code):
            leader, group = self._leaders[place]
            if is_copy(leader):
                return group
        self._lead(image_id, image_id, code)
        return image_id

    def _near(self, code: np.ndarray) -> list[int]:
        candidates = sorted({leader for bucket, key in self._keys(code) for leader in bucket.get(key, ())})
        if not candidates:
            return []
        distance = np.bitwise_count(self._hashes[candidates] ^ code).sum(axis=1, dtype=np.int64)
        nearest = np.argsort(distance, kind="stable")[:NEAREST]
        return [candidates[place] for place in nearest if distance[place] <= MAX_DISTANCE]

    def _keys(self, code: np.ndarray) -> Iterable[tuple[dict[bytes, list[int]], bytes]]:
        bits = np.unpackbits(code)
        pieces = zip(self._buckets, _CUTS[:-1], _CUTS[1:], strict=True)
        return ((bucket, bits[start:stop].tobytes()) for bucket, start, stop in pieces)

    def _lead(self, image_id: str, group: str, code: np.ndarray) -> None:
        position = len(self._leaders)
        if position == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[position] = code
        self._leaders.append((image_id, group))
        for bucket, key in self._keys(code):
            bucket.setdefault(key, []).append(position)


def _from_hex(hash_: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(hash_), np.uint8)
