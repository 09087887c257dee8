"""Precision and recall of scored, labelled images, optionally weighted, with limits. numpy and scipy; torch for many scores."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.errors import ShapeError

if TYPE_CHECKING:
    import torch

MOST_POINTS = 20_000  # of a curve from many scores
DRAWN_POINTS = 400  # of a curve that is drawn


class Range(NamedTuple):
    """An estimate with its 95% range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PRCurve:
    """Precision and recall if images with score >= threshold are reviewed, at K distinct scores, descending."""

    thresholds: FloatArray  # (K,) float64, descending
    precision: FloatArray  # (K,) in [0, 1]
    recall: FloatArray  # (K,) in [0, 1], ascending; NaN without a flagged image
    reviewed: FloatArray  # (K,) the number of images with that score or a higher one; with weights, their sum
    average_precision: float  # NaN without a flagged image
    n_flagged: int
    n: int

    def thinned(self, n_points: int = DRAWN_POINTS) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (recall, precision, threshold) at no more than `n_points` points including both ends, for drawing."""
        keep = self.kept(n_points)
        return self.recall[keep], self.precision[keep], self.thresholds[keep]

    def kept(self, n_points: int = DRAWN_POINTS) -> IntArray:
        """Return the places of no more than `n_points` points, evenly spread, both ends among them."""
        return np.unique(np.linspace(0, len(self.recall) - 1, min(n_points, len(self.recall))).astype(int))


def pr_curve(scores: FloatArray, flagged: BoolArray, weights: FloatArray | None = None) -> PRCurve:
    """Compute the weighted precision-recall curve, one point per distinct score.

    Args:
        scores: (n,) logits, higher = more likely flagged, finite.
        flagged: (n,) bool, the truth.
        weights: (n,) > 0, the number of images each one represents; all equal if None.
    Returns:
        a `PRCurve`; average precision is the step sum of (R_k - R_(k-1)) P_k, scikit-learn's convention.
    Raises:
        ShapeError: if the lengths differ.
    """
    if scores.ndim != 1 or flagged.shape != scores.shape or (weights is not None and weights.shape != scores.shape):
        raise ShapeError(f"pr_curve needs three vectors of one length, got {scores.shape} and {flagged.shape}.")
    weight = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    order = np.argsort(-scores)  # ties are counted together, so their order does not matter
    falling = scores[order].astype(np.float64)
    last_of_tie = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1) if len(falling) else np.array([], int)
    true_positive = np.cumsum(weight[order] * flagged[order])[last_of_tie]
    reviewed = np.cumsum(weight[order])[last_of_tie]
    total = true_positive[-1] if len(true_positive) else 0.0
    precision = true_positive / reviewed
    recall = true_positive / total if total > 0 else np.full(len(precision), math.nan)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision)) if total > 0 else math.nan
    return PRCurve(falling[last_of_tie], precision, recall, reviewed, average, int(flagged.sum()), len(scores))


def pr_curve_of_many(scores: "torch.Tensor", flagged: "torch.Tensor") -> PRCurve:
    """Compute the curve of many equally weighted scores where they are; only points worth drawing come back.

    Args:
        scores: (n,) float32 logits, finite, n >= 1, on any device.
        flagged: (n,) bool on the same device.
    Returns:
        as `pr_curve` does, with the exact average precision; of more than `MOST_POINTS` scores, that many, evenly.
    """
    import torch

    from core.devices import to_host

    rising, caught_at = _sorted(scores), _sorted(scores[flagged])
    n, n_flagged = len(rising), len(caught_at)

    def figures(thresholds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        caught = (n_flagged - torch.searchsorted(caught_at, thresholds)).double()
        reviewed = (n - torch.searchsorted(rising, thresholds)).double()
        # Divided by tensors: a GPU divides by a number by multiplying with its inverse, and recall would end below 1.
        return caught / reviewed, caught / torch.full_like(caught, n_flagged), reviewed

    precision, recall, _ = figures(torch.unique_consecutive(caught_at).flip(0))  # between them, recall stays
    average = (recall.diff(prepend=recall.new_zeros(1)) * precision).sum()
    places = torch.linspace(0, n - 1, min(n, MOST_POINTS), dtype=torch.float64, device=scores.device).round().long()
    thresholds = torch.unique_consecutive(rising[places]).flip(0)
    shown = to_host(thresholds.double(), *figures(thresholds), average)
    average_precision = float(shown[4]) if n_flagged else math.nan
    return PRCurve(shown[0], shown[1], shown[2], shown[3], average_precision, n_flagged, n)


def _sorted(values: "torch.Tensor") -> "torch.Tensor":
    """Sort ascending: on the CPU by numpy, in a third of torch's time, as no positions move along."""
    import torch

    return torch.sort(values).values if values.is_cuda else torch.from_numpy(np.sort(values.numpy()))


def precision_at_recall(curve: PRCurve, recall: float) -> tuple[float, float]:
    """Return (precision, threshold) of the best point with at least this recall; NaN where there is none."""
    enough = np.flatnonzero(curve.recall >= recall - 1e-12)
    if not len(enough):
        return math.nan, math.nan
    best = enough[np.argmax(curve.precision[enough])]
    return float(curve.precision[best]), float(curve.thresholds[best])


def precision_at_recalls(curve: PRCurve, recalls: FloatArray) -> FloatArray:
    """Return the precision at the first point of the curve that reaches each recall, (R,) float64.

    Args:
        recalls: (R,) in [0, 1].
    """
    at = np.minimum(np.searchsorted(curve.recall, recalls - 1e-12), len(curve.recall) - 1)
    return np.asarray(curve.precision[at])


# -- limits --

# Local levels for a curve whose lower edge holds everywhere with 95% (first) and 97.5% (second), by flagged labels up to:
# simulated order statistics, a one-sided Berk-Jones band.
LOCAL_LEVELS = (
    (5, 0.0128, 0.0061), (10, 0.0081, 0.0036), (20, 0.0051, 0.0024), (30, 0.0042, 0.0018), (50, 0.0031, 0.0014),
    (100, 0.0025, 0.0011), (200, 0.0020, 0.0009), (500, 0.0014, 0.0006), (math.inf, 0.0010, 0.0004),
)  # fmt: skip
SHARES = 20  # reviewed shares at which the pessimistic curve is computed


def local_level(n_flagged: int, *, joint: bool = False) -> float:
    """Return the level of each point's limit for a lower edge that holds everywhere: 95%, or 97.5% where `joint`."""
    return next(strict if joint else plain for most, plain, strict in LOCAL_LEVELS if n_flagged <= most)


def ratio_limits(
    a: FloatArray | float,
    a2: FloatArray | float,
    b: FloatArray | float,
    b2: FloatArray | float,
    *,
    most_a: float,
    most_b: float,
    alpha: float,
) -> tuple[FloatArray, FloatArray]:
    """Return one-sided (1 - alpha) lower and upper limits of A / (A + B), for weighted counts.

    Args:
        a, b: sums of weights on the two sides, any one shape.
        a2, b2: sums of their squares.
        most_a, most_b: the largest weight that an unseen image on that side could carry.
        alpha: error of each limit.
    Returns:
        (lower, upper); with equal weights Clopper-Pearson's.
    Source: gamma intervals of weighted counts (Fay & Feuer 1997), melded (Fay, Proschan & Brittain 2015).
    """
    from scipy.special import betaincinv

    a, a2, b, b2 = (np.asarray(value, np.float64) for value in (a, a2, b, b2))

    def limit(p: FloatArray, p2: FloatArray, m: FloatArray, m2: FloatArray, level: float) -> FloatArray:
        x = betaincinv(p * p / p2, m * m / m2, level)
        return np.asarray(1 / (1 + (m2 / m) / (p2 / p) * (1 - x) / x))

    with np.errstate(all="ignore"):  # no weight on a side: handled by the conditions
        low = np.where(a > 0, limit(a, a2, b + most_b, b2 + most_b**2, alpha), 0.0)
        high = np.where(b > 0, limit(a + most_a, a2 + most_a**2, b, b2, 1 - alpha), 1.0)
    return np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)


def binomial_range(x: int, n: int) -> Range:
    """Return x of n with its two-sided 95% Clopper-Pearson range."""
    low, high = ratio_limits(x, x, n - x, n - x, most_a=1, most_b=1, alpha=0.025)
    return Range(x / n if n else 0.0, float(low), float(high))


def average_precision_interval(average_precision: float, n_flagged: float, *, alpha: float = 0.05) -> tuple[float, float]:
    """Return the logit interval of average precision from n flagged labels (Boyd, Eng & Page 2013)."""
    from scipy.special import expit, logit, ndtri

    centre = logit(min(max(average_precision, 1e-6), 1 - 1e-6))
    half = ndtri(1 - alpha / 2) / math.sqrt(n_flagged * float(expit(centre)) * float(expit(-centre)))
    return float(expit(centre - half)), float(expit(centre + half))


def precision_limits(caught: FloatArray, reviewed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two-sided 95% Clopper-Pearson limits of precision, from equally weighted counts of any one shape."""
    wrong = reviewed - caught
    return ratio_limits(caught, caught, wrong, wrong, most_a=1, most_b=1, alpha=0.025)


def average_precision_range(average_precision: float, n_flagged: float) -> Range:
    """Return average precision with its range, from n flagged labels (with weights, their effective number)."""
    inside = min(max(average_precision, 0.5 / n_flagged), 1 - 0.5 / n_flagged)  # the logit of 0 or 1 is infinite
    low, high = average_precision_interval(inside, n_flagged)
    return Range(average_precision, min(low, average_precision), max(high, average_precision))


@dataclass(frozen=True)
class PRLimits:
    """Limits of a `PRCurve`, one value per threshold of it."""

    recall_low: FloatArray  # (K,) two-sided 95%, each threshold by itself
    recall_high: FloatArray
    precision_low: FloatArray
    precision_high: FloatArray
    band: FloatArray  # (K,) lower edge of recall that holds everywhere at once (95%)


def pr_limits(scores: FloatArray, flagged: BoolArray, weights: FloatArray | None = None) -> PRLimits:
    """Return the limits of precision and recall at every distinct score, descending, as in `pr_curve`.

    Args:
        scores, flagged, weights: as for `pr_curve`.
    """
    weight = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    sums = _side_sums(scores, flagged, weight, np.unique(scores)[::-1].astype(np.float64))
    most = float(weight.max()) if len(weight) else 1.0
    recall = ratio_limits(*sums.caught, *sums.missed, most_a=most, most_b=most, alpha=0.025)
    precision = ratio_limits(*sums.caught, *sums.wrong, most_a=most, most_b=most, alpha=0.025)
    level = local_level(int(flagged.sum()))
    band = ratio_limits(*sums.caught, *sums.missed, most_a=most, most_b=most, alpha=level)[0]
    return PRLimits(*recall, *precision, band)


def pessimistic_curve(
    scores: FloatArray, flagged: BoolArray, pool: FloatArray, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return (recall, precision) that hold jointly with 95% at 20 fixed shares of the pool, the smallest share first.

    Args:
        scores, flagged, weights: as for `pr_curve`.
        pool: (N,) logits of all images.
    """
    weight = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    most = float(weight.max()) if len(weight) else 1.0
    thresholds = np.quantile(pool, 1 - np.arange(1, SHARES + 1) / SHARES).astype(np.float64)
    sums = _side_sums(scores, flagged, weight, thresholds)
    level = local_level(int(flagged.sum()), joint=True)
    recall = ratio_limits(*sums.caught, *sums.missed, most_a=most, most_b=most, alpha=level)[0]
    precision = ratio_limits(*sums.caught, *sums.wrong, most_a=most, most_b=most, alpha=0.025 / SHARES)[0]
    return recall, precision


@dataclass(frozen=True)
class _Sums:
    """Sums of weights and of their squares at each threshold."""

    caught: tuple[FloatArray, FloatArray]
    missed: tuple[FloatArray, FloatArray]
    wrong: tuple[FloatArray, FloatArray]


def _side_sums(scores: FloatArray, flagged: BoolArray, weight: FloatArray, thresholds: FloatArray) -> _Sums:
    order = np.argsort(scores, kind="stable")
    rising = scores[order].astype(np.float64)
    first = np.searchsorted(rising, thresholds, side="left")  # everything from here on is reviewed

    def at_or_above(values: FloatArray) -> FloatArray:
        total = np.append(np.cumsum(values[order][::-1])[::-1], 0.0)
        return np.asarray(total[first])

    def pair(side: BoolArray) -> tuple[FloatArray, FloatArray]:
        return at_or_above(weight * side), at_or_above(weight**2 * side)

    caught = pair(flagged)
    missed = (weight[flagged].sum() - caught[0], (weight[flagged] ** 2).sum() - caught[1])
    return _Sums(caught, missed, pair(~flagged))


def knn_accuracy(x: FloatArray, codes: IntArray, *, k: int = 10) -> float:
    """Return the leave-one-out accuracy of a k-nearest-neighbour vote (cosine of centred embeddings).

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
