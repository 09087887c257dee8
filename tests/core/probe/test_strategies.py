"""The contract every strategy keeps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.maths.representatives import farthest, medoids, typical
from core.probe.offered import OFFERED, WITHOUT_COLUMN
from core.probe.strategies import STRATEGIES, Need, Pool, automatic, cut, highest


def make_pool(rng, n=300, groups=None):
    x = rng.normal(size=(n, 5)).astype(np.float32)
    rows = np.sort(rng.choice(n, n // 2, replace=False))
    score = rng.normal(size=n)
    labelled = np.setdiff1d(np.arange(n), rows)[:7]
    values = (torch.from_numpy(a) for a in (1 - np.abs(np.tanh(score / 2)), score, labelled))
    groups = None if groups is None else torch.from_numpy(groups)
    column = torch.from_numpy(np.where(rng.random(n) < 0.1, np.nan, x[:, 0]))
    return Pool(torch.from_numpy(rows), lambda r: torch.from_numpy(x)[r], *values, groups, column)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("n", [1, 10, 1000])
def test_picks_are_new_distinct_inside_the_pool_and_reproducible(name, n):
    pool = make_pool(np.random.default_rng(3))
    picks = STRATEGIES[name].choose(pool, n, np.random.default_rng(1))
    again = STRATEGIES[name].choose(pool, n, np.random.default_rng(1))
    assert len(picks) == len(set(picks.tolist())) == min(n, len(pool.rows))
    assert set(picks.tolist()) <= set(pool.rows.tolist())
    assert picks.tolist() == again.tolist()


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_says_why_and_where_it_is_from(name):
    assert STRATEGIES[name].reason
    assert STRATEGIES[name].source
    assert STRATEGIES[name].cost
    assert STRATEGIES[name].name == name


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_empty_pool_gives_no_picks(name):
    nothing = torch.zeros(0, dtype=torch.long)
    pool = Pool(nothing, lambda r: torch.zeros(0, 2), torch.zeros(3), torch.zeros(3), torch.tensor([0]), None, torch.zeros(3))
    assert len(STRATEGIES[name].choose(pool, 5, np.random.default_rng(0))) == 0


@pytest.mark.parametrize("name", [n for n, s in STRATEGIES.items() if s.needs != "nothing"])
def test_a_missing_probe_or_column_is_reported(name):
    pool = Pool(torch.arange(3), lambda r: torch.zeros(len(r), 2), None, None, torch.zeros(0, dtype=torch.long))
    missing = "scores of another model" if STRATEGIES[name].needs == "score column" else "a probe"
    with pytest.raises(InputError, match=f"needs .*{missing}"):
        STRATEGIES[name].choose(pool, 1, np.random.default_rng(0))


def test_uncertain_picks_are_among_the_least_certain():
    pool = make_pool(np.random.default_rng(5))
    picks = STRATEGIES["uncertain"].choose(pool, 5, np.random.default_rng(0))
    least = set(pool.rows[torch.argsort(-pool.uncertainty[pool.rows])[:50]].tolist())
    assert set(picks.tolist()) <= least


@pytest.mark.parametrize("name", STRATEGIES)
def test_near_duplicates_are_asked_for_once_a_round_and_not_if_one_is_labelled(name):
    groups = np.arange(300) // 3 * 3  # three alike each
    pool = make_pool(np.random.default_rng(4), groups=groups)
    picks = STRATEGIES[name].choose(pool, 30, np.random.default_rng(0))
    assert len(picks) == 30
    assert len(np.unique(groups[picks])) == 30
    assert not np.isin(groups[picks], groups[pool.labelled.numpy()]).any()
    only_labelled = make_pool(np.random.default_rng(4), groups=np.zeros(300, np.int64))
    assert len(STRATEGIES[name].choose(only_labelled, 5, np.random.default_rng(0))) == 1  # better than nothing


def test_automatic_stays_with_diverse_images_until_both_sides_have_a_label():
    assert automatic(0, has_score=False) == automatic(40, has_score=False) == automatic(9, has_score=True) == "diverse"
    assert automatic(10, has_score=True) == "uncertain"


def test_half_of_a_rare_round_is_barely_predicted_flagged():
    pool = make_pool(np.random.default_rng(6))
    picks = STRATEGIES["rare"].choose(pool, 10, np.random.default_rng(0))
    barely = pool.rows[pool.score[pool.rows] > 0]
    assert picks[:5].tolist() == barely[torch.argsort(pool.score[barely])][:5].tolist()
    none = replace(pool, score=-pool.score.abs())
    picks = STRATEGIES["rare"].choose(none, 10, np.random.default_rng(0))
    assert picks[:5].tolist() == pool.rows[torch.argsort(-none.score[pool.rows])][:5].tolist()  # then the top-scored


def test_half_of_a_vendors_round_is_from_its_top_and_half_where_it_is_in_doubt():
    pool = make_pool(np.random.default_rng(8))
    two = pool.column.clone()  # two groups, cut at 0
    two[two.abs() < 0.3] = torch.nan
    pool = replace(pool, column=torch.where(two > 0, two + 10, two - 10))
    picks = STRATEGIES["vendor"].choose(pool, 10, np.random.default_rng(0))
    known = pool.rows[~pool.column[pool.rows].isnan()]
    assert set(picks[:5].tolist()) <= set(known[torch.argsort(-pool.column[known])][:15].tolist())
    nearest = known[torch.argsort((pool.column[known] - cut(pool.column[known])).abs())]
    assert set(picks[5:].tolist()) <= set(nearest[:55].tolist())
    few = torch.full_like(pool.column, torch.nan)
    few[pool.rows[:3]] = 1.0
    picks = STRATEGIES["vendor"].choose(replace(pool, column=few), 10, np.random.default_rng(0))
    assert set(pool.rows[:3].tolist()) <= set(picks.tolist())  # then at random
    assert len(set(picks.tolist())) == 10


@pytest.mark.parametrize("scale", [1.0, 1e-3, 100.0])
def test_a_cut_lies_between_two_groups_on_any_scale(scale):
    values = torch.tensor([0.0, 0.1, 0.2, 0.9, 1.0]) * scale
    assert float(cut(values)) == pytest.approx(0.55 * scale)
    assert float(cut(torch.tensor([scale]))) == pytest.approx(scale)


def test_the_highest_come_in_order_and_ties_by_row():
    values = torch.tensor([3.0, 1.0, 3.0, 2.0, 3.0, 0.0])
    assert highest(torch.arange(6), values, 2).tolist() == [0, 2]
    assert highest(torch.arange(6), values, 4).tolist() == [0, 2, 4, 3]
    assert highest(torch.tensor([1, 5]), values, 9).tolist() == [1, 5]


def test_farthest_first_takes_the_outliers_and_medoids_do_not():
    rng = np.random.default_rng(0)
    crowds = np.concatenate([rng.normal(centre, 0.1, (100, 2)) for centre in (0.0, 5.0)])
    x = torch.from_numpy(np.concatenate([crowds, [[50.0, 0.0], [0.0, 60.0]]]).astype(np.float32))
    assert {200, 201} <= set(farthest(x, n=3, rng=rng).tolist())
    assert not {200, 201} & set(medoids(x, n=2, rng=rng, taken=x[200:]).tolist())


def test_typical_images_lie_in_the_densest_place_of_their_cluster():
    rng = np.random.default_rng(0)
    dense, thin = rng.normal((1.0, 0.0), 0.05, (60, 2)), rng.normal((-1.0, 0.0), 0.8, (60, 2))
    x = torch.from_numpy(np.concatenate([dense, thin]).astype(np.float32))
    assert typical(x, n=1, rng=rng)[0] < 60  # the centre of all lies between the two crowds


def test_the_names_that_are_offered_are_those_of_the_registry():
    assert tuple(name for name, found in STRATEGIES.items() if found.offered) == OFFERED
    assert tuple(name for name, found in STRATEGIES.items() if found.needs != Need.COLUMN) == WITHOUT_COLUMN
