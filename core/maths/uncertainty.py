"""Uncertainty from the probe's scores; higher = less certain. Imports numpy and core.errors only."""

import numpy as np

from core.arrays import FloatArray
from core.errors import ShapeError


def probability(logits: FloatArray) -> FloatArray:
    """Convert logits of any shape into probabilities in [0, 1] without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits))


def closeness(score: FloatArray) -> FloatArray:
    """Score how close each image is to the flagged boundary: 1 - |2p - 1|.

    Args:
        score: (N,) logits of the flagged column; NaN stays NaN.
    Returns:
        (N,) in [0, 1]; 1 on the boundary.
    Source: Lewis & Gale 1994 (uncertainty sampling).
    """
    return 1 - np.abs(np.tanh(0.5 * score))


def _normalised(logits: FloatArray) -> FloatArray:
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ShapeError(f"Class uncertainty needs (N, C>=2) scores, got {logits.shape}; label a second class first.")
    proba = probability(logits)
    return proba / np.maximum(proba.sum(axis=1, keepdims=True), np.finfo(proba.dtype).tiny)


def margin(logits: FloatArray) -> FloatArray:
    """Score how close the two likeliest classes are.

    Args:
        logits: (N, C) one-vs-rest scores, C >= 2.
    Returns:
        (N,) in [0, 1]; 1 for a tie.
    Raises:
        ShapeError: if C < 2.
    Source: Scheffer et al. 2001.
    """
    top2 = np.partition(_normalised(logits), -2, axis=1)[:, -2:]
    return 1 - (top2[:, 1] - top2[:, 0])
