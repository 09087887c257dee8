"""What the benchmark of the probe's fine print compares is what its names say."""

import numpy as np
import pytest

from benchmarks.photo_quality import standardised
from benchmarks.probe_fine_print import fit_by_budget, fit_by_evidence, fit_to_share, interval, smoothed, unit, whitened
from core.maths.logistic import fit_logistic


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return standardised(rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)))


def test_rows_have_the_length_that_standardised_rows_have_on_average(x):
    assert np.linalg.norm(unit(x), axis=1) == pytest.approx(np.sqrt(6))
    assert np.square(x).sum(axis=1).mean() == pytest.approx(6, rel=1e-5)


def test_whitening_ends_correlations_and_shrunk_to_the_identity_changes_nothing(x):
    assert np.corrcoef(whitened(x, 0.0).T) == pytest.approx(np.eye(6), abs=1e-3)
    assert whitened(x, 1.0) == pytest.approx(x, abs=1e-5)
    between = np.abs(np.corrcoef(whitened(x, 0.5).T) - np.eye(6)).max()
    assert 0 < between < np.abs(np.corrcoef(x.T) - np.eye(6)).max()


def test_smoothing_moves_rows_of_a_group_together():
    rng = np.random.default_rng(1)
    middles = np.repeat(rng.normal(size=(2, 8)), 50, axis=0)
    x = standardised(middles + rng.normal(scale=0.5, size=(100, 8)))

    def spread(of):
        return of[:50].std(axis=0).mean() / np.linalg.norm(of[:50].mean(axis=0) - of[50:].mean(axis=0))

    assert spread(smoothed(x)) < 0.9 * spread(x)


def test_the_evidence_asks_for_a_weak_penalty_where_labels_are_clear_and_a_strong_one_where_they_are_noise(x):
    def strength(y):
        found = np.linalg.norm(fit_by_evidence(x.astype(np.float64), y)[0])
        return found / np.linalg.norm(fit_logistic(x.astype(np.float64), y)[0])  # above 1: C is larger than the product's

    assert strength(x[:, 0] > 0) > 1
    assert strength(np.random.default_rng(2).random(len(x)) < 0.5) < 1


def test_c_by_budget_is_the_product_s_with_ten_labels(x):
    first, y = x[:10].astype(np.float64), np.arange(10) % 2 == 0
    assert fit_by_budget(first, y, power=-1.0)[0] == pytest.approx(fit_logistic(first, y)[0])
    more, y = x[:100].astype(np.float64), np.arange(100) % 2 == 0
    assert fit_by_budget(more, y, power=-1.0)[0] == pytest.approx(fit_logistic(more, y, c=0.1)[0])


def test_em_finds_the_share_of_the_whole_and_keeps_the_order():
    rng = np.random.default_rng(3)
    truth = np.arange(4_000) % 10 == 0
    x = rng.normal(size=(4_000, 1)) + 2 * truth[:, None]
    labelled = np.concatenate([np.flatnonzero(truth), np.flatnonzero(~truth)[:400]])  # half of them flagged
    plain, moved = fit_logistic(x[labelled], truth[labelled]), fit_to_share(x[labelled], truth[labelled], everything=x)

    def share(fit):
        return (1 / (1 + np.exp(-(x @ fit[0] + fit[1])))).mean()

    assert moved[0] == pytest.approx(plain[0])
    assert share(plain) > 0.2
    assert share(moved) == pytest.approx(0.1, abs=0.02)


def test_an_interval_is_student_s():
    middle, half = interval(np.array([0.0, 1.0, 2.0, 3.0]))
    assert (middle, half) == pytest.approx((1.5, 3.1824 * np.std([0, 1, 2, 3], ddof=1) / 2), rel=1e-4)
