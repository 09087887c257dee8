"""Simulate labelling with known answers: a strategy, a budget, a seed, and what the probe then reaches. Files stay outside.

The simulated analyst gives the gold answer. The probe is the product's (`fit_logistic`), the picks come from the product's own
registry, and the test images are never picked from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.maths.logistic import fit_logistic
from core.maths.precision_recall import pr_curve, precision_at_recall
from core.maths.uncertainty import closeness
from core.probe.strategies import ROUND, STRATEGIES, Need, Pool, automatic

RECALL = 0.9  # at which precision is reported
GRID = np.linspace(0.01, 1, 100)  # recalls at which precision-recall curves are compared
METRICS = ("accuracy", "balanced_accuracy", "average_precision", "precision_at_recall")


@dataclass(frozen=True)
class Split:
    """The images a seed labels from and those it is judged on."""

    pool: IntArray  # (P,) positions, ascending
    test: IntArray  # (T,)


def split(groups: IntArray, seed: int, *, most: int) -> Split:
    """Halve the images by near-duplicate group, so that no copy of a test image can be labelled.

    Args:
        groups: (N,) group of each image.
        seed: of the draw.
        most: images a side at most.
    """
    rng = np.random.default_rng([seed, 0])
    names, of_image = np.unique(groups, return_inverse=True)
    in_pool = np.zeros(len(names), bool)
    in_pool[rng.permutation(len(names))[: -(-len(names) // 2)]] = True
    pool, test = np.flatnonzero(in_pool[of_image]), np.flatnonzero(~in_pool[of_image])
    return Split(*(np.sort(rng.permutation(side)[:most]) for side in (pool, test)))


class Simulation:
    """One seed on one set of features: every strategy starts from the same split."""

    def __init__(self, x: FloatArray, flagged: BoolArray, groups: IntArray, *, seed: int, most: int) -> None:
        """Split the images.

        Args:
            x: (N, D) standardised features.
            flagged: (N,) the gold answer.
            groups: (N,) near-duplicate groups.
            seed: of split and picks.
            most: images a side at most.
        """
        self._x, self._flagged, self._groups, self._seed = x, flagged, groups, seed
        self.split = split(groups, seed, most=most)

    def run(self, strategy: str, budgets: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Label up to each budget in turn.

        Args:
            strategy: a name in `STRATEGIES`.
            budgets: ascending; those above the pool's size are left out.
        Yields:
            a dict a budget: strategy, budget, the METRICS, n_flagged among the labels, and precision at GRID's recalls.
        """
        picked: IntArray = self.split.pool[:0]
        budgets = [budget for budget in budgets if budget <= len(self.split.pool)]
        for budget in budgets:
            if strategy == "uncertain-once":  # not nested: the start, then everything at once
                picked = self._extend("diverse", self.split.pool[:0], min(ROUND, budget))
            while len(picked) < budget:
                stop = min(len(picked) + ROUND, budget) if STRATEGIES[strategy].in_rounds else budget
                picked = self._extend(strategy, picked, stop)
            yield {"strategy": strategy, "budget": budget, **self._judge(picked)}

    def _extend(self, strategy: str, picked: IntArray, budget: int) -> IntArray:
        chosen = STRATEGIES[strategy]
        score = self._scores(picked)
        if chosen.needs != Need.NOTHING and automatic(len(picked), has_score=score is not None) == "diverse":
            chosen, strategy = STRATEGIES["diverse"], "diverse"  # as the product does: no model to ask yet
        pool = Pool(
            rows=np.setdiff1d(self.split.pool, picked),
            embeddings=lambda rows: self._x[rows],
            uncertainty=None if score is None else closeness(score),
            score=score,
            labelled=picked,
            groups=self._groups,
        )
        rng = np.random.default_rng([self._seed, len(picked), sorted(STRATEGIES).index(strategy)])
        found = chosen.choose(pool, budget - len(picked), rng)
        short = budget - len(picked) - len(found)
        if short > 0:  # fewer groups than asked for: near-duplicates are all that is left
            found = np.concatenate([found, np.setdiff1d(pool.rows, found)[:short]])
        return np.concatenate([picked, found])

    def _scores(self, picked: IntArray) -> FloatArray | None:
        marks = self._flagged[picked]
        if not marks.any() or marks.all():
            return None
        weights, bias = fit_logistic(self._x[picked].astype(np.float64), marks)
        return self._x @ weights.astype(np.float32) + np.float32(bias)

    def _judge(self, picked: IntArray) -> dict[str, Any]:
        truth, score = self._flagged[self.split.test], self._scores(picked)
        if score is None:  # labels of one class: that class is all it can say, in no order
            score = np.full(len(self._x), 1.0 if self._flagged[picked].all() else -1.0, np.float32)
        found = score[self.split.test]
        curve, says = pr_curve(found, truth), found > 0
        at = np.minimum(np.searchsorted(curve.recall, GRID - 1e-12), len(curve.recall) - 1)
        return {
            "n_flagged": int(self._flagged[picked].sum()),
            "accuracy": float((says == truth).mean()),
            "balanced_accuracy": float((says[truth].mean() + (~says[~truth]).mean()) / 2),
            "average_precision": curve.average_precision,
            "precision_at_recall": precision_at_recall(curve, RECALL)[0],
            "curve": [round(float(p), 4) for p in curve.precision[at]],
        }
