"""The recall promise: find a threshold whose recall holds with a given confidence, or plan labels for it. Numpy and scipy only.

Every function takes uniform check labels: the first n in the permanent order, which the model never learns from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaln

from core.arrays import FloatArray

ALPHA = 0.05  # error of all looks at one check set together
FIRST_SHARE = 0.8  # of alpha, spent on the first look
MIN_FLAGGED = 5  # with fewer, only counts are shown
PLANNING_LEVEL = 0.1  # one-sided error of each end of the range around "label about N more"


def lower_limit(x: int, n: int, alpha: float) -> float:
    """Return the one-sided (1 - alpha) Clopper-Pearson lower limit of a share, from x of n."""
    from scipy.stats import beta  # a second to import, of every start

    return 0.0 if x <= 0 else float(beta.ppf(alpha, x, n - x + 1))


def upper_limit(x: int, n: int, alpha: float) -> float:
    """Return the one-sided (1 - alpha) Clopper-Pearson upper limit of a share, from x of n; 1 if n = 0."""
    from scipy.stats import beta

    return 1.0 if x >= n else float(beta.ppf(1 - alpha, x + 1, n - x))


def look_alpha(k: int, alpha: float = ALPHA) -> float:
    """Return the error allowed to the k-th look at one check set, k >= 1; over all looks it sums to `alpha`.

    A look is a new pair of model and batch. Source: union bound, spent as 0.8 alpha, then 0.2 alpha / ((k - 1) k).
    """
    return FIRST_SHARE * alpha if k == 1 else (1 - FIRST_SHARE) * alpha / ((k - 1) * k)


def spent_share(k: int) -> float:
    """Return how much of the error the first k looks have spent: the sum of `look_alpha` over them, as a share of `alpha`."""
    return 0.0 if k == 0 else FIRST_SHARE + (1 - FIRST_SHARE) * (1 - 1 / k)


def log_e_value(misses: int, n: int, recall: float) -> float:
    """Return the log e-value against "recall is below the target" after `misses` among n flagged labels.

    It stays valid however often it is looked at (Ville's inequality). Source: Beta(1/2, 1/2) mixture over miss rates up to
    1 - recall; Waudby-Smith, Stark & Ramdas 2021.
    """
    rate = 1 - recall
    inside = math.log(max(float(betainc(0.5 + misses, 0.5 + n - misses, rate)), 1e-300))
    mixture = float(betaln(0.5 + misses, 0.5 + n - misses)) + inside
    whole = float(betaln(0.5, 0.5)) + math.log(float(betainc(0.5, 0.5, rate)))
    return mixture - whole - (misses * math.log(rate) + (n - misses) * math.log(recall))


def passes(misses: int, n: int, recall: float, alpha: float, *, live: bool = False) -> bool:
    """Tell whether n flagged labels with this many misses allow the promise, at a planned look or (live) at any moment."""
    if live:
        return log_e_value(misses, n, recall) >= math.log(1 / alpha)
    return lower_limit(n - misses, n, alpha) >= recall


def misses_allowed(n_flagged: int, recall: float, alpha: float, *, live: bool = False) -> int:
    """Return the most misses with which n flagged labels allow the promise; -1 if no miss is allowed."""
    misses = -1
    while misses + 1 < n_flagged and passes(misses + 1, n_flagged, recall, alpha, live=live):
        misses += 1
    return misses


@dataclass(frozen=True)
class Certified:
    """What the flagged check labels allow: review scores >= threshold; None = no promise yet."""

    threshold: float | None
    misses: int  # flagged check labels allowed below the threshold; -1 without a promise


def certify(flagged_scores: Sequence[float] | FloatArray, recall: float, alpha: float, *, live: bool = False) -> Certified:
    """Find the highest threshold whose recall is at least `recall` with confidence 1 - alpha.

    Args:
        flagged_scores: (n,) logits of the flagged uniform check labels.
        recall: the target, in (0, 1).
        alpha: error allowed to this look (`look_alpha`).
        live: allow a look at any moment (`log_e_value`) instead of one planned look.
    Returns:
        the (misses + 1)-th lowest score as threshold; ties at it are reviewed, which only raises recall.
    Source: distribution-free quantile bound, Wilks 1941; QBCB, Lewis, Yang & Frieder 2021.
    """
    scores = np.sort(np.asarray(flagged_scores, np.float64))
    misses = misses_allowed(len(scores), recall, alpha, live=live)
    return Certified(float(scores[misses]) if misses >= 0 else None, misses)


def flagged_needed(misses: int, recall: float, alpha: float, *, live: bool = False) -> int:
    """Return the fewest flagged check labels that allow the promise with this many misses."""
    few, many = misses, 2 * misses + 2  # `few` does not pass, `many` will
    while not passes(misses, many, recall, alpha, live=live):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if passes(misses, middle, recall, alpha, live=live) else (middle, many)
    return many


def misses_to_plan(miss_rate: float, recall: float, alpha: float, *, live: bool = False, most: int = 50) -> int:
    """Return how many misses to plan for at a threshold expected to miss a share `miss_rate` < 1 - recall, at most `most`."""
    for misses in range(most):
        if (misses + 1) / (flagged_needed(misses, recall, alpha, live=live) + 1) >= miss_rate:
            return misses
    return most


@dataclass(frozen=True)
class MoreLabels:
    """How many more uniform labels a promise will probably take; `high` is None if no upper limit is known."""

    low: int
    expected: int
    high: int | None


def labels_needed(n: int, n_flagged: int, recall: float, alpha: float, *, misses: int = 0, live: bool = False) -> MoreLabels:
    """Plan the next batch: the flagged labels still missing, divided by the share of flagged ones among n labels."""
    missing = max(flagged_needed(misses, recall, alpha, live=live) - n_flagged, 0)
    fewest = lower_limit(n_flagged, n, PLANNING_LEVEL)
    return MoreLabels(
        math.ceil(missing / upper_limit(n_flagged, n, PLANNING_LEVEL)),
        math.ceil(missing / ((n_flagged + 0.5) / (n + 1))),
        math.ceil(missing / fewest) if fewest > 0 else None,
    )


def best_recall(n_flagged: int, alpha: float) -> float:
    """Return the highest recall that n flagged labels can promise, which takes no miss at all."""
    return alpha ** (1 / n_flagged) if n_flagged else 0.0
