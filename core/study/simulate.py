"""Simulate labelling with gold labels: for each strategy, budget and seed, judge the resulting probe. Uses no files.

The simulated analyst gives the gold label. Probe (`fit_logistic`) and strategies are those of the product, and test images are
never picked.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch

from core.arrays import BoolArray, FloatArray, IntArray
from core.maths.logistic import fit_logistic
from core.maths.precision_recall import pr_curve, precision_at_recall, precision_at_recalls
from core.maths.uncertainty import closeness
from core.probe.offered import ROUND
from core.probe.strategies import STRATEGIES, Need, Pool, automatic

RECALL = 0.9  # recall at which precision is reported
GRID = np.linspace(0.01, 1, 100)  # recalls at which precision-recall curves are compared
Fit = Callable[[FloatArray, BoolArray], tuple[FloatArray, float]]  # as `fit_logistic`: (n, D) and (n,) to (D,) and intercept
METRICS = ("accuracy", "balanced_accuracy", "average_precision", "precision_at_recall")


class Judgement(TypedDict):
    """What a probe reaches on the test images."""

    n_flagged: int  # among its labels
    accuracy: float
    balanced_accuracy: float
    average_precision: float
    precision_at_recall: float  # at `RECALL`
    curve: list[float]  # precision at the recalls of `GRID`


class Round(Judgement):
    """One strategy with one budget."""

    strategy: str
    budget: int  # labels


@dataclass(frozen=True)
class Split:
    """The images a seed may label, and those it is judged on."""

    pool: IntArray  # (P,) int64 positions, ascending
    test: IntArray  # (T,) int64 positions, ascending


def split(groups: IntArray, seed: int, *, most: int) -> Split:
    """Split the images in half by near-duplicate group, so that no copy of a test image can be labelled.

    Args:
        groups: (N,) int64, near-duplicate group of each image.
        seed: of the split.
        most: limit of images on each side.
    """
    rng = np.random.default_rng([seed, 0])
    names, of_image = np.unique(groups, return_inverse=True)
    in_pool = np.zeros(len(names), bool)
    in_pool[rng.permutation(len(names))[: -(-len(names) // 2)]] = True
    pool, test = np.flatnonzero(in_pool[of_image]), np.flatnonzero(~in_pool[of_image])
    return Split(*(np.sort(rng.permutation(side)[:most]) for side in (pool, test)))


class Simulation:
    """One seed with one kind of features: every strategy starts from the same split."""

    def __init__(
        self,
        x: FloatArray,
        flagged: BoolArray,
        groups: IntArray,
        *,
        seed: int,
        most: int,
        fit: Fit = fit_logistic,
        column: FloatArray | None = None,
    ) -> None:
        """Split the images.

        Args:
            x: (N, D) standardised features.
            flagged: (N,) bool, the gold labels.
            groups: (N,) int64, near-duplicate groups.
            seed: of split and picks.
            most: limit of images on each side.
            fit: the probe; another than the product's is for benchmarks.
            column: (N,) scores by another model, for the strategy that needs them.
        """
        self._fit, self._column = fit, None if column is None else torch.from_numpy(column)
        self._x, self._flagged, self._groups, self._seed = x, flagged, np.unique(groups, return_inverse=True)[1], seed
        self._on_cpu = torch.from_numpy(np.ascontiguousarray(x, np.float32))
        self.split = split(groups, seed, most=most)

    def run(self, strategy: str, budgets: Sequence[int]) -> Iterator[Round]:
        """Label up to each budget in turn, and judge the probe there.

        Args:
            strategy: a name in `STRATEGIES`.
            budgets: ascending; those larger than the pool are left out.
        """
        picked: IntArray = self.split.pool[:0]
        budgets = [budget for budget in budgets if budget <= len(self.split.pool)]
        for budget in budgets:
            if strategy == "uncertain-once":  # each budget starts over: diverse labels first, then the rest at once
                picked = self._extend("diverse", self.split.pool[:0], min(ROUND, budget))
            while len(picked) < budget:
                stop = min(len(picked) + ROUND, budget) if STRATEGIES[strategy].in_rounds else budget
                picked = self._extend(strategy, picked, stop)
            yield Round(strategy=strategy, budget=budget, **self._judge(picked))

    def _extend(self, strategy: str, picked: IntArray, budget: int) -> IntArray:
        chosen = STRATEGIES[strategy]
        score = self._scores(picked)
        if chosen.needs in (Need.UNCERTAINTY, Need.SCORE) and automatic(len(picked), has_score=score is not None) == "diverse":
            chosen, strategy = STRATEGIES["diverse"], "diverse"  # as in the product, while there is no model
        elif chosen.starts and automatic(len(picked), has_score=score is not None) == "uncertain":
            chosen, strategy = STRATEGIES["uncertain"], "uncertain"
        pool = Pool(
            rows=torch.from_numpy(np.setdiff1d(self.split.pool, picked)),
            embeddings=lambda rows: self._on_cpu[rows],
            uncertainty=None if score is None else closeness(torch.from_numpy(score)),
            score=None if score is None else torch.from_numpy(score),
            labelled=torch.from_numpy(picked),
            groups=torch.from_numpy(self._groups),
            column=self._column,
        )
        rng = np.random.default_rng([self._seed, len(picked), sorted(STRATEGIES).index(strategy)])
        found = chosen.choose(pool, budget - len(picked), rng)
        short = budget - len(picked) - len(found)
        if short > 0:  # only near-duplicates of picked images are left
            found = np.concatenate([found, np.setdiff1d(pool.rows.numpy(), found)[:short]])
        return np.concatenate([picked, found])

    def _scores(self, picked: IntArray) -> FloatArray | None:
        marks = self._flagged[picked]
        if not marks.any() or marks.all():
            return None
        weights, bias = self._fit(self._x[picked].astype(np.float64), marks)
        return self._x @ weights.astype(np.float32) + np.float32(bias)

    def _judge(self, picked: IntArray) -> Judgement:
        truth, score = self._flagged[self.split.test], self._scores(picked)
        if score is None:  # labels on one side only: that side is predicted for all, without an order
            score = np.full(len(self._x), 1.0 if self._flagged[picked].all() else -1.0, np.float32)
        found = score[self.split.test]
        curve, says = pr_curve(found, truth), found > 0
        return {
            "n_flagged": int(self._flagged[picked].sum()),
            "accuracy": float((says == truth).mean()),
            "balanced_accuracy": float((says[truth].mean() + (~says[~truth]).mean()) / 2),
            "average_precision": curve.average_precision,
            "precision_at_recall": precision_at_recall(curve, RECALL)[0],
            "curve": [round(float(p), 4) for p in precision_at_recalls(curve, GRID)],
        }
