"""Precision and recall from scored, labelled images, weighted. Imports numpy and core.errors only."""

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.errors import ShapeError


@dataclass(frozen=True)
class PRCurve:
    """Precision and recall when images with score >= threshold are flagged; K distinct scores, falling."""

    thresholds: FloatArray  # (K,) float64, descending
    precision: FloatArray  # (K,) in [0, 1]
    recall: FloatArray  # (K,) in [0, 1], ascending; NaN without a flagged image
    average_precision: float  # NaN without a flagged image
    n_flagged: int
    n: int

    def thinned(self, n_points: int = 400) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (recall, precision, threshold) at no more than `n_points` places, ends kept, for drawing."""
        keep = np.unique(np.linspace(0, len(self.recall) - 1, min(n_points, len(self.recall))).astype(int))
        return self.recall[keep], self.precision[keep], self.thresholds[keep]


def pr_curve(scores: FloatArray, flagged: BoolArray, weights: FloatArray | None = None) -> PRCurve:
    """Compute the weighted precision-recall curve, one point per distinct score.

    Args:
        scores: (n,) logits, higher = more likely flagged, finite.
        flagged: (n,) bool, the truth.
        weights: (n,) > 0, what each image stands for; all equal if None.
    Returns:
        a `PRCurve`; average precision is the step sum of (R_k - R_(k-1)) P_k, scikit-learn's convention.
    Raises:
        ShapeError: if the lengths differ.
    """
    if scores.ndim != 1 or flagged.shape != scores.shape or (weights is not None and weights.shape != scores.shape):
        raise ShapeError(f"pr_curve needs three vectors of one length, got {scores.shape} and {flagged.shape}.")
    weight = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order].astype(np.float64)
    last_of_tie = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1) if len(falling) else np.array([], int)
    true_positive = np.cumsum(weight[order] * flagged[order])[last_of_tie]
    all_flagged = np.cumsum(weight[order])[last_of_tie]
    total = true_positive[-1] if len(true_positive) else 0.0
    precision = true_positive / all_flagged
    recall = true_positive / total if total > 0 else np.full(len(precision), math.nan)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision)) if total > 0 else math.nan
    return PRCurve(falling[last_of_tie], precision, recall, average, int(flagged.sum()), len(scores))


def precision_at_recall(curve: PRCurve, recall: float) -> tuple[float, float]:
    """Return (precision, threshold) of the best point with at least this recall; NaN where there is none."""
    enough = np.flatnonzero(curve.recall >= recall - 1e-12)
    if not len(enough):
        return math.nan, math.nan
    best = enough[np.argmax(curve.precision[enough])]
    return float(curve.precision[best]), float(curve.thresholds[best])


def knn_accuracy(x: FloatArray, codes: IntArray, *, k: int = 10) -> float:
    """Return how often the k nearest others (cosine, centred) vote for an image's own class; each image asks once.

    Args:
        x: (N, D) embeddings.
        codes: (N,) classes, >= 0.
    Returns:
        accuracy in [0, 1]; NaN with fewer than two classes or k + 1 images.
    """
    if len(x) <= k or len(np.unique(codes)) < 2:
        return math.nan
    centred = x - x.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    rows = np.argpartition(-near, k, axis=1)[:, :k]
    votes = np.zeros((len(x), int(codes.max()) + 1))
    np.add.at(votes, (np.repeat(np.arange(len(x)), k), codes[rows].ravel()), 1)
    return float((votes.argmax(axis=1) == codes).mean())
