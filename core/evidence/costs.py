"""The threshold at which misses and needless reviews cost least: an estimate from uniform check labels, not a promise."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.evidence.threshold import PointFigures, Sample
from core.maths.precision_recall import Range

RESAMPLES = 400
LEVELS = (0.025, 0.975)  # of the range over resamples


@dataclass(frozen=True)
class Prices:
    """What one image costs that is decided wrongly, in any unit."""

    miss: float = 20.0  # of the flagged class and left up, > 0
    false_alarm: float = 1.0  # reviewed for nothing, > 0


@dataclass(frozen=True)
class Cheapest:
    """The cheapest threshold, and how far that is uncertain."""

    threshold: float
    cost: float  # per 1,000 images there
    threshold_range: tuple[float, float]  # 95% of resamples of the check labels have their cheapest threshold here
    cost_range: tuple[float, float]  # and their lowest cost here


def cheapest_threshold(sample: Sample, prices: Prices) -> float:
    """Return the labelled score with the lowest estimated cost as threshold; of equals, the highest."""
    thresholds, above = _places(sample)
    cost = _cost(thresholds, above, sample.scores, sample.flagged, prices)
    return float(thresholds[np.argmin(cost)])


def cheapest(sample: Sample, prices: Prices) -> Cheapest:
    """Return the cheapest threshold with its range, by the percentile bootstrap over uniform check labels (Efron 1979)."""
    thresholds, above = _places(sample)
    cost = _cost(thresholds, above, sample.scores, sample.flagged, prices)
    best, rng = int(np.argmin(cost)), np.random.default_rng(0)  # the same labels give the same range in every window
    found, lowest = [], []
    for _ in range(RESAMPLES):
        drawn = rng.integers(sample.n, size=sample.n)
        other = _cost(thresholds, above, sample.scores[drawn], sample.flagged[drawn], prices)
        found.append(thresholds[np.argmin(other)])
        lowest.append(other.min())
    low, high = np.quantile(found, LEVELS, method="inverted_cdf")
    least, most = np.quantile(lowest, LEVELS)
    return Cheapest(float(thresholds[best]), float(cost[best]), (float(low), float(high)), (float(least), float(most)))


def _places(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Return the labelled scores, descending, and the share of all images at or above each."""
    thresholds = sample.curve.thresholds
    return thresholds, (len(sample.pool) - sample.counted_below(thresholds)) / len(sample.pool)


def _cost(thresholds: FloatArray, above: FloatArray, scores: FloatArray, flagged: BoolArray, prices: Prices) -> FloatArray:
    """Return the cost of 1,000 images at each threshold. A side without labels is taken to be like all images."""
    order = np.argsort(scores, kind="stable")
    sums = np.concatenate([[0], np.cumsum(flagged[order])])
    n_below = np.searchsorted(scores[order], thresholds, side="left")
    n, x = len(scores), int(sums[-1])
    x_below = sums[n_below]
    share_below = np.where(n_below > 0, x_below / np.maximum(n_below, 1), x / n)
    n_above = n - n_below
    wrong_above = np.where(n_above > 0, (n_above - (x - x_below)) / np.maximum(n_above, 1), 1 - x / n)
    return np.asarray(1_000 * (prices.miss * share_below * (1 - above) + prices.false_alarm * wrong_above * above))


def cost_per_1000(figures: PointFigures, prices: Prices) -> Range:
    """Return the cost of 1,000 images at a threshold; NaN if a side has no labels.

    The ends combine those of the misses and of the false alarms, so that the range holds at least 90% of the time.
    """
    caught, missed, reviewed = figures.caught_per_1000, figures.missed_per_1000, figures.reviewed_per_1000
    pairs = ((missed.value, caught.value), (missed.low, caught.high), (missed.high, caught.low))
    value, low, high = (prices.miss * lost + prices.false_alarm * (reviewed - found) for lost, found in pairs)
    return Range(value, low, high)
