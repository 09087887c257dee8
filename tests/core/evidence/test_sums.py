"""Figures that people add up: caught images are reviewed ones, plans fit the images, rounding never makes a figure false."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog.check_set import CheckSet
from core.catalog.records import Policy
from core.delivery.score import drift_words
from core.evidence.bounds import MoreLabels, certify, flagged_needed, labels_needed, look_alpha, misses_allowed, passes
from core.evidence.check_sets import CheckStatus
from core.evidence.costs import Prices, cheapest, cheapest_threshold, cost_per_1000
from core.evidence.openings import Coverage, Opening
from core.evidence.plan import Ahead
from core.evidence.sentences import (
    at_handle,
    closed,
    footer,
    later_alpha,
    naive_warning,
    promise,
    shown_curve,
    what_more_would_buy,
)
from core.evidence.thousand import thousand, thousand_words
from core.evidence.threshold import (
    Sample,
    figures_at,
    threshold_for_precision,
    threshold_for_recall,
)
from core.wording import counted, fraction, per_thousand, percent, signed, target

QUICK = settings(max_examples=60, deadline=None)


@st.composite
def openings(draw):
    """A frame, uniform labels on some of it (perhaps focus labels too), the opening they make, and what is left to read."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_pool, share = draw(st.integers(12, 600)), draw(st.sampled_from([0.02, 0.3, 0.9]))
    truth = rng.random(n_pool) < share
    apart = draw(st.sampled_from([0.0, 1.5, 20.0]))
    pool = np.round(rng.normal(size=n_pool) + apart * truth, draw(st.sampled_from([0, 1, 6])))
    truth[:5] = True
    n = draw(st.integers(6, max(6, n_pool // 2)))
    sample = Sample.uniform(pool[:n], truth[:n], pool)
    if draw(st.booleans()):
        e = draw(st.integers(1, n_pool - n))
        weights = rng.uniform(1, 20, n + e)
        sample = replace(sample, extra_scores=pool[n : n + e], extra_flagged=truth[n : n + e], weights=weights)
    recall, look = draw(st.sampled_from([0.5, 0.9, 0.995])), draw(st.integers(1, 4))
    alpha = look_alpha(look)
    certified = certify(sample.scores[sample.flagged], recall, alpha)
    opened = Opening(
        number=3, check_set=1, look=look, probe=1, analyst="ann", at="2026-01-01T00:00:00", encoder="e", recall=recall,
        confidence=0.95, live=False, alpha=alpha, threshold=certified.threshold, misses=certified.misses, n_teach=10,
        frame=n_pool, frame_hash="", flagged_names=("explicit",), guideline="v1", reread=0, disagreed=0, rows=np.arange(n),
        flagged=sample.flagged, scores=sample.scores,
    )  # fmt: skip
    return opened, sample, draw(st.integers(0, n_pool - n))


def ahead_of(opened, left):
    return Ahead(opened.recall, later_alpha(opened), opened.n, opened.n_flagged, left)


def thresholds(sample):
    return [float(sample.pool[0]) - 1, *np.quantile(sample.pool, [0, 0.2, 0.5, 0.8, 1]).tolist(), float(sample.pool[-1]) + 1]


@given(openings())
@QUICK
def test_what_is_caught_was_reviewed_and_missed_was_left_up(found):
    _, sample, _ = found
    for threshold in thresholds(sample):
        figures = figures_at(sample, threshold)
        assert 0 <= figures.caught_per_1000.low <= figures.caught_per_1000.high <= figures.reviewed_per_1000 + 1e-9
        assert 0 <= figures.missed_per_1000.low <= figures.missed_per_1000.high <= 1000 - figures.reviewed_per_1000 + 1e-9
        if figures.precision is not None:  # of what is reviewed, the said share is caught
            assert figures.caught_per_1000.value == pytest.approx(figures.reviewed_per_1000 * figures.precision.value)
        for range_ in (figures.caught_per_1000, figures.missed_per_1000, figures.recall, figures.precision):
            if range_ is not None and not math.isnan(range_.value):
                assert range_.low - 1e-9 <= range_.value <= range_.high + 1e-9
        assert cost_per_1000(figures, Prices()).low <= cost_per_1000(figures, Prices()).high


def test_caught_and_missed_are_those_of_a_slow_count_by_side():
    """1,000 images, 283 above 0; 20 labels above (16 flagged) and 80 below (4 flagged): 283 x 16/20 and 717 x 4/80."""
    pool = np.concatenate([np.full(283, 1.0), np.full(717, -1.0)])
    scores = np.concatenate([np.full(20, 1.0), np.full(80, -1.0)])
    flagged = np.zeros(100, bool)
    flagged[:16], flagged[20:24] = True, True
    figures = figures_at(Sample.uniform(scores, flagged, pool), 0.0)
    assert (figures.reviewed_per_1000, figures.caught_per_1000.value, figures.missed_per_1000.value) == pytest.approx(
        (283, 226.4, 35.85)
    )
    found = thousand(figures)
    assert (found.reviewed.said, found.caught.said, found.caught.range_said) == ("283", "226", "159 to 267")
    assert (found.false_alarms.said, found.false_alarms.range_said) == ("57", "16 to 124")
    assert (found.missed.said, found.left_rightly.said, found.flagged.said) == ("36", "681", "262")
    assert thousand_words(figures) == (
        "Per 1,000 images, 283 are reviewed (226 caught and 57 false alarms) and 717 left up (36 missed and 681 rightly left "
        "up)."
    )
    above = figures_at(Sample.uniform(scores, flagged, pool), 2.0)
    assert (above.reviewed_per_1000, above.caught_per_1000.value) == (0, 0)  # nothing is reviewed, so nothing is caught
    gap = np.concatenate([pool, np.full(1_000, 5.0)])
    unknown = figures_at(Sample.uniform(scores, flagged, gap), 3.0)
    assert math.isnan(unknown.caught_per_1000.value)  # half of the images are above, and no label is
    said = thousand(unknown)
    assert (said.caught.said, said.caught.range_said, said.false_alarms.said) == ("not known", "0 to 500", "not known")
    assert (said.reviewed.said, said.flagged.said) == ("500", "not known")


@given(openings())
@QUICK
def test_the_counts_of_1000_images_always_add_up_as_they_are_written(found):
    for threshold in thresholds(found[1]):
        figures = figures_at(found[1], threshold)
        told = thousand(figures)
        assert_adds_up(told)
        unit = 10**told.reviewed.decimals
        assert abs(told.reviewed.value / unit - figures.reviewed_per_1000) <= 0.5 / unit + 1e-9
        for cell, exact in ((told.caught, figures.caught_per_1000), (told.missed, figures.missed_per_1000)):
            assert cell.low / unit <= max(exact.low, 0) + 1e-6
            assert cell.value is None or abs(cell.value / unit - exact.value) <= 1 / unit + 1e-6
        for cell in vars(told).values():
            assert cell.value is None or cell.low <= cell.value <= cell.high


def assert_adds_up(told):
    """Add the words up as a reader would."""

    def add(*cells):
        numbers = [cell.said for cell in cells]
        return None if "not known" in numbers else round(sum(float(number.replace(",", "")) for number in numbers), 6)

    for parts, whole in (
        ((told.caught, told.false_alarms), told.reviewed),
        ((told.missed, told.left_rightly), told.left_up),
        ((told.caught, told.missed), told.flagged),
    ):
        assert add(*parts) in (add(whole), None)
    assert add(told.reviewed, told.left_up) == 1_000


@given(st.integers(1, 10**7), st.data())
@QUICK
def test_rare_classes_get_as_many_decimals_as_it_takes_to_be_seen(n_pool, data):
    n = min(n_pool, 60)
    reviewed = data.draw(st.integers(0, n_pool))
    labels = data.draw(st.integers(0, n))
    pool = np.concatenate([np.zeros(min(n_pool - reviewed, 500)), np.ones(min(reviewed, 500))])
    flagged = np.arange(n) < data.draw(st.integers(0, n))
    sample = Sample.uniform(np.where(np.arange(n) < labels, 1.0, 0.0), flagged, pool)
    if not flagged.any():
        return
    share = reviewed / n_pool
    figures = figures_at(sample, 0.5)
    scale = share / figures.reviewed_share if figures.reviewed_share else 0.0
    rest = (1 - share) / (1 - figures.reviewed_share) if figures.reviewed_share < 1 else 0.0
    caught, missed = figures.caught_per_1000, figures.missed_per_1000
    shrunk = replace(
        figures,
        reviewed_per_1000=1000 * share,
        caught_per_1000=caught._replace(value=scale * caught.value, low=scale * caught.low, high=scale * caught.high),
        missed_per_1000=missed._replace(value=rest * missed.value, low=rest * missed.low, high=rest * missed.high),
    )
    assert_adds_up(thousand(shrunk))


@pytest.mark.slow
def test_the_ranges_of_caught_and_missed_hold_as_often_as_they_say(capsys):
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.3
    pool = rng.normal(size=20_000) + 1.8 * truth
    left = {"caught": 0, "missed": 0}
    runs = 2_000
    for _ in range(runs):
        chosen = rng.choice(20_000, 150, replace=False)
        figures = figures_at(Sample.uniform(pool[chosen], truth[chosen], pool), 0.8)
        for name, true in (("caught", (truth & (pool >= 0.8)).mean()), ("missed", (truth & (pool < 0.8)).mean())):
            range_ = getattr(figures, f"{name}_per_1000")
            left[name] += not range_.low <= 1000 * true <= range_.high
    with capsys.disabled():
        print("\nleft by the truth:", {name: f"{count / runs:.1%}" for name, count in left.items()})  # noqa: T201
    assert max(left.values()) <= 0.05 * runs


@given(openings())
@QUICK
def test_no_sentence_has_nan_and_no_plan_asks_for_more_than_is_left(found):
    opened, sample, left = found
    status = status_of(opened, left)
    promised = None if opened.threshold is None else figures_at(sample, opened.threshold)
    sentences = [
        *promise(opened, promised, sample, ahead=ahead_of(opened, left)),
        *closed(status, ["explicit"]),
        what_more_would_buy(opened, sample, ahead=ahead_of(opened, left)),
        *footer(opened, status, covered=Coverage(opened.frame, 0, 0, 0), tie=sample.largest_tie, drift=None),
        shown_curve(opened, 0),
    ]
    for threshold in thresholds(sample):
        figures = figures_at(sample, threshold)
        sentences += [*at_handle(opened, figures, sample, ahead=ahead_of(opened, left)), naive_warning(sample.curve, threshold)]
        sentences.append(thousand_words(figures))
    for sentence in sentences:
        assert not re.search(r"\bnan\b|\binf\b|-0\.0+\b|\b1 images|\b1 labels|  ", sentence), sentence
        for number in re.findall(r"(?:about|plan for about|and|all) ([\d,]+) more|^([\d,]+) more", sentence):
            assert int(max(number).replace(",", "")) <= left, sentence


def status_of(opened, left, known=None):
    return CheckStatus(
        check_set=CheckSet(recall=opened.recall), subject=opened.subject, family=(opened.subject,),
        policy=Policy("", opened.flagged_names, opened.recall), share=opened.share, n=opened.n,
        n_flagged=opened.n_flagged, n_owed=0, n_ahead=0,
        n_total=opened.n + left, look=opened.look + 1, alpha=later_alpha(opened), later_alpha=later_alpha(opened), known=known,
        missing="",
    )  # fmt: skip


def some_opening(*, n=100, n_flagged=10, look=1):
    scores = np.linspace(-3, 3, n)
    flagged = np.arange(n) >= n - n_flagged
    sample = Sample.uniform(scores, flagged, scores)
    opened = Opening(
        number=1, check_set=1, look=look, probe=1, analyst="ann", at="", encoder="e", recall=0.9, confidence=0.95, live=False,
        alpha=look_alpha(look), threshold=None, misses=-1, n_teach=9, frame=n, frame_hash="", flagged_names=("explicit",),
        guideline="v1", reread=0, disagreed=0, rows=np.arange(n), flagged=flagged, scores=scores,
    )  # fmt: skip
    return opened, sample


def test_a_plan_beyond_the_pool_says_to_ingest_more():
    opened, sample = some_opening()
    (words,) = promise(opened, None, sample, ahead=ahead_of(opened, 50))
    assert "90% recall can probably not be promised: only 50 check images are left to read, probably too few." in words
    assert (
        "Lower the recall to 70% or less, or ingest more images." in words
    )  # 15 flagged at the second look: 0.005 ** (1 / 15)
    (words,) = promise(opened, None, sample, ahead=ahead_of(opened, 0))
    assert "90% recall cannot be promised: no check image is left to read." in words
    (words,) = promise(opened, None, sample, ahead=ahead_of(opened, 40))
    assert "cannot be promised: only 40 check images are left to read, and more explicit ones than that are needed." in words
    (words,) = promise(opened, None, sample, ahead=ahead_of(opened, 450))
    assert "label about 400 more (270 to all 450 there are) before you look again" in words
    assert "can probably not be promised" in " ".join(closed(status_of(opened, 50), ["explicit"]))
    none = replace(status_of(opened, 50), n_flagged=0)
    assert "only 50 check images are left to read" in " ".join(closed(none, ["explicit"]))
    assert what_more_would_buy(opened, sample, ahead=ahead_of(opened, 7)).startswith("7 more check labels would")
    assert what_more_would_buy(opened, sample, ahead=ahead_of(opened, 0)) == ""


def test_there_is_one_best_promise_and_plans_are_made_for_the_look_that_is_to_come():
    opened, sample = some_opening()
    known = replace(status_of(opened, 5_000, known=opened), look=1, alpha=opened.alpha)
    page = [*closed(known, ["explicit"]), *promise(opened, None, sample, ahead=ahead_of(opened, 5_000))]
    best = [number for sentence in page for number in re.findall(r"at least ([\d.]+%)", sentence)]
    assert best == ["72%"]  # 0.04 ** (1 / 10), once
    plans = {number for sentence in page for number in re.findall(r"label about ([\d,]+) more", sentence)}
    assert plans == {"400"}  # at the second look's bar, in both places
    later = closed(status_of(opened, 5_000), ["explicit"])
    assert any("Best promise if you look now: at least 58%" in sentence for sentence in later)  # 0.005 ** (1 / 10)


def test_what_is_planned_is_not_more_than_there_is():
    opened, _ = some_opening()
    empty = replace(status_of(opened, 0), n=0, n_flagged=0, n_total=60)
    assert "read 60 random ones in Check" in closed(empty, ["explicit"])[0]
    few = closed(replace(empty, n_total=40), ["explicit"])  # the second look at 90% needs 51 flagged ones
    assert few[1].startswith("90% recall cannot be promised: only 40 check images are left to read")
    nothing = replace(empty, n_total=0)
    assert "read" not in closed(nothing, ["explicit"])[0]
    assert closed(replace(nothing, missing="No class is flagged."), []) == ["No class is flagged."]


@given(st.integers(1, 400), st.data(), st.sampled_from([0.5, 0.8, 0.9, 0.99, 0.999]), st.booleans())
@QUICK
def test_plans_are_ordered_and_the_fewest_labels_are_the_fewest(n, data, recall, live):
    x = data.draw(st.integers(0, n))
    plan = labels_needed(n, x, recall, 0.04, live=live)
    assert isinstance(plan, MoreLabels)
    assert 0 <= plan.low <= plan.expected
    assert plan.high is None or plan.expected <= plan.high
    misses = data.draw(st.integers(0, 4))
    fewest = flagged_needed(misses, recall, 0.04, live=live)
    assert passes(misses, fewest, recall, 0.04, live=live)
    assert fewest == misses + 1 or not passes(misses, fewest - 1, recall, 0.04, live=live)
    assert misses_allowed(fewest, recall, 0.04, live=live) >= misses


@given(openings())
@QUICK
def test_thresholds_that_are_asked_for_reach_what_was_asked_for(found):
    _, sample, _ = found
    for recall in (0.0, 0.5, 1.0):
        assert figures_at(sample, threshold_for_recall(sample, recall)).recall.value >= recall - 1e-9
    threshold = threshold_for_precision(sample, 0.5)
    if threshold is not None:
        above = sample.all_scores >= threshold
        weight = np.ones(len(above)) if sample.weights is None else sample.weights
        assert weight[above & sample.all_flagged].sum() / weight[above].sum() >= 0.5 - 1e-9


@given(openings())
@QUICK
def test_the_cheapest_threshold_is_that_of_a_slow_count(found):
    _, sample, _ = found
    sample, prices = replace(sample, extra_scores=np.array([]), extra_flagged=np.array([], bool), weights=None), Prices(miss=5)
    best = figures_at(sample, cheapest_threshold(sample, prices))
    if not math.isnan(best.missed_per_1000.value):
        for other in sample.curve.thresholds[:: max(1, len(sample.curve.thresholds) // 8)]:
            cost = cost_per_1000(figures_at(sample, float(other)), prices).value
            assert math.isnan(cost) or cost_per_1000(best, prices).value <= cost + 1e-6


def test_the_cheapest_threshold_has_a_range_and_moves_with_the_prices():
    rng = np.random.default_rng(3)
    truth = rng.random(4_000) < 0.3
    pool = rng.normal(size=4_000) + 2 * truth
    sample = Sample.uniform(pool[:300], truth[:300], pool)
    careful, thrifty = (cheapest(sample, Prices(miss, 1)) for miss in (50, 1))
    assert careful.threshold < thrifty.threshold
    for found in (careful, thrifty):
        low, high = found.threshold_range
        assert low <= found.threshold <= high
        assert high - low < 3
        assert found.cost_range[0] < found.cost_range[1]
    assert cheapest(sample, Prices(50, 1)) == careful  # the same in every window
    everything = cheapest_threshold(sample, Prices(1e9, 1))
    assert figures_at(sample, everything).missed_per_1000.value == 0


@given(openings())
@QUICK
def test_average_precision_lies_in_its_range(found):
    average = found[1].average_precision
    if average is not None:
        assert 0 <= average.low <= average.value <= average.high <= 1


@given(st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_what_is_not_all_is_never_called_all_and_something_never_nothing(share):
    for say, scale in ((percent, 100), (fraction, 1)):
        low, mid, high = (float(say(share, **how).rstrip("%")) for how in ({"down": True}, {}, {"up": True}))
        assert low <= share * scale + 1e-6
        assert high >= share * scale - 1e-6
        assert low <= mid <= high or math.isclose(low, high, abs_tol=2e-3 * scale)
        assert (mid == scale) == (share == 1)
        assert (mid == 0) == (share == 0)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (percent(0.99996), "99.9%"),
        (percent(0.99996, up=True), "100%"),
        (percent(0.000001), "0.001%"),
        (percent(0.000001, down=True), "0%"),
        (percent(0.0), "0%"),
        (percent(0.295), "30%"),
        (percent(math.nan), "not known"),
        (fraction(0.99999), "0.999"),
        (fraction(0.99999, up=True), "1.000"),
        (target(0.995), "99.5%"),
        (signed(-0.001), "0.00"),
        (signed(-0.51), "-0.51"),
        (per_thousand(9.96), "10"),
        (per_thousand(0.04), "0.0"),
        (counted(1, "image"), "1 image"),
        (counted(1_000, "image"), "1,000 images"),
        (counted(2, "study", "studies"), "2 studies"),
    ],
)
def test_numbers_are_written_like_this(said, wanted):
    assert said == wanted


def test_few_new_scores_are_not_reported_to_look_alike():
    assert drift_words(0, math.nan, math.nan) == "No image was scored, so there is nothing to compare."
    assert "1 score is too few" in drift_words(1, math.nan, math.nan)
    assert "look like" in drift_words(50, 0.1, 0.5)
    assert "distributed differently" in drift_words(50, 0.9, 1e-9)
