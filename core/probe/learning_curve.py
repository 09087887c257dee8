"""How the probe has learned so far, judged on today's check labels, and what more labels might bring. numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.maths.precision_recall import pr_curve
from core.wording import counted

RESAMPLES = 200
INTERVAL = (0.025, 0.975)
MORE = 50  # labels ahead
MOST_ROUNDS = 12  # probes judged; the others add nothing to see
LEAST_ROUNDS, LEAST_GROWTH = 4, 3.0  # before anything is said of the future: rounds, and newest over oldest label count
FLOOR = 1e-3  # of 1 - AP, so that a perfect round has a logarithm


@dataclass(frozen=True)
class Round:
    """One probe of the past on today's check labels."""

    n_labels: int
    average_precision: float
    low: float  # 95% bootstrap interval over the check images
    high: float


@dataclass(frozen=True)
class Forecast:
    """The gain in average precision that `MORE` labels might bring, 95% bootstrap interval."""

    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Rounds by number of labels, and what may be said of the next ones."""

    rounds: tuple[Round, ...]
    forecast: Forecast | None  # None = it cannot be known


def learning_curve(n_labels: Sequence[int], scores: FloatArray, flagged: BoolArray) -> LearningCurve:
    """Judge past probes on the same check images.

    Args:
        n_labels: (R,) labels each probe had learned from, rising.
        scores: (R, n) logits of the n check images by each.
        flagged: (n,) bool, both values present.
    Returns:
        the curve; intervals by resampling the check images, the same resamples for every round.
    Source: percentile bootstrap (Efron 1979); power-law learning curves (Cortes et al. 1993).
    """
    rng = np.random.default_rng(0)  # the same labels give the same picture
    draws = rng.integers(0, len(flagged), (RESAMPLES, len(flagged)))
    draws = draws[[0 < int(flagged[draw].sum()) < len(draw) for draw in draws]]
    found = np.array([[pr_curve(row[draw], flagged[draw]).average_precision for draw in draws] for row in scores])
    exact = [pr_curve(row, flagged).average_precision for row in scores]
    low, high = np.quantile(found, INTERVAL, axis=1)
    rounds = tuple(Round(int(n), float(ap), float(a), float(b)) for n, ap, a, b in zip(n_labels, exact, low, high, strict=True))
    return LearningCurve(rounds, forecast(n_labels, found))


def forecast(n_labels: Sequence[int], resampled: FloatArray) -> Forecast | None:
    """Extrapolate 1 - AP = a n^-b, fitted to each resample, by `MORE` labels.

    Args:
        n_labels: (R,) rising.
        resampled: (R, B) average precisions of B resamples of the check images.
    Returns:
        None with too few or too close rounds, or where the interval leaves open whether more labels help at all.
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
    """Return at most `MOST_ROUNDS` positions of (R,) rising label counts, evenly spread over their logarithm, ends kept."""
    if len(n_labels) <= MOST_ROUNDS:
        return list(range(len(n_labels)))
    x = np.log(np.maximum(np.asarray(n_labels, np.float64), 1))
    return np.unique([int(np.abs(x - at).argmin()) for at in np.linspace(x[0], x[-1], MOST_ROUNDS)]).tolist()


def describe(curve: LearningCurve) -> str:
    """Say the newest figure and the forecast in one sentence each."""
    last = curve.rounds[-1]
    words = f"AP {last.average_precision:.3f} ({last.low:.3f} to {last.high:.3f}) with {counted(last.n_labels, 'label')}."
    if curve.forecast is None:
        return words
    return f"{words} {MORE} more might bring +{curve.forecast.low:.3f} to +{curve.forecast.high:.3f}, if it goes on like this."
