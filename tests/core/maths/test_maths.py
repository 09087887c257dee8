"""Probe, metrics, uncertainty, diversity, halves: against slow, obvious or well-known second implementations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve

from core.errors import InputError, ShapeError
from core.maths.halves import check_order, in_check_half, permanent_random_numbers
from core.maths.logistic import fit_logistic, fit_probe
from core.maths.precision_recall import pr_curve, precision_at_recall
from core.maths.representatives import medoids
from core.maths.uncertainty import closeness, margin, probability


@pytest.fixture()
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("n", [10, 200])
def test_fit_equals_scikit_learns_newton_cholesky(rng, n, c):
    x = rng.normal(size=(n, 32))
    y = (x[:, 0] + rng.normal(size=n)) > 0
    weights, bias = fit_logistic(x, y, c=c)
    judge = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    assert weights == pytest.approx(judge.coef_[0], abs=1e-6)
    assert bias == pytest.approx(judge.intercept_[0], abs=1e-6)


def test_fit_copes_with_perfect_separation_and_twins():
    x = np.array([[0.0], [0.0], [1.0], [1.0]])
    weights, bias = fit_logistic(x, np.array([False, False, True, True]), c=1e6)
    assert math.isfinite(weights[0])
    assert math.isfinite(bias)
    assert weights[0] > 0


@pytest.mark.parametrize("y", [np.zeros(4, bool), np.ones(4, bool)])
def test_fit_refuses_one_class(y):
    with pytest.raises(InputError, match="both sides"):
        fit_logistic(np.eye(4), y)


def test_fit_refuses_wrong_shapes_and_nan():
    with pytest.raises(ShapeError):
        fit_logistic(np.eye(4), np.array([True]))
    with pytest.raises(InputError, match="finite"):
        fit_logistic(np.full((2, 2), np.nan), np.array([True, False]))


def test_probe_scores_raw_embeddings_and_knows_flagged(rng):
    x = rng.normal(3, 5, size=(90, 8)).astype(np.float32)
    codes = np.repeat([0, 1, 2], 30)
    x[codes == 1] += 9
    mean, scale = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    probe = fit_probe(torch.from_numpy(x), codes, flagged_codes=[1], mean=mean, scale=scale)
    standardised = (x - mean) / scale
    judge, bias = fit_logistic(standardised, codes == 1)
    assert x @ probe.flagged_weights + probe.flagged_bias == pytest.approx(standardised @ judge + bias, abs=1e-6)
    weights, biases = probe.columns()
    assert weights.shape == (8, 4)
    assert probe.class_codes == (0, 1, 2)
    assert (x @ weights + biases)[:, 3] == pytest.approx((x @ weights + biases)[:, 1])
    assert len(probe.to_bytes()) > 8 * 4 * 8


def test_probe_without_a_flagged_label_has_no_flagged_column(rng):
    x = rng.normal(size=(10, 3)).astype(np.float32)
    probe = fit_probe(torch.from_numpy(x), np.repeat([0, 2], 5), flagged_codes=[1], mean=np.zeros(3), scale=np.ones(3))
    assert probe.flagged_weights is None
    assert probe.class_codes == (0, 2)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_pr_curve_equals_scikit_learn(data):
    n = data.draw(st.integers(2, 30))
    scores = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), float)
    flagged = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    weights = np.array(data.draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)), float)
    flagged[0] = True
    curve = pr_curve(scores, flagged, weights)
    precision, recall, thresholds = precision_recall_curve(flagged, scores, sample_weight=weights, drop_intermediate=False)
    assert curve.precision[::-1] == pytest.approx(precision[:-1], abs=1e-12)
    assert curve.recall[::-1] == pytest.approx(recall[:-1], abs=1e-12)
    assert curve.thresholds[::-1] == pytest.approx(thresholds)
    judge = average_precision_score(flagged, scores, sample_weight=weights)
    assert curve.average_precision == pytest.approx(judge, abs=1e-12)


def test_pr_curve_known_answer():
    s, y = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.8]), np.array([0, 0, 1, 1, 1, 0], bool)
    assert pr_curve(s, y).average_precision == pytest.approx(0.644444, abs=1e-6)
    assert pr_curve(s, y, np.array([4.0, 4, 1, 1, 2, 1])).average_precision == pytest.approx(0.673611, abs=1e-6)
    assert precision_at_recall(pr_curve(s, y), 0.9)[0] == pytest.approx(0.6)


def test_pr_curve_without_flagged_is_undefined_not_zero():
    curve = pr_curve(np.array([1.0, 2.0]), np.array([False, False]))
    assert math.isnan(curve.average_precision)
    assert np.isnan(curve.recall).all()
    assert math.isnan(precision_at_recall(curve, 0.5)[0])
    empty = pr_curve(np.array([]), np.array([], bool))
    assert math.isnan(empty.average_precision)


def test_thinned_curve_keeps_its_ends(rng):
    curve = pr_curve(rng.normal(size=5000), rng.random(5000) < 0.3)
    recall, precision, thresholds = curve.thinned(100)
    assert len(recall) == len(precision) == len(thresholds) <= 100
    assert recall[0] == curve.recall[0]
    assert recall[-1] == 1.0


def test_closeness_is_one_on_the_boundary_and_falls_off():
    values = closeness(torch.tensor([0.0, 1.0, -1.0, 40.0, torch.nan], dtype=torch.float64)).numpy()
    assert values[0] == 1.0
    assert values[1] == pytest.approx(values[2])
    assert values[1] == pytest.approx(1 - abs(2 * probability(np.array(1.0)) - 1))
    assert values[3] == pytest.approx(0, abs=1e-9)
    assert math.isnan(values[4])


def test_margin_is_one_for_a_tie_and_nothing_where_one_class_is_sure(rng):
    logits = torch.from_numpy(rng.normal(0, 10, size=(200, 3)))
    values = margin(logits).numpy()
    assert values.shape == (200,)
    assert values.min() >= -1e-12
    assert values.max() <= 1 + 1e-12
    assert float(margin(torch.zeros(1, 3))[0]) == pytest.approx(1.0)
    assert float(margin(torch.tensor([[20.0, -20, -20]]))[0]) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ShapeError):
        margin(torch.zeros(3, 1))


def test_medoids_find_every_cluster_and_avoid_the_taken_one(rng):
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], float)
    x = torch.from_numpy((np.repeat(centres, 25, axis=0) + rng.normal(0, 0.1, (100, 2))).astype(np.float32))
    picks = medoids(x, n=4, rng=rng)
    assert sorted(picks // 25) == [0, 1, 2, 3]
    picks = medoids(x, n=3, rng=rng, taken=torch.from_numpy(centres[:1].astype(np.float32)))
    assert sorted(picks // 25) == [1, 2, 3]


@pytest.mark.parametrize("n", [1, 5, 12, 40])
def test_medoids_are_distinct_even_among_duplicates(rng, n):
    x = torch.zeros(20, 3)
    x[15:] = 1
    picks = medoids(x, n=n, rng=rng)
    assert len(picks) == len(set(picks.tolist())) == min(n, 20)


def test_medoids_refuse_an_empty_pool(rng):
    with pytest.raises(ShapeError):
        medoids(torch.zeros(0, 3), n=2, rng=rng)


def test_halves_are_permanent_balanced_and_keep_groups_together():
    assert permanent_random_numbers(["a"], salt="p1")[0] == pytest.approx(0.5606340766, abs=1e-10)
    groups = [f"g{i // 2}" for i in range(4000)]
    check = in_check_half(groups, salt="s")
    assert (check[0::2] == check[1::2]).all()
    assert 0.45 < check.mean() < 0.55
    assert (in_check_half(groups[::-1], salt="s") == check[::-1]).all()
    order = check_order([str(i) for i in range(4000)], salt="s")
    assert abs(np.corrcoef(order, check)[0, 1]) < 0.06
