"""The live learning curve: rounds judged alike, and a forecast only where there is one."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from core.probe.learning_curve import FLOOR, MORE, describe, forecast, learning_curve, thinned


def scored(rng, n_check, strengths):
    flagged = rng.random(n_check) < 0.3
    return np.array([flagged * strength + rng.normal(size=n_check) for strength in strengths]), flagged


def test_rounds_have_scikit_learns_figures_and_intervals_around_them():
    scores, flagged = scored(np.random.default_rng(0), 200, (0.5, 1.5, 3.0))
    curve = learning_curve([10, 20, 25], scores, flagged)
    for round_, score in zip(curve.rounds, scores, strict=True):
        assert round_.average_precision == pytest.approx(average_precision_score(flagged, score))
        assert round_.low < round_.average_precision < round_.high
    assert curve.forecast is None  # three rounds say nothing of the future
    assert "more might bring" not in describe(curve)
    assert curve == learning_curve([10, 20, 25], scores, flagged)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    scores, flagged = scored(rng, 200_000, (1.5,))
    truth = average_precision_score(flagged, scores[0])
    covered = 0
    for _ in range(60):
        rows = rng.choice(200_000, 250, replace=False)
        found = learning_curve([10], scores[:, rows], flagged[rows]).rounds[0]
        covered += found.low <= truth <= found.high
    assert covered >= 51  # 95% are promised; under 51 of 60 has a chance below 1 in 1,000


def test_a_power_law_is_continued_and_a_flat_one_says_nothing():
    n = np.array([10, 20, 40, 80])
    exact = 1 - 0.5 * n[:, None] ** -0.7 * np.ones((1, 5))
    found = forecast(n, exact)
    gain = 0.5 * 80**-0.7 - 0.5 * (80 + MORE) ** -0.7
    assert (found.low, found.high) == pytest.approx((gain, gain))
    noise = np.random.default_rng(0).normal(0, 0.05, (4, 200))
    assert forecast(n, 0.8 + noise) is None
    assert forecast([10, 12, 14, 16], exact) is None  # too close
    assert forecast(n, np.ones((4, 5))) is None  # nothing left to gain
    assert FLOOR > 0


def test_thinning_keeps_the_ends_and_spreads_over_the_logarithm():
    assert thinned([1, 2, 3]) == [0, 1, 2]
    kept = thinned(range(1, 1_001))
    assert kept[0] == 0
    assert kept[-1] == 999
    assert len(kept) <= 12
    assert kept[1] < 5
