"""The statistics of the operating point against known answers, simulated coverage and properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from sklearn.metrics import average_precision_score, precision_recall_curve

from core.evidence.bounds import (
    Certified,
    best_recall,
    certify,
    flagged_needed,
    labels_needed,
    log_e_value,
    look_alpha,
    lower_limit,
    misses_allowed,
    misses_to_plan,
    upper_limit,
)
from core.maths.halves import permanent_random_numbers
from core.maths.precision_recall import (
    average_precision_interval,
    local_level,
    pessimistic_curve,
    pr_curve,
    pr_limits,
    ratio_limits,
)


def test_the_curve_is_scikit_learns_with_weights_and_ties():
    rng = np.random.default_rng(0)
    for case in range(400):
        n = int(rng.integers(2, 60))
        scores, flagged = rng.integers(0, 12, n).astype(float), rng.random(n) < 0.4
        flagged[rng.integers(n)] = True
        weights = None if case % 2 else rng.random(n) + 0.1
        ours = pr_curve(scores, flagged, weights)
        precision, recall, thresholds = precision_recall_curve(flagged, scores, sample_weight=weights, drop_intermediate=False)
        np.testing.assert_allclose(ours.precision, precision[:-1][::-1], atol=1e-12)
        np.testing.assert_allclose(ours.recall, recall[:-1][::-1], atol=1e-12)
        np.testing.assert_array_equal(ours.thresholds, thresholds[::-1])
        theirs = average_precision_score(flagged, scores, sample_weight=weights)
        assert ours.average_precision == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    ("weights", "precision", "recall", "average"),
    [
        (None, [2 / 3, 0.5, 0.6, 0.5], [2 / 3, 2 / 3, 1, 1], 0.644444),
        ([4, 4, 1, 1, 2, 1], [0.75, 0.375, 0.4444, 0.3077], [0.75, 0.75, 1, 1], 0.673611),
    ],
)
def test_a_curve_computed_by_hand(weights, precision, recall, average):
    scores, flagged = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.8]), np.array([0, 0, 1, 1, 1, 0], bool)
    curve = pr_curve(scores, flagged, None if weights is None else np.array(weights, float))
    np.testing.assert_allclose(curve.precision, precision, atol=1e-4)
    np.testing.assert_allclose(curve.recall, recall, atol=1e-4)
    assert curve.average_precision == pytest.approx(average, abs=1e-6)


def test_with_equal_weights_the_limits_are_clopper_pearsons():
    for n in range(1, 80):
        x = np.arange(n + 1, dtype=float)
        low, high = ratio_limits(3 * x, 9 * x, 3 * (n - x), 9 * (n - x), most_a=3, most_b=3, alpha=0.05)
        np.testing.assert_allclose(low, [lower_limit(int(k), n, 0.05) for k in x], atol=1e-12)
        np.testing.assert_allclose(high, [upper_limit(int(k), n, 0.05) for k in x], atol=1e-12)
    low, high = ratio_limits(900, 54_000, 200, 20_000, most_a=100, most_b=100, alpha=0.05)
    assert (float(low), float(high)) == pytest.approx((0.5534521107, 0.9663372276), abs=1e-9)
    assert lower_limit(29, 29, 0.05) == pytest.approx(0.901855, abs=1e-6)
    assert lower_limit(28, 28, 0.05) == pytest.approx(0.898534, abs=1e-6)
    assert upper_limit(0, 300, 0.05) == pytest.approx(0.009936, abs=1e-6)


@pytest.mark.parametrize(
    ("recall", "alpha", "live", "needed"),
    [
        (0.8, 0.05, False, (14, 22, 30, 37, 50)),
        (0.9, 0.05, False, (29, 46, 61, 76, 103)),
        (0.95, 0.05, False, (59, 93, 124, 153, 208)),
        (0.99, 0.05, False, (299, 473, 628, 773, 1049)),
        (0.9, look_alpha(1), False, (31, 49, 64, 79, 106)),
        (0.9, look_alpha(2), False, (51, 72, 90, 106, 137)),
        (0.9, look_alpha(3), False, (61, 83, 102, 120, 152)),
        (0.9, 0.04, True, (39, 67, 89, 108, 143)),
        (0.8, 0.04, True, (19, 32, 43, 52, 69)),
    ],
)
def test_flagged_labels_needed_are_those_of_the_table(recall, alpha, live, needed):
    assert tuple(flagged_needed(m, recall, alpha, live=live) for m in (0, 1, 2, 3, 5)) == needed


def test_known_answers_of_the_promise():
    assert certify(range(46), 0.9, 0.05) == Certified(1.0, 1)
    assert certify(range(46), 0.9, 0.05, live=True) == Certified(0.0, 0)
    assert certify(range(28), 0.9, 0.05) == Certified(None, -1)
    plan = labels_needed(200, 10, 0.9, 0.05)
    assert (plan.low, plan.expected, plan.high) == (251, 364, 607)
    plan = labels_needed(200, 10, 0.9, look_alpha(1))
    assert (plan.low, plan.expected, plan.high) == (277, 402, 671)
    plan = labels_needed(200, 10, 0.9, 0.05, live=True)
    assert (plan.low, plan.expected, plan.high) == (343, 498, 830)
    plan = labels_needed(200, 0, 0.9, 0.05)
    assert (plan.low, plan.expected, plan.high) == (2534, 11658, None)
    assert sum(look_alpha(k) for k in range(1, 200_000)) == pytest.approx(0.05, abs=1e-6)
    assert math.exp(log_e_value(0, 36, 0.9)) == pytest.approx(20.19, abs=0.01)
    assert math.exp(log_e_value(0, 35, 0.9)) == pytest.approx(18.41, abs=0.01)
    assert best_recall(10, look_alpha(1)) == pytest.approx(0.7248, abs=1e-4)
    assert [misses_to_plan(rate, 0.9, look_alpha(1)) for rate in (0, 0.03, 0.05)] == [0, 0, 3]  # 1/32, 4/80
    assert permanent_random_numbers(["a"], salt="p1")[0] == pytest.approx(0.5606340766, abs=1e-10)


def test_average_precision_and_local_levels():
    low, high = average_precision_interval(0.8, 50)
    assert (low, high) == pytest.approx((0.6667, 0.8889), abs=1e-3)
    assert [local_level(n) for n in (5, 6, 100, 501)] == [0.0128, 0.0081, 0.0025, 0.0010]
    assert local_level(30, joint=True) == 0.0018


def test_the_limits_follow_the_curve_and_the_pessimistic_one_lies_inside():
    rng = np.random.default_rng(1)
    flagged = rng.random(300) < 0.3
    scores = rng.normal(size=300) + 2 * flagged
    curve, limits = pr_curve(scores, flagged), pr_limits(scores, flagged)
    assert limits.band.shape == curve.recall.shape
    assert (limits.recall_low <= curve.recall + 1e-12).all()
    assert (limits.recall_high >= curve.recall - 1e-12).all()
    assert (limits.precision_low <= curve.precision).all()
    assert (limits.band <= limits.recall_low + 1e-12).all()  # everywhere at once costs more than one by one
    recall, precision = pessimistic_curve(scores, flagged, scores)
    assert recall.shape == precision.shape == (20,)
    assert (np.diff(recall) >= -1e-12).all()
    assert recall[-1] < 1
    assert (precision < curve.precision.max()).all()


@pytest.mark.parametrize(("n", "broken"), [(29, 0.0471), (46, 0.0480), (100, 0.0237)])
def test_a_promise_breaks_as_often_as_theory_says(n, broken):
    misses = misses_allowed(n, 0.9, 0.05)
    assert beta.sf(0.1, misses + 1, n - misses) == pytest.approx(broken, abs=1e-4)
    for seed in (0, 1):
        draws = np.sort(np.random.default_rng(seed).random((20_000, n)), axis=1)
        assert (draws[:, misses] > 0.1).mean() == pytest.approx(broken, abs=0.005)  # neither above nor far below


@pytest.mark.slow
def test_looking_after_every_label_breaks_the_planned_rule_and_not_the_live_one(capsys):
    rng = np.random.default_rng(0)
    n = np.arange(1, 601)
    planned = np.array([misses_allowed(int(k), 0.9, 0.05) for k in n])
    live = np.array([misses_allowed(int(k), 0.9, 0.05, live=True) for k in n])
    misses = np.cumsum(rng.random((4_000, 600)) < 0.1, axis=1)
    wrong = [float((misses <= allowed).any(axis=1).mean()) for allowed in (planned, live)]
    with capsys.disabled():
        print(f"\nlooked at after each of 600: {wrong[0]:.1%} wrong by the planned rule, {wrong[1]:.1%} live")  # noqa: T201
    assert wrong[0] >= 0.15
    assert wrong[1] <= 0.05


@pytest.mark.slow
def test_limits_hold_as_often_as_they_say(capsys):
    """Draws of 200 uniform labels from 40,000 images with a known curve."""
    rng = np.random.default_rng(0)
    truth = rng.random(40_000) < 0.3
    pool = np.round(rng.normal(size=40_000) + 1.8 * truth, 3)
    exact = average_precision_score(truth, pool)
    ranked = np.sort(pool[truth])
    left = {"band": 0, "recall": 0.0, "pessimistic": 0, "average precision": 0}
    runs = 1_000
    for _ in range(runs):
        chosen = rng.choice(40_000, 200, replace=False)
        scores, flagged = pool[chosen], truth[chosen]
        curve, limits = pr_curve(scores, flagged), pr_limits(scores, flagged)
        recall = 1 - np.searchsorted(ranked, curve.thresholds, side="left") / len(ranked)
        left["band"] += bool((recall < limits.band - 1e-12).any())
        left["recall"] += float(((recall < limits.recall_low) | (recall > limits.recall_high)).mean())
        low, high = average_precision_interval(curve.average_precision, curve.n_flagged)
        left["average precision"] += not low <= exact <= high
        at = np.quantile(pool, 1 - np.arange(1, 21) / 20)
        caught = np.array([(truth & (pool >= t)).sum() for t in at])
        found = pessimistic_curve(scores, flagged, pool)
        left["pessimistic"] += bool(
            (caught / len(ranked) < found[0]).any() or (caught / np.array([(pool >= t).sum() for t in at]) < found[1]).any()
        )
    shares = {name: count / runs for name, count in left.items()}
    with capsys.disabled():
        print("\nleft by the truth:", {name: f"{share:.1%}" for name, share in shares.items()})  # noqa: T201
    assert 0.01 <= shares["band"] <= 0.055  # everywhere at once, nominal 5%
    assert shares["recall"] <= 0.05  # point by point
    assert shares["pessimistic"] <= 0.05
    assert shares["average precision"] <= 0.06


SCORES = st.lists(st.integers(-50, 50), min_size=1, max_size=120).map(lambda found: np.array(found, float))


@given(SCORES, st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_does_not_matter_and_a_rising_transform_maps_the_threshold(scores, shuffler):
    found = certify(scores, 0.8, 0.05)
    mixed = scores.tolist()
    shuffler.shuffle(mixed)
    assert certify(mixed, 0.8, 0.05) == found
    moved = certify(np.exp(scores / 10), 0.8, 0.05)
    assert moved.misses == found.misses
    assert (moved.threshold is None) == (found.threshold is None)
    if found.threshold is not None:
        assert moved.threshold == pytest.approx(math.exp(found.threshold / 10))


@given(SCORES, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_flagged_label_below_the_threshold_never_raises_it(scores, step):
    found = certify(scores, 0.8, 0.05)
    if found.threshold is not None:
        again = certify(np.append(scores, found.threshold - step), 0.8, 0.05)
        assert again.threshold is not None
        assert again.threshold <= found.threshold


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_the_size_of_all_weights_together_does_not_matter(a, b, scale):
    plain = ratio_limits(a, a, b, b, most_a=1, most_b=1, alpha=0.05)
    scaled = ratio_limits(a * scale, a * scale**2, b * scale, b * scale**2, most_a=scale, most_b=scale, alpha=0.05)
    np.testing.assert_allclose(plain, scaled, atol=1e-9)
