"""Uncertainty from the probe's scores, on any device; higher = less certain. Imports numpy and core.errors only."""

from typing import TYPE_CHECKING

import numpy as np

from core.arrays import FloatArray
from core.errors import ShapeError

if TYPE_CHECKING:
    import torch

TINY = float(np.finfo(np.float32).tiny)  # divides where all classes are ruled out


def probability(logits: FloatArray) -> FloatArray:
    """Convert logits of any shape into probabilities in [0, 1] without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits))


def closeness(score: "torch.Tensor") -> "torch.Tensor":
    """Score how close each image is to the flagged boundary: 1 - |2p - 1|.

    Args:
        score: (N,) logits of the flagged column; NaN stays NaN.
    Returns:
        (N,) in [0, 1]; 1 on the boundary.
    Source: Lewis & Gale 1994 (uncertainty sampling).
    """
    return 1 - (0.5 * score).tanh().abs()


def margin(logits: "torch.Tensor") -> "torch.Tensor":
    """Score how close the two likeliest classes are.

    Args:
        logits: (N, C) one-vs-rest scores, C >= 2.
    Returns:
        (N,) in [0, 1]; 1 for a tie.
    Raises:
        ShapeError: if C < 2.
    Source: Scheffer et al. 2001.
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ShapeError(f"Class uncertainty needs (N, C>=2) scores, got {tuple(logits.shape)}; label a second class first.")
    proba = logits.sigmoid()
    first, second = (proba / proba.sum(dim=1, keepdim=True).clamp_min(TINY)).topk(2, dim=1).values.unbind(dim=1)
    return 1 - (first - second)
