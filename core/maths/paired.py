"""Two scorers judged on the same labels: how their figures differ, with 95% intervals. Numpy only."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.errors import ShapeError
from core.maths.precision_recall import Range

RESAMPLES = 1_000
INTERVAL = (0.025, 0.975)
AT_ONCE = 4_000_000  # weights of labels in memory


@dataclass(frozen=True)
class Difference:
    """By how much one scorer's figures exceed another's."""

    average_precision: Range
    precision: Range  # at the recall asked for


def paired_difference(scores: FloatArray, others: FloatArray, flagged: BoolArray, *, recall: float) -> Difference:
    """Return by how much one scorer's average precision, and its precision at a recall, exceed another's.

    Args:
        scores: (n,) of the labels by one scorer, finite, higher = more likely flagged.
        others: (n,) of the same labels by the other, on any scale of its own.
        flagged: (n,) bool, both values present.
        recall: at which each scorer's best precision is taken, by a threshold of its own.
    Returns:
        the differences on these labels, with percentile intervals over resamples that both scorers share.
    Raises:
        ShapeError: if the lengths differ.
    Source: percentile bootstrap (Efron 1979), with Poisson weights in place of draws (Hanley & MacGibbon 2006).
    """
    if not scores.shape == others.shape == flagged.shape:
        raise ShapeError(f"Paired scorers need the same labels, got {scores.shape}, {others.shape} and {flagged.shape}.")
    rng = np.random.default_rng(0)  # the same labels give the same interval
    n = len(flagged)
    exact = _gain(scores, others, flagged, np.ones((n, 1)), recall)[:, 0]
    parts, columns = [], max(1, AT_ONCE // n)
    for start in range(0, RESAMPLES, columns):
        weights = rng.poisson(1.0, (n, min(columns, RESAMPLES - start))).astype(np.float64)
        parts.append(_gain(scores, others, flagged, weights[:, flagged @ weights > 0], recall))
    low, high = np.quantile(np.concatenate(parts, axis=1), INTERVAL, axis=1)
    average, precision = (Range(*map(float, found)) for found in zip(exact, low, high, strict=True))
    return Difference(average, precision)


def _gain(scores: FloatArray, others: FloatArray, flagged: BoolArray, weights: FloatArray, recall: float) -> FloatArray:
    return weighted_figures(scores, flagged, weights, recall=recall) - weighted_figures(others, flagged, weights, recall=recall)


def weighted_figures(scores: FloatArray, flagged: BoolArray, weights: FloatArray, *, recall: float) -> FloatArray:
    """Return average precision and the best precision at a recall for B weightings of the labels at once.

    Args:
        scores, flagged: (n,), as for `pr_curve`.
        weights: (n, B) >= 0, in each column some flagged label > 0.
        recall: the least recall, in [0, 1].
    Returns:
        (2, B) float64: average precision, precision.
    """
    order = np.argsort(-scores, kind="stable")
    falling, is_flagged = scores[order], flagged[order]
    group = np.cumsum(np.diff(falling, prepend=falling[0]) != 0)  # ties are reviewed together
    ends = np.flatnonzero(np.diff(group, append=group[-1] + 1)) + 1
    ends = ends[np.isin(group[ends - 1], group[is_flagged])]  # between groups with a flagged label, no figure can rise
    ordered = weights[order]
    reviewed = np.cumsum(np.add.reduceat(ordered[: ends[-1]], np.append(0, ends[:-1]), axis=0), axis=0)
    starts = np.searchsorted(np.flatnonzero(is_flagged), np.append(0, ends[:-1]))
    newly_caught = np.add.reduceat(ordered[is_flagged], starts, axis=0)
    caught = np.cumsum(newly_caught, axis=0)
    precision = caught / np.maximum(reviewed, 1e-12)  # nothing reviewed catches nothing
    average = (newly_caught * precision).sum(axis=0) / caught[-1]
    precision[caught < (recall - 1e-12) * caught[-1]] = 0
    return np.stack([average, precision.max(axis=0)])
