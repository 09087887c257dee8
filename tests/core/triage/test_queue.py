"""The order of Review and its random samples; that their limits hold is simulated."""

from dataclasses import replace

import numpy as np
import pytest

from core.catalog.reviews import Draw
from core.triage.figures import Share, pace
from core.triage.queue import EVERY, Order, Pool, Side, due, lots, next_rows, waiting

THRESHOLD = 0.0


def pool_of(scores, *, seed=3, **changes):
    scores = np.asarray(scores, float)
    whole = np.ones(len(scores), bool)
    numbers = np.random.default_rng(seed).random(len(scores))
    pool = Pool(scores, THRESHOLD, whole, whole, lots(numbers, seed), [], 0, seed)
    return replace(pool, **changes)


def mixed(n, seed=0):
    return np.random.default_rng(seed).normal(size=n)


def test_flagged_images_wait_newest_or_highest_first_and_images_without_a_score_do_not():
    pool = pool_of([2.0, -1.0, 0.0, 5.0, np.nan, 1.0])
    assert waiting(pool, Order.NEWEST).tolist() == [5, 3, 2, 0]  # at the threshold is flagged
    assert waiting(pool, Order.HIGHEST).tolist() == [3, 0, 5, 2]
    assert waiting(replace(pool, open=np.arange(6) != 3), Order.HIGHEST, without=[0]).tolist() == [5, 2]


def test_the_next_images_are_new_unique_open_and_most_of_them_in_the_order_of_the_queue():
    pool = pool_of(mixed(2_000))
    found = next_rows(pool, 200, Order.HIGHEST)
    assert len(set(found.rows)) == len(found.rows) == 200
    assert found == next_rows(pool, 200, Order.HIGHEST)  # nothing but the seed chooses
    drawn = {draw.row for draw in found.drawn}
    assert [row for row in found.rows if row not in drawn] == [
        row for row in waiting(pool, Order.HIGHEST).tolist() if row not in drawn
    ][: 200 - len(drawn)]
    for side, every in EVERY.items():
        mine = [draw.row for draw in found.drawn if draw.side == side]
        assert abs(len(mine) - 200 // every) <= 1
        assert (pool.side(side)[mine]).all()


def test_a_sample_is_of_the_lowest_numbers_and_one_decided_for_other_reasons_counts_without_being_asked():
    pool = pool_of(mixed(1_000), open=np.random.default_rng(5).random(1_000) < 0.5)
    found = next_rows(pool, 100, Order.NEWEST)
    for side in Side:
        mine = [draw.row for draw in found.drawn if draw.side == side]
        rows = np.flatnonzero(pool.side(side))
        assert mine == rows[np.argsort(pool.lots[rows])][: len(mine)].tolist()
    decided = [draw.row for draw in found.drawn if not pool.open[draw.row]]
    assert decided
    assert not set(decided) & set(found.rows)
    assert pool.open[found.rows].all()


def test_what_was_drawn_and_not_answered_is_asked_for_first_unless_somebody_has_it():
    pool = pool_of(mixed(100), draws=[Draw(Side.LEFT, 4), Draw(Side.FLAGGED, 9)])
    assert next_rows(pool, 3, Order.NEWEST).rows[:2] == [4, 9]
    assert 4 not in next_rows(pool, 3, Order.NEWEST, without=[4]).rows


def test_images_outside_of_the_frame_wait_in_the_queue_and_are_never_drawn():
    old = np.arange(400) < 200
    pool = pool_of(mixed(400), frame=~old)
    found = next_rows(pool, 150, Order.NEWEST)
    assert not old[[draw.row for draw in found.drawn]].any()
    assert old[found.rows].any()


def test_an_empty_queue_asks_for_nothing_and_draws_nothing():
    assert next_rows(pool_of([-1.0] * 50), 10, Order.NEWEST).rows == []
    assert next_rows(pool_of([-1.0] * 50), 10, Order.NEWEST).drawn == []


def test_one_in_so_many_is_due_at_places_that_differ():
    places = [n for n in range(1, 401) if due(n, 20, 7) > due(n - 1, 20, 7)]
    assert len(places) == 20
    assert len({place % 20 for place in places}) > 5


def test_random_numbers_are_uniform_and_differ_by_seed():
    numbers = np.random.default_rng(0).random(20_000)
    one, other = lots(numbers, 1), lots(numbers, 2)
    assert 0 <= one.min() <= one.max() < 1
    assert one.mean() == pytest.approx(0.5, abs=0.01)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(one, numbers)[0, 1]) < 0.03


def test_shares_have_exact_limits_and_unsure_ones_widen_them():
    assert Share(0, 0, 0).most == 1.0
    assert Share(0, 0, 59).most == pytest.approx(1 - 0.05 ** (1 / 59))  # the rule of three
    low, high = Share(9, 0, 10).range
    assert (low, high) == (pytest.approx(0.5550, abs=1e-4), pytest.approx(0.9975, abs=1e-4))
    wider = Share(9, 3, 13)
    assert wider.value == 0.9
    assert wider.range[0] < low
    assert wider.range[1] > high


def test_the_pace_is_that_of_the_time_at_work():
    times = np.concatenate([np.arange(0, 60, 6), 1_000 + np.arange(0, 60, 6)]).astype(float)
    assert pace(times, now=1_100.0) == pytest.approx(60 * 19 / (54 + 60 + 54))  # of the long pause one minute counts
    assert np.isnan(pace(times, now=10_000.0))


def review(rng, *, order, others):
    """Review 200 of 1,500 images in batches, and label some elsewhere meanwhile; return the shares and the truth."""
    n = 1_500
    flagged_class = rng.random(n) < 0.3
    scores = rng.normal(size=n) + 1.5 * flagged_class - 1.2
    pool = pool_of(scores, seed=int(rng.integers(2**60)), lots=rng.random(n))
    draws, open_, n_answers, answered = [], np.ones(n, bool), 0, []
    while n_answers < 200:
        found = next_rows(replace(pool, open=open_, draws=draws, n_answers=n_answers), 10, order)
        if not found.rows:
            break
        draws += found.drawn
        open_[found.rows] = False
        answered += found.rows
        n_answers += len(found.rows)
        # People elsewhere label what they look for: flagged ones, as of "more like this".
        wanted = np.flatnonzero(open_ & flagged_class & (rng.random(n) < others))
        open_[wanted] = False
    none = np.zeros(n, bool)
    shares = {
        side: Share.of([d.row for d in draws if d.side == side], right=flagged_class, unsure=none, open=open_) for side in Side
    }
    truth = {side: flagged_class[pool.side(side)].mean() for side in Side}
    seen = np.array([row for row in answered if scores[row] >= THRESHOLD])
    naive = Share(int(flagged_class[seen].sum()), 0, len(seen))
    return shares, truth, naive


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("others", [0.0, 0.02])
def test_the_limits_of_precision_and_elusion_hold_whatever_the_order_and_whatever_is_labelled_elsewhere(order, others):
    rng, runs = np.random.default_rng([4, int(others > 0), order == Order.HIGHEST]), 250
    inside = below = naive_inside = 0
    for _ in range(runs):
        shares, truth, naive = review(rng, order=order, others=others)
        low, high = shares[Side.FLAGGED].range
        inside += low <= truth[Side.FLAGGED] <= high
        below += truth[Side.LEFT] <= shares[Side.LEFT].most
        naive_low, naive_high = naive.range
        naive_inside += naive_low <= truth[Side.FLAGGED] <= naive_high
    assert inside / runs >= 0.93  # 95% or more, and the error of 250 runs
    assert below / runs >= 0.93
    if order == Order.HIGHEST:
        assert naive_inside / runs < 0.5  # the judge can fail: all answers together prove nothing here
