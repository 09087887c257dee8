"""Effects of a threshold, estimated from uniform check labels: shares with ranges, counts per 1,000, costs. Numpy and core."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.errors import InputError
from core.evidence.bounds import ALPHA, misses_allowed, upper_limit
from core.maths.precision_recall import (
    PRCurve,
    PRLimits,
    Range,
    average_precision_range,
    binomial_range,
    pessimistic_curve,
    pr_curve,
    pr_limits,
    ratio_limits,
)

LIMIT = 0.025  # error on each side of a 95% range
FEWEST_ABOVE = 10  # check labels above the threshold; with fewer, no precision is given
FEWEST_FOR_AP = 20  # flagged check labels
FEWEST_TO_CALIBRATE = 30  # flagged check labels
MORE_LABELS = 200  # "what 200 more labels would buy"


@dataclass(frozen=True, eq=False)
class Sample:
    """Check labels with their scores by one frozen model, and its scores of all images of the frame (the pool)."""

    scores: FloatArray  # (n,) logits of the uniform check labels
    flagged: BoolArray  # (n,)
    pool: FloatArray  # (N,) logits of all images, ascending
    extra_scores: FloatArray  # (e,) logits of focus labels: for precision and the curve, never for the recall promise
    extra_flagged: BoolArray  # (e,)
    weights: FloatArray | None  # (n + e,) 1 / inclusion probability; None without focus labels: equal weights

    @classmethod
    def uniform(cls, scores: FloatArray, flagged: BoolArray, pool: FloatArray) -> "Sample":
        """Make a sample of uniform labels only; `pool` in any order."""
        if not (pool[1:] >= pool[:-1]).all():  # most callers have sorted it, which takes a third of a second for five million
            pool = np.sort(pool)
        nothing = np.array([], np.float64)
        return cls(np.asarray(scores, np.float64), flagged, pool, nothing, nothing.astype(bool), None)

    @property
    def n(self) -> int:
        """Return the number of uniform labels."""
        return len(self.scores)

    @property
    def n_flagged(self) -> int:
        """Return the number of flagged uniform labels."""
        return int(self.flagged.sum())

    @property
    def all_scores(self) -> FloatArray:
        """Return the scores of all labels, (n + e,) logits."""
        return np.concatenate([self.scores, self.extra_scores])

    @property
    def all_flagged(self) -> BoolArray:
        """Return which of all labels are flagged, (n + e,) bool."""
        return np.concatenate([self.flagged, self.extra_flagged])

    @cached_property
    def curve(self) -> PRCurve:
        """Return precision and recall at every labelled score."""
        return pr_curve(self.all_scores, self.all_flagged, self.weights)

    @cached_property
    def sure(self) -> BoolArray:
        """Return which points of the curve have enough labels above them for a precision, (K,) bool."""
        rising = np.sort(self.all_scores)
        return np.asarray(len(rising) - np.searchsorted(rising, self.curve.thresholds) >= FEWEST_ABOVE)

    @cached_property
    def limits(self) -> PRLimits:
        """Return the curve's confidence limits."""
        return pr_limits(self.all_scores, self.all_flagged, self.weights)

    @cached_property
    def pessimistic(self) -> tuple[FloatArray, FloatArray]:
        """Return lower limits (recall, precision) at 20 fixed shares of the pool that hold jointly with 95% confidence."""
        return pessimistic_curve(self.all_scores, self.all_flagged, self.pool, self.weights)

    @property
    def average_precision(self) -> Range | None:
        """Return average precision with its range; None with fewer than 20 flagged labels."""
        if self.n_flagged < FEWEST_FOR_AP:
            return None
        effective = float(self.n_flagged)
        if self.weights is not None:
            w = self.weights[self.all_flagged]
            effective = float(w.sum() ** 2 / (w**2).sum())
        return average_precision_range(self.curve.average_precision, effective)

    @property
    def prevalence(self) -> Range:
        """Return the share of flagged images, from the uniform labels."""
        return binomial_range(self.n_flagged, self.n)

    @cached_property
    def largest_tie(self) -> tuple[float, int]:
        """Return the score most images of the pool share, the lowest of equals, and how many share it."""
        starts = np.concatenate([[0], np.flatnonzero(self.pool[1:] != self.pool[:-1]) + 1])
        counts = np.diff(starts, append=len(self.pool))
        return float(self.pool[starts[counts.argmax()]]), int(counts.max())

    def quantiles(self, shares: tuple[float, ...]) -> FloatArray:
        """Return the scores that these shares of the pool lie below, (K,) float64, interpolated as by `np.quantile`."""
        place = np.asarray(shares) * (len(self.pool) - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, len(self.pool) - 1)
        a, b = self.pool[low].astype(np.float64), self.pool[high].astype(np.float64)
        return a + (b - a) * (place - low)

    def histogram(self, n_bins: int, low: float, high: float) -> tuple[IntArray, FloatArray]:
        """Count the scores of the pool in equal bins from low to high, as `np.histogram` does: (n_bins,), (n_bins + 1,)."""
        edges = np.linspace(low, high, n_bins + 1)
        ends = edges.copy()
        ends[-1] = np.nextafter(ends[-1], np.inf)  # the last bin has both its edges
        return np.diff(self.counted_below(ends)), edges

    def counted_below(self, thresholds: FloatArray) -> IntArray:
        """Return how many images of the pool score below each of these, (K,) int64."""
        return np.searchsorted(self.pool, _in_type_of(self.pool, thresholds), side="left")

    def counted_above(self, threshold: float) -> int:
        """Return how many images of the pool score at or above a threshold."""
        return len(self.pool) - int(self.counted_below(np.array([threshold]))[0])


def _in_type_of(pool: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return for each threshold the least value of the pool's type that reaches it: `score >= both` mean the same.

    Compared with thresholds of another type, numpy would round those or convert a copy of the pool.
    """
    exact = np.asarray(thresholds, np.float64)
    rounded = exact.astype(pool.dtype)
    return np.where(rounded < exact, np.nextafter(rounded, np.inf, dtype=pool.dtype), rounded)


def nearest_to(threshold: float, scores: FloatArray, pool: FloatArray, free: BoolArray, n: int, *, above: bool) -> IntArray:
    """Return the free images whose scores are nearest to a threshold on one side of it, nearest first.

    Only the images in a band beside the threshold are compared; it widens until it holds enough free ones.

    Args:
        scores: (N,) by row.
        pool: (N,) the same, ascending.
        free: (N,) bool, which may be returned.
        above: those at or above the threshold, else those below.
    Returns:
        (<= n,) int64 rows; of equal scores the lowest row first.
    """
    least = _in_type_of(pool, np.array([threshold]))[0]
    first, width = int(np.searchsorted(pool, least)), 16 * n
    near = np.array([], np.int64)
    while True:
        low, high = (first, first + width) if above else (first - width, first)
        band = pool[max(low, 0) : high]
        if len(band):
            inside = (scores >= band[0]) & (scores <= band[-1]) & ((scores >= least) == above) & free
            near = np.flatnonzero(inside)
        if len(near) >= n or len(band) < width:
            break
        width *= 16
    return near[np.argsort(np.abs(scores[near].astype(np.float64) - threshold), kind="stable")[:n]]


@dataclass(frozen=True)
class PointFigures:
    """The outcome of reviewing every image at or above a threshold. Ranges are 95%, for this threshold alone."""

    threshold: float
    reviewed: int  # images at or above it, counted
    reviewed_share: float
    recall: Range
    recall_everywhere: float  # 95% lower limit that holds at all thresholds at once
    precision: Range | None  # None with fewer than 10 check labels at or above it
    labels_above: int  # check labels at or above it
    left_up: float  # 95% upper limit of the share of the flagged class among images below it
    reviewed_per_1000: float  # counted
    caught_per_1000: Range  # at most `reviewed_per_1000`; the value is NaN if no check label lies on that side
    missed_per_1000: Range  # caught + missed is the prevalence by the same estimate


def figures_at(sample: Sample, threshold: float) -> PointFigures:
    """Estimate the outcome of a threshold.

    Args:
        sample: has at least 5 flagged uniform labels.
        threshold: images that score >= it are reviewed.
    """
    above = sample.scores >= threshold
    caught, n_flagged = int((above & sample.flagged).sum()), sample.n_flagged
    missed, n_below = n_flagged - caught, int((~above).sum())
    everywhere = sample.limits.band[sample.curve.thresholds >= threshold]  # the last one is the lowest threshold at or above
    reviewed, n_pool = sample.counted_above(threshold), len(sample.pool)
    share = reviewed / n_pool
    labels_above, found_above = int((sample.all_scores >= threshold).sum()), _share_above(sample, threshold)
    return PointFigures(
        threshold=threshold,
        reviewed=reviewed,
        reviewed_share=share,
        recall=binomial_range(caught, n_flagged),
        recall_everywhere=float(everywhere[-1]) if len(everywhere) else 0.0,
        precision=found_above if labels_above >= FEWEST_ABOVE else None,
        labels_above=labels_above,
        left_up=upper_limit(missed, n_below, ALPHA) if reviewed < n_pool else 0.0,
        reviewed_per_1000=1000 * share,
        caught_per_1000=_per_1000(found_above, share),
        missed_per_1000=_per_1000(_share_of_labels(missed, n_below), 1 - share),
    )


def _share_of_labels(x: int, n: int) -> Range:
    """Return x of n labels with its range; without labels the estimate is NaN and the range 0 to 1."""
    return binomial_range(x, n) if n else Range(math.nan, 0.0, 1.0)


def _per_1000(found: Range, share: float) -> Range:
    """Return how many of 1,000 images are of the flagged class and on one side of the threshold.

    Post-stratified: the size of the side (`share` of the pool) is counted on all scores, and only the share of the flagged
    class within it comes from labels. Given how many labels lie on that side, they are a random sample of it, so the range
    is as valid as the Clopper-Pearson one. Source: Holt & Smith 1979.
    """
    if not share:
        return Range(0.0, 0.0, 0.0)
    return Range(1000 * share * found.value, 1000 * share * found.low, 1000 * share * found.high)


class FiguresRecord(TypedDict):
    """`PointFigures` as JSON; a range is [estimate, low, high]."""

    threshold: float
    reviewed: int
    reviewed_share: float
    recall: list[float]
    recall_everywhere: float
    precision: list[float] | None
    left_up_at_most: float
    reviewed_per_1000: float
    caught_per_1000: list[float]
    missed_per_1000: list[float]


def figures_record(figures: PointFigures) -> FiguresRecord:
    """Return the figures as plain JSON values."""

    def plain(found: Range) -> list[float]:
        return [found.value, found.low, found.high]

    return {
        "threshold": figures.threshold,
        "reviewed": figures.reviewed,
        "reviewed_share": figures.reviewed_share,
        "recall": plain(figures.recall),
        "recall_everywhere": figures.recall_everywhere,
        "precision": None if figures.precision is None else plain(figures.precision),
        "left_up_at_most": figures.left_up,
        "reviewed_per_1000": figures.reviewed_per_1000,
        "caught_per_1000": plain(figures.caught_per_1000),
        "missed_per_1000": plain(figures.missed_per_1000),
    }


def _share_above(sample: Sample, threshold: float) -> Range:
    """Return the share of the flagged class among images at or above a threshold; NaN without a label there."""
    above, flagged = sample.all_scores >= threshold, sample.all_flagged
    if sample.weights is None or not above.any():
        return _share_of_labels(int((above & flagged).sum()), int(above.sum()))
    sums = [(sample.weights[side].sum(), (sample.weights[side] ** 2).sum()) for side in (above & flagged, above & ~flagged)]
    most = float(sample.weights.max())
    low, high = ratio_limits(*sums[0], *sums[1], most_a=most, most_b=most, alpha=LIMIT)
    return Range(float(sums[0][0] / (sums[0][0] + sums[1][0])), float(low), float(high))


def _check_share(what: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise InputError(f"A {what} must be from 0 to 1, got {share:g}; 0.9 means 90%.")


def threshold_for_recall(sample: Sample, recall: float) -> float:
    """Return the highest labelled score with at least this recall in the sample; an estimate, not a promise.

    Raises:
        InputError: if the recall is not in [0, 1].
    """
    _check_share("recall", recall)
    scores = np.sort(sample.scores[sample.flagged])
    return float(scores[min(int((1 - recall) * len(scores) + 1e-9), len(scores) - 1)])


def threshold_for_precision(sample: Sample, precision: float) -> float | None:
    """Return the lowest labelled score with at least this precision in the sample; None if there is none.

    Raises:
        InputError: if the precision is not in [0, 1].
    """
    _check_share("precision", precision)
    enough = np.flatnonzero(sample.curve.precision >= precision - 1e-12)
    return float(sample.curve.thresholds[enough[-1]]) if len(enough) else None


@dataclass(frozen=True)
class MoreBought:
    """What more labels would probably give at the next look."""

    n_more: int
    threshold: float | None  # None = still no promise
    reviewed_share: float


def what_more_buys(sample: Sample, recall: float, alpha: float, *, live: bool = False, n_more: int = MORE_LABELS) -> MoreBought:
    """Predict the promise with more uniform labels from the flagged scores so far.

    Args:
        recall, alpha, live: of the next look, as for `certify`.
    """
    expected = int(sample.n_flagged * (1 + n_more / sample.n) + 1e-9)
    misses = misses_allowed(expected, recall, alpha, live=live)
    if misses < 0:
        return MoreBought(n_more, None, 1.0)
    place = (misses + 1) / (expected + 1)
    threshold = float(np.quantile(sample.scores[sample.flagged], place, method="lower"))
    return MoreBought(n_more, threshold, sample.counted_above(threshold) / len(sample.pool))


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: probability = 1 / (1 + exp(-(slope * logit + intercept)))."""

    slope: float
    intercept: float


def calibrate(sample: Sample) -> Calibration | None:
    """Calibrate probabilities on the uniform labels; None with fewer than 30 flagged or 30 other ones.

    Source: Platt 1999, with its smoothed targets, here as weights of both classes.
    """
    n_flagged, n_other = sample.n_flagged, sample.n - sample.n_flagged
    if min(n_flagged, n_other) < FEWEST_TO_CALIBRATE:
        return None
    from sklearn.linear_model import LogisticRegression

    high, low = (n_flagged + 1) / (n_flagged + 2), 1 / (n_other + 2)
    target = np.where(sample.flagged, high, low)
    x = np.concatenate([sample.scores, sample.scores])[:, None]
    y = np.repeat([True, False], sample.n)
    fit = LogisticRegression(C=np.inf, max_iter=1_000).fit(x, y, sample_weight=np.concatenate([target, 1 - target]))
    return Calibration(float(fit.coef_[0, 0]), float(fit.intercept_[0]))
