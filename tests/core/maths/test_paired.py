"""Paired differences agree with sklearn, resample by resample, and see what they should."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from core.errors import ShapeError
from core.maths.paired import INTERVAL, RESAMPLES, paired_difference, weighted_figures
from core.maths.precision_recall import binomial_range


@pytest.fixture
def labels():
    rng = np.random.default_rng(3)
    flagged = rng.random(150) < 0.3
    good = np.round(2 * flagged + rng.normal(size=150), 1)  # with ties
    poor = 0.5 * flagged + rng.normal(size=150)
    return good, poor, flagged


def slow_figures(scores, flagged, weights, recall):
    average = average_precision_score(flagged, scores, sample_weight=weights)
    precision, reached, _ = precision_recall_curve(flagged, scores, sample_weight=weights)
    return average, precision[:-1][reached[:-1] >= recall - 1e-12].max()


def test_weighted_figures_are_sklearns(labels):
    good, _, flagged = labels
    weights = np.random.default_rng(0).poisson(1, (150, 20)).astype(float)
    found = weighted_figures(good, flagged, weights, recall=0.9)
    slow = [slow_figures(good, flagged, column, 0.9) for column in weights.T]
    np.testing.assert_allclose(found.T, slow)


def test_a_difference_is_that_of_resamples_both_scorers_share(labels):
    good, poor, flagged = labels
    found = paired_difference(good, poor, flagged, recall=0.8)
    weights = np.random.default_rng(0).poisson(1.0, (150, RESAMPLES)).astype(float)
    slow = [average_precision_score(flagged, good, sample_weight=w) for w in weights.T[:60]]
    fast = weighted_figures(good, flagged, weights, recall=0.8)[0]
    np.testing.assert_allclose(fast[:60], slow)
    low, high = np.quantile(fast - weighted_figures(poor, flagged, weights, recall=0.8)[0], INTERVAL)
    exact = average_precision_score(flagged, good) - average_precision_score(flagged, poor)
    average = found.average_precision
    assert (average.value, average.low, average.high) == pytest.approx((exact, low, high))
    assert 0 < low < exact < high


def test_a_scorer_does_not_differ_from_itself_on_another_scale(labels):
    good, _, flagged = labels
    found = paired_difference(good, np.exp(good), flagged, recall=0.9)
    for difference in (found.average_precision, found.precision):
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_pairing_is_narrower_than_two_samples(labels):
    good, _, flagged = labels
    near = good + np.random.default_rng(1).normal(scale=0.2, size=150)
    paired = paired_difference(good, near, flagged, recall=0.9).average_precision
    apart = paired_difference(good, np.zeros(150), flagged, recall=0.9).average_precision  # a constant: its AP hardly varies
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_scorers_of_other_labels_are_refused(labels):
    good, poor, flagged = labels
    with pytest.raises(ShapeError, match="same labels"):
        paired_difference(good, poor[1:], flagged, recall=0.9)


def test_a_binomial_range_is_clopper_pearsons():
    found = binomial_range(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4439, 0.9748), abs=1e-4)
    assert (binomial_range(0, 10).low, binomial_range(10, 10).high) == (0, 1)
    assert binomial_range(0, 0) == (0, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "n"), [(0.4, 60), (0.4, 200), (0.1, 250)])
def test_the_interval_holds_the_true_difference(share, n):
    rng = np.random.default_rng(5)

    def drawn(size):
        flagged, common = rng.random(size) < share, rng.normal(size=size)
        return 1.8 * flagged + common + rng.normal(size=size), 1.2 * flagged + common + rng.normal(size=size), flagged

    a, b, flagged = drawn(300_000)
    everything = np.ones((len(flagged), 1))
    figures = (weighted_figures(s, flagged, everything, recall=0.9)[:, 0] for s in (a, b))
    truth = np.subtract(*figures)
    hits = []
    while len(hits) < 300:
        *scores, few = drawn(n)
        if few.sum() >= 20:
            found = paired_difference(*scores, few, recall=0.9)
            both = (found.average_precision, found.precision)
            hits.append([d.low <= t <= d.high for d, t in zip(both, truth, strict=True)])
    assert (np.mean(hits, axis=0) >= 0.89).all()
