"""The contract every strategy keeps."""

import numpy as np
import pytest

from core.acquisition import STRATEGIES, Pool
from core.errors import InputError


def make_pool(rng, n=300):
    x = rng.normal(size=(n, 5)).astype(np.float32)
    rows = np.sort(rng.choice(n, n // 2, replace=False))
    score = rng.normal(size=n)
    labelled = np.setdiff1d(np.arange(n), rows)[:7]
    return Pool(rows, lambda r: x[r], 1 - np.abs(np.tanh(score / 2)), score, labelled)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("n", [1, 10, 1000])
def test_picks_are_new_distinct_inside_the_pool_and_reproducible(name, n):
    pool = make_pool(np.random.default_rng(3))
    picks = STRATEGIES[name].choose(pool, n, np.random.default_rng(1))
    again = STRATEGIES[name].choose(pool, n, np.random.default_rng(1))
    assert len(picks) == len(set(picks.tolist())) == min(n, len(pool.rows))
    assert set(picks) <= set(pool.rows)
    assert picks.tolist() == again.tolist()


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_says_why_and_where_it_is_from(name):
    assert STRATEGIES[name].reason
    assert STRATEGIES[name].source
    assert STRATEGIES[name].name == name


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_empty_pool_gives_no_picks(name):
    pool = Pool(np.array([], np.int64), lambda r: np.zeros((0, 2)), np.zeros(3), np.zeros(3), np.array([0]))
    assert len(STRATEGIES[name].choose(pool, 5, np.random.default_rng(0))) == 0


@pytest.mark.parametrize("name", [n for n, s in STRATEGIES.items() if s.needs != "nothing"])
def test_a_missing_probe_is_said(name):
    pool = Pool(np.arange(3), lambda r: np.zeros((len(r), 2)), None, None, np.array([], np.int64))
    with pytest.raises(InputError, match="needs a probe"):
        STRATEGIES[name].choose(pool, 1, np.random.default_rng(0))


def test_uncertain_picks_are_among_the_least_certain():
    pool = make_pool(np.random.default_rng(5))
    picks = STRATEGIES["uncertain"].choose(pool, 5, np.random.default_rng(0))
    least = set(pool.rows[np.argsort(-pool.uncertainty[pool.rows])[:50]])
    assert set(picks) <= least
