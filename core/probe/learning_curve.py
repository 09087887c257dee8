"""How the probe has improved so far, judged on today's check labels, and what more labels might bring. Numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.maths.precision_recall import average_precision_range, pr_curve
from core.wording import counted, ranged

RESAMPLES = 200
INTERVAL = (0.025, 0.975)
MORE = 50  # labels that the forecast reaches ahead
MOST_ROUNDS = 12  # probes judged; more would not be visible
LEAST_ROUNDS, LEAST_GROWTH = 4, 3.0  # needed for a forecast: rounds, and newest over oldest label count
FLOOR = 1e-3  # of 1 - AP, so that a perfect round has a logarithm


@dataclass(frozen=True)
class Round:
    """One past probe, judged on today's check labels."""

    n_labels: int
    average_precision: float
    low: float  # 95% range over check images, never without width
    high: float


@dataclass(frozen=True)
class Forecast:
    """The gain in average precision that `MORE` labels might bring, 95% bootstrap interval."""

    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Rounds by number of labels, and a forecast."""

    rounds: tuple[Round, ...]
    forecast: Forecast | None  # None = no forecast is possible


def learning_curve(n_labels: Sequence[int], scores: FloatArray, flagged: BoolArray) -> LearningCurve:
    """Judge past probes on the same check images.

    Args:
        n_labels: (R,) labels of each probe, ascending.
        scores: (R, n) logits of the n check images by each.
        flagged: (n,) bool, both values present.
    Returns:
        the curve; the forecast resamples the check images, with the same resamples for every round.
    Source: logit interval of average precision (Boyd, Eng & Page 2013), for a bootstrap of images that are all ranked right has
    no width; percentile bootstrap (Efron 1979); power-law learning curves (Cortes et al. 1993).
    """
    rng = np.random.default_rng(0)  # the same labels give the same curve
    draws = rng.integers(0, len(flagged), (RESAMPLES, len(flagged)))
    draws = draws[[0 < int(flagged[draw].sum()) < len(draw) for draw in draws]]
    resampled = np.array([[pr_curve(row[draw], flagged[draw]).average_precision for draw in draws] for row in scores])
    exact = [pr_curve(row, flagged).average_precision for row in scores]
    ranges = [average_precision_range(found, int(flagged.sum())) for found in exact]
    return LearningCurve(
        tuple(Round(int(n), *by) for n, by in zip(n_labels, ranges, strict=True)), forecast(n_labels, resampled)
    )


def forecast(n_labels: Sequence[int], resampled: FloatArray) -> Forecast | None:
    """Extrapolate 1 - AP = a n^-b, fitted to each resample, by `MORE` labels.

    Args:
        n_labels: (R,) ascending.
        resampled: (R, B) average precisions of B resamples of the check images.
    Returns:
        None with too few rounds, too little growth, or an interval that includes no gain.
    """
    n = np.asarray(n_labels, np.float64)
    if len(n) < LEAST_ROUNDS or n[-1] < LEAST_GROWTH * n[0]:
        return None
    x = np.log(n)
    loss = np.log(np.maximum(1 - resampled, FLOOR))
    slope = ((x - x.mean())[:, None] * (loss - loss.mean(axis=0))).sum(axis=0) / ((x - x.mean()) ** 2).sum()
    start = loss.mean(axis=0) - slope * x.mean()
    now, then = (np.exp(start + slope * np.log(at)) for at in (n[-1], n[-1] + MORE))
    low, high = np.quantile(now - then, INTERVAL)
    return Forecast(float(low), float(high)) if low > 0 else None


def thinned(n_labels: Sequence[int]) -> list[int]:
    """Return at most `MOST_ROUNDS` positions of (R,) ascending label counts, evenly spaced in logarithm, ends included."""
    if len(n_labels) <= MOST_ROUNDS:
        return list(range(len(n_labels)))
    x = np.log(np.maximum(np.asarray(n_labels, np.float64), 1))
    return np.unique([int(np.abs(x - at).argmin()) for at in np.linspace(x[0], x[-1], MOST_ROUNDS)]).tolist()


def describe(curve: LearningCurve) -> str:
    """State the newest average precision and the forecast."""
    last = curve.rounds[-1]
    words = f"Average precision {ranged(last.average_precision, last.low, last.high)} with {counted(last.n_labels, 'label')}."
    if curve.forecast is None:
        return words
    return f"{words} {MORE} more might bring +{curve.forecast.low:.3f} to +{curve.forecast.high:.3f}, if the trend continues."
