"""Teach half and check half: a permanent random number per image. Imports hashlib and numpy only.

Source: `permanent random numbers` of survey sampling (Ohlsson 1995); the first n check images in ascending order are a
simple random sample of the check half, for this model and for every later one.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from core.arrays import FloatArray

CHECK_SHARE = 0.5  # fixed before the first label; the teach half stays far larger than any label budget


def permanent_random_numbers(ids: Sequence[str], *, salt: str) -> FloatArray:
    """Give every id its own uniform number, the same on every machine and in every run.

    Args:
        ids: N stable names.
        salt: names the purpose; two salts give independent numbers.
    Returns:
        (N,) float64 in [0, 1).
    """

    def draw(name: str) -> float:
        digest = hashlib.blake2b(f"{salt}\0{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    return np.fromiter((draw(name) for name in ids), np.float64, len(ids))


def in_check_half(groups: Sequence[str], *, salt: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which images belong to the check half, from their near-duplicate groups, so that twins never part.

    Args:
        groups: N group ids (an image without twins is its own group).
        salt: the workspace's.
    Returns:
        (N,) bool.
    """
    return permanent_random_numbers(groups, salt=f"{salt}/half") < CHECK_SHARE


def check_order(ids: Sequence[str], *, salt: str) -> FloatArray:
    """Place every image in the reading queue of the check half: ascending, independent of its half.

    Returns:
        (N,) float64 in [0, 1).
    """
    return permanent_random_numbers(ids, salt=f"{salt}/order")
