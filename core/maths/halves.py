"""Teach half and check half: a permanent random number per image. Imports hashlib and numpy only.

Source: `permanent random numbers` of survey sampling (Ohlsson 1995); the first n check images in ascending order are a
simple random sample of the check half, for this model and for every later one.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from core.arrays import BoolArray, FloatArray

CHECK_SHARE = 0.5  # fixed before the first label; the teach half stays far larger than any label budget
LIVE_SHARE = 0.2  # of the check half: its readings may be watched while the model learns, so no promise is made from them


class Half(StrEnum):
    """One of the two parts that the images are divided into for good."""

    TEACH = "teach"  # the model learns from its labels
    CHECK = "check"  # the model is judged on its labels


def permanent_random_numbers(ids: Sequence[str], *, salt: str) -> FloatArray:
    """Return a uniform random number for every id, the same on every machine and in every run.

    Args:
        ids: N stable names.
        salt: identifies the purpose; different salts give independent numbers.
    Returns:
        (N,) float64 in [0, 1).
    """

    def draw(name: str) -> float:
        digest = hashlib.blake2b(f"{salt}\0{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    return np.fromiter((draw(name) for name in ids), np.float64, len(ids))


def in_check_half(groups: Sequence[str], *, salt: str) -> BoolArray:
    """Tell which images belong to the check half, by their near-duplicate groups, so that groups are never split.

    Args:
        groups: N group ids (an image without near-duplicates is its own group).
        salt: the workspace's.
    Returns:
        (N,) bool.
    """
    return permanent_random_numbers(groups, salt=f"{salt}/half") < CHECK_SHARE


def in_live_part(orders: FloatArray) -> BoolArray:
    """Tell which check images live curves may use, by the `check_order` of the first image of each one's group.

    The trailing digits of a random number are independent of its leading ones, and so of the image's place in the queue.

    Args:
        orders: (N,) float64 in [0, 1).
    Returns:
        (N,) bool; the others are sealed.
    """
    return np.asarray(np.modf(orders * 2**20)[0] < LIVE_SHARE)


def check_order(ids: Sequence[str], *, salt: str) -> FloatArray:
    """Return every image's position in the permanent order in which check images are read, independent of its half.

    Returns:
        (N,) float64 in [0, 1).
    """
    return permanent_random_numbers(ids, salt=f"{salt}/order")
