"""What to label next: the strategies, as a registry. Picks come from the pool it is given, never from elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.diversity import medoids
from core.errors import InputError

POOL_SAMPLE = 50_000  # k-means on more changes the picks little and takes minutes at 1M
SPREAD = 10  # an uncertain round of b is spread over the 10 b least certain


@dataclass(frozen=True)
class Pool:
    """The images a strategy may pick from: teach half, unlabelled."""

    rows: IntArray  # (M,) int64, ascending
    embeddings: Callable[[IntArray], FloatArray]  # rows -> (m, D) standardised
    uncertainty: FloatArray | None  # (N,) over all rows, None while there is no probe
    score: FloatArray | None  # (N,) logits of flagged, None while undefined
    labelled: IntArray  # (T,) rows labelled in the teach half


@dataclass(frozen=True)
class Strategy:
    """One way to choose; `pick(pool, n, rng)` returns at most n distinct rows of the pool, in the order to ask."""

    name: str
    pick: Callable[[Pool, int, np.random.Generator], IntArray]
    reason: str
    needs: str  # "nothing", "uncertainty" or "score"
    source: str

    def choose(self, pool: Pool, n: int, rng: np.random.Generator) -> IntArray:
        """Pick, or say what is missing.

        Raises:
            InputError: if the strategy needs a probe and there is none.
        """
        if (self.needs == "uncertainty" and pool.uncertainty is None) or (self.needs == "score" and pool.score is None):
            raise InputError(
                f"Strategy '{self.name}' needs a probe's {self.needs}, and there is none yet; "
                "label images of a flagged and another class first, for example with strategy 'diverse'."
            )
        return self.pick(pool, n, rng) if len(pool.rows) else np.array([], np.int64)


def _diverse(pool: Pool, n: int, rng: np.random.Generator) -> IntArray:
    rows = pool.rows
    if len(rows) > POOL_SAMPLE:
        rows = np.sort(rng.choice(rows, POOL_SAMPLE, replace=False))
    known = pool.labelled[-50:]  # more centres than that cost time and add nothing to a round of ten
    taken = pool.embeddings(known) if len(known) else None
    return rows[medoids(pool.embeddings(rows), n=n, rng=rng, taken=taken)]


def _uncertain(pool: Pool, n: int, rng: np.random.Generator) -> IntArray:
    assert pool.uncertainty is not None  # noqa: S101  `choose` checked
    least_certain = pool.rows[np.argsort(-pool.uncertainty[pool.rows], kind="stable")[: SPREAD * n]]
    return least_certain[medoids(pool.embeddings(least_certain), n=n, rng=rng)]


def _top(pool: Pool, n: int, rng: np.random.Generator) -> IntArray:
    assert pool.score is not None  # noqa: S101  `choose` checked
    return pool.rows[np.argsort(-pool.score[pool.rows], kind="stable")[:n]]


def _random(pool: Pool, n: int, rng: np.random.Generator) -> IntArray:
    return rng.choice(pool.rows, min(n, len(pool.rows)), replace=False)


STRATEGIES: dict[str, Strategy] = {
    s.name: s
    for s in (
        Strategy("diverse", _diverse, "stands for a large cluster without a label", "nothing", "Hacohen et al. 2022"),
        Strategy(
            "uncertain",
            _uncertain,
            "one of the least certain, unlike the rest of this round",
            "uncertainty",
            "Lewis & Gale 1994",
        ),
        Strategy("top", _top, "scores highest among the unlabelled", "score", "Attenberg et al. 2010"),
        Strategy("random", _random, "drawn at random, the baseline", "nothing", "simple random sampling"),
    )
}
