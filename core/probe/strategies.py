"""Strategies that choose what to label next, as a registry. They pick from the given pool only."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch

from core.arrays import IntArray
from core.devices import to_device, to_host
from core.errors import InputError
from core.maths.representatives import farthest, medoids, typical
from core.probe.offered import FIRST_ROUND

POOL_SAMPLE = 50_000  # k-means on more images changes the picks little and takes minutes at 1M
TYPICAL_SAMPLE = 20_000  # the cost grows with the square of the cluster sizes
MOST_TAKEN = 100  # newest labelled images that a covering strategy considers; each costs a cluster
SPREAD = 10  # a round of b uncertain images is spread over the 10 b least certain
TOP_SPREAD = 3  # and b images of a score column's top over its 3 b highest


@dataclass(frozen=True)
class Pool:
    """The images a strategy may pick from, unlabelled and in the teach half; tensors on one device."""

    rows: torch.Tensor  # (M,) int64, ascending
    embeddings: Callable[[torch.Tensor], torch.Tensor]  # rows -> (m, D) float32, standardised
    uncertainty: torch.Tensor | None  # (N,) over all rows, None while there is no probe
    score: torch.Tensor | None  # (N,) logits of flagged, None while undefined
    labelled: torch.Tensor  # (T,) int64 rows labelled in the teach half, oldest first
    groups: torch.Tensor | None = None  # (N,) int64 near-duplicate group of every row, in [0, N); None = no copies
    column: torch.Tensor | None = None  # (N,) scores by another model, higher = more likely flagged, NaN = none

    def distinct(self) -> "Pool":
        """Keep one image per near-duplicate group, and none of groups with a label unless only those are left."""
        if self.groups is None or not len(self.rows):
            return self
        groups = self.groups[self.rows]
        is_labelled = torch.zeros(len(self.groups), dtype=torch.bool, device=groups.device)
        is_labelled[self.groups[self.labelled]] = True
        fresh = ~is_labelled[groups]
        if fresh.any():
            rows, groups = self.rows[fresh], groups[fresh]
        else:
            rows = self.rows
        first = torch.full_like(self.groups, len(self.groups)).scatter_reduce_(0, groups, rows, "amin")
        return replace(self, rows=rows[first[groups] == rows])


class Need(StrEnum):
    """What a strategy needs: results of a probe, or the scores of another model."""

    NOTHING = "nothing"
    UNCERTAINTY = "uncertainty"
    SCORE = "score"
    COLUMN = "score column"


@dataclass(frozen=True)
class Strategy:
    """A way to choose images; `pick(pool, n, rng)` returns at most n distinct rows of the pool, in the order to ask."""

    name: str
    pick: "Picker"
    reason: str
    needs: Need
    cost: str  # of a round of n from M images
    source: str
    in_rounds: bool = False  # in a study, the model is refitted after every `ROUND` labels
    offered: bool = True  # to analysts by its name; the others serve as references in studies
    starts: bool = False  # in a study, 'uncertain' follows as soon as there are 10 labels and a score

    def choose(self, pool: Pool, n: int, rng: np.random.Generator) -> IntArray:
        """Pick distinct images, at most one per near-duplicate group.

        Raises:
            InputError: if the strategy needs a probe or a score column and there is none; it says what is missing.
        """
        if self.needs == Need.COLUMN and pool.column is None:
            raise InputError(
                f"Strategy '{self.name}' needs the scores of another model, and there are none; import some in a column "
                "'score:NAME'."
            )
        if (self.needs == Need.UNCERTAINTY and pool.uncertainty is None) or (self.needs == Need.SCORE and pool.score is None):
            raise InputError(
                f"Strategy '{self.name}' needs a probe's {self.needs}, and there is none yet; "
                "label images of a flagged class and of another class first, for example with strategy 'diverse'."
            )
        pool = pool.distinct()
        return to_host(self.pick(pool, n, rng))[0] if len(pool.rows) else np.array([], np.int64)


def _covering(cover: Callable[..., IntArray], sample: int) -> "Picker":
    def pick(pool: Pool, n: int, rng: np.random.Generator) -> torch.Tensor:
        rows = pool.rows
        if len(rows) > sample:
            rows = rows[to_device(np.sort(rng.choice(len(rows), sample, replace=False)), rows.device)]
        known = pool.labelled[-MOST_TAKEN:]
        taken = pool.embeddings(known) if len(known) else None
        return rows[to_device(cover(pool.embeddings(rows), n=n, rng=rng, taken=taken), rows.device)]

    return pick


def highest(rows: torch.Tensor, values: torch.Tensor, n: int) -> torch.Tensor:
    """Return the n rows with the highest values, highest first; ties by row.

    Args:
        rows: (M,) int64, ascending.
        values: (N,) by row, without NaN at these rows.
    """
    found = values[rows]
    if len(rows) > n:
        least = found.topk(n, sorted=False).values.amin()
        rows, found = rows[found >= least], found[found >= least]  # ties at the cut are settled by the stable sort
    return rows[torch.sort(found, descending=True, stable=True).indices[:n]]


def _without(rows: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    return rows[~torch.isin(rows, taken)]


def _uncertain_once(pool: Pool, n: int, _rng: np.random.Generator) -> torch.Tensor:
    assert pool.uncertainty is not None  # noqa: S101  `choose` checked
    return highest(pool.rows, pool.uncertainty, n)


def _uncertain(pool: Pool, n: int, rng: np.random.Generator) -> torch.Tensor:
    return _spread(pool, _uncertain_once(pool, SPREAD * n, rng), n, rng)


def _spread(pool: Pool, rows: torch.Tensor, n: int, rng: np.random.Generator) -> torch.Tensor:
    """Return n of the rows that represent them all."""
    return rows[to_device(medoids(pool.embeddings(rows), n=n, rng=rng), rows.device)]


def _top(pool: Pool, n: int, _rng: np.random.Generator) -> torch.Tensor:
    assert pool.score is not None  # noqa: S101  `choose` checked
    return highest(pool.rows, pool.score, n)


def _rare(pool: Pool, n: int, rng: np.random.Generator) -> torch.Tensor:
    assert pool.score is not None  # noqa: S101  `choose` checked
    half = -(-n // 2)
    positive = pool.rows[pool.score[pool.rows] > 0]
    first = highest(positive, -pool.score, half)  # least certain of those predicted flagged
    if len(first) < half:
        first = torch.cat([first, _top(replace(pool, rows=_without(pool.rows, first)), half - len(first), rng)])
    rest = _without(pool.rows, first)
    second = _uncertain(replace(pool, rows=rest), n - len(first), rng) if len(rest) and n > len(first) else rest[:0]
    return torch.cat([first, second])


def _vendor(pool: Pool, n: int, rng: np.random.Generator) -> torch.Tensor:
    """Pick half from a score column's top, half from where it is in doubt, and what is missing at random."""
    assert pool.column is not None  # noqa: S101  `choose` checked
    known = pool.rows[~pool.column[pool.rows].isnan()]
    half = min(-(-n // 2), len(known))
    top = highest(known, pool.column, TOP_SPREAD * half)
    top = _spread(pool, top, half, rng) if half else top
    rest = _without(known, top)
    n_doubts = min(n - half, len(rest))
    if n_doubts:
        doubts = highest(rest, -(pool.column - cut(pool.column[known])).abs(), SPREAD * n_doubts)
        top = torch.cat([top, _spread(pool, doubts, n_doubts, rng)])
    others = _without(pool.rows, top)
    n_others = min(n - len(top), len(others))
    return torch.cat([top, _random(replace(pool, rows=others), n_others, rng)]) if n_others else top


def cut(values: torch.Tensor) -> torch.Tensor:
    """Return the value between the two groups that scores fall into best, whatever their scale.

    Args:
        values: (M,) without NaN, M >= 1.
    Returns:
        the middle between the groups with the largest variance between them, a scalar.
    Source: Otsu 1979, on all values instead of a histogram.
    """
    rising = values.double().sort().values
    if len(rising) < 2:
        return rising[0]
    below = torch.arange(1, len(rising), dtype=torch.float64, device=rising.device)
    sums = rising.cumsum(0)
    low, high = sums[:-1] / below, (sums[-1] - sums[:-1]) / (len(rising) - below)
    at = int((below * (len(rising) - below) * (high - low) ** 2).argmax())
    return (rising[at] + rising[at + 1]) / 2


def _random(pool: Pool, n: int, rng: np.random.Generator) -> torch.Tensor:
    drawn = rng.choice(len(pool.rows), min(n, len(pool.rows)), replace=False)
    return pool.rows[to_device(drawn, pool.rows.device)]


Picker = Callable[[Pool, int, np.random.Generator], torch.Tensor]
STRATEGIES: dict[str, Strategy] = {
    s.name: s
    for s in (
        Strategy(
            "diverse",
            _covering(medoids, POOL_SAMPLE),
            "represents a large cluster without a label",
            Need.NOTHING,
            "k-means on 50,000 images",
            "Xu et al. 2003; Gupte et al. 2024",
        ),
        Strategy(
            "typical",
            _covering(typical, TYPICAL_SAMPLE),
            "lies in the densest part of a cluster without a label",
            Need.NOTHING,
            "k-means and neighbours on 20,000 images",
            "TypiClust, Hacohen et al. 2022",
        ),
        Strategy(
            "uncertain",
            _uncertain,
            "one of the least certain, different from the rest of this round",
            Need.UNCERTAINTY,
            "a selection over all scores, k-means on 10 n images",
            "Lewis & Gale 1994; margin spread by k-means, Gupte et al. 2024",
            in_rounds=True,
        ),
        Strategy(
            "uncertain-once",
            _uncertain_once,
            "one of the least certain",
            Need.UNCERTAINTY,
            "a selection over all scores",
            "Lewis & Gale 1994",
        ),
        Strategy(
            "rare",
            _rare,
            "just predicted as flagged, or one of the least certain",
            Need.SCORE,
            "two selections over all scores, k-means on 5 n images",
            "Zaher, Buisson & Joly 2026 (positive-first), half and half with 'uncertain'",
            in_rounds=True,
        ),
        Strategy(
            "top",
            _top,
            "scores highest among the unlabelled",
            Need.SCORE,
            "a selection over all scores",
            "Attenberg & Provost 2010; Cormack & Grossman 2014",
            in_rounds=True,
        ),
        Strategy(
            "vendor",
            _vendor,
            "is among the highest scores of another model, or where they are in doubt",
            Need.COLUMN,
            "two selections over all scores, k-means on 7 n images",
            "Cormack & Grossman 2014 (top), Lewis & Gale 1994 (doubts), with another model's scores",
            in_rounds=True,
            offered=False,
            starts=True,
        ),
        Strategy("random", _random, "drawn at random, the baseline", Need.NOTHING, "a draw", "simple random sampling"),
        Strategy(
            "farthest",
            _covering(farthest, POOL_SAMPLE),
            "farthest from all labelled images",
            Need.NOTHING,
            "n passes over 50,000 images",
            "Sener & Savarese 2018 (core-set)",
            offered=False,
        ),
    )
}


def automatic(n_labelled: int, *, has_score: bool) -> str:
    """Return the strategy to use now: diverse until there are 10 labels and a score, then uncertain."""
    return "uncertain" if has_score and n_labelled >= FIRST_ROUND else "diverse"
