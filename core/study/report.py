"""Summarise a study: means with their spread, paired differences with intervals, and a conclusion no stronger than they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np

from core.study.options import FEATURE_TITLES
from core.study.simulate import Round

GOAL = 0.8  # precision at 90% recall that the first version of this project reached with 100 labels
CONFIDENCE = 0.95
FEW, MANY = 10, 100  # budgets of the two paired tables
Metric = Literal["accuracy", "balanced_accuracy", "average_precision", "precision_at_recall"]
SELECTED, ACTIVE, BASELINE = "diverse", "uncertain", "random"


class Result(Round):
    """One line of a study: a strategy with a budget, on one kind of features and one seed."""

    features: str
    seed: int


class RowKey(TypedDict):
    """What one row of the summary is about."""

    features: str
    strategy: str
    budget: int


class SummaryRow(RowKey):
    """Means over seeds, with standard deviations (ddof 1; NaN with one seed)."""

    seeds: int
    accuracy: float
    accuracy_sd: float
    balanced_accuracy: float
    balanced_accuracy_sd: float
    average_precision: float
    average_precision_sd: float
    precision_at_recall: float
    precision_at_recall_sd: float
    share_at_goal: float  # of seeds that reach `GOAL`


class PairedRow(RowKey):
    """`Pair` as plain figures: the mean difference with its interval, over n seeds."""

    metric: str
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference:
    """A paired difference over seeds, with its 95% t interval (NaN with fewer than two seeds)."""

    mean: float
    low: float
    high: float
    n: int  # seeds

    @property
    def verdict(self) -> str:
        """Return "above", "below" or "not distinguishable"."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "not distinguishable"


class Pair(RowKey):
    """Accuracy with random labels and with labels chosen by a strategy, seed by seed."""

    random: list[float]
    chosen: list[float]
    difference: Difference  # chosen - random


def matching(results: Sequence[Result], key: RowKey) -> list[Result]:
    """Return the lines of one row of the summary."""
    wanted = (key["features"], key["strategy"], key["budget"])
    return [r for r in results if (r["features"], r["strategy"], r["budget"]) == wanted]


def values(results: Sequence[Result], metric: Metric, key: RowKey) -> dict[int, float]:
    """Return a metric by seed, of one row of the summary."""
    return {r["seed"]: r[metric] for r in matching(results, key)}


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference:
    """Return ours - theirs over the seeds both have; the interval is NaN with fewer than two."""
    from scipy.stats import sem, t

    seeds = sorted(set(ours) & set(theirs))
    found = np.array([ours[seed] - theirs[seed] for seed in seeds])
    if len(found) < 2:
        return Difference(float(found.mean()) if len(found) else math.nan, math.nan, math.nan, len(found))
    mean, error = float(found.mean()), float(sem(found))
    low, high = t.interval(CONFIDENCE, len(found) - 1, mean, error) if error else (mean, mean)
    return Difference(mean, float(low), float(high), len(found))


def summarise(results: Sequence[Result]) -> list[SummaryRow]:
    """Return one row per features, strategy and budget, in the order of the results."""
    keys = dict.fromkeys((r["features"], r["strategy"], r["budget"]) for r in results)
    return [_summary_row(results, row_key(*key)) for key in keys]


def _summary_row(results: Sequence[Result], key: RowKey) -> SummaryRow:
    accuracy, accuracy_sd = _mean_and_sd(values(results, "accuracy", key))
    balanced, balanced_sd = _mean_and_sd(values(results, "balanced_accuracy", key))
    average, average_sd = _mean_and_sd(values(results, "average_precision", key))
    precise = values(results, "precision_at_recall", key)
    precision, precision_sd = _mean_and_sd(precise)
    return SummaryRow(
        **key,
        seeds=len(precise),
        accuracy=accuracy,
        accuracy_sd=accuracy_sd,
        balanced_accuracy=balanced,
        balanced_accuracy_sd=balanced_sd,
        average_precision=average,
        average_precision_sd=average_sd,
        precision_at_recall=precision,
        precision_at_recall_sd=precision_sd,
        share_at_goal=float(np.mean([p >= GOAL for p in precise.values()])),
    )


def _mean_and_sd(by_seed: Mapping[int, float]) -> tuple[float, float]:
    found = np.array(list(by_seed.values()))
    return float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else math.nan


def row_key(features: str, strategy: str, budget: int) -> RowKey:
    """Return the key of one row of the summary."""
    return {"features": features, "strategy": strategy, "budget": budget}


def pairs(results: Sequence[Result]) -> list[Pair]:
    """Compare accuracy with random and with chosen labels on each kind of features: diverse at 10 labels, uncertain at 100."""
    rows = []
    features = dict.fromkeys(r["features"] for r in results)
    for budget, strategy in ((FEW, SELECTED), (MANY, ACTIVE)):
        for name in features:
            key = row_key(name, strategy, budget)
            chosen = values(results, "accuracy", key)
            random = values(results, "accuracy", row_key(name, BASELINE, budget))
            if chosen and random:
                pair = Pair(
                    **key, random=list(random.values()), chosen=list(chosen.values()), difference=difference(chosen, random)
                )
                rows.append(pair)
    return rows


def paired_table(results: Sequence[Result]) -> list[PairedRow]:
    """Return `pairs` as plain figures."""
    found = []
    for pair in pairs(results):
        gap = pair["difference"]
        found.append(
            PairedRow(
                **row_key(pair["features"], pair["strategy"], pair["budget"]),
                metric="accuracy",
                mean=gap.mean,
                low=gap.low,
                high=gap.high,
                n=gap.n,
            )
        )
    return found


def conclude(results: Sequence[Result], features: str) -> str:
    """Say what the study shows on these features, and no more than its intervals allow."""
    sentences = []
    for row in (row for row in pairs(results) if row["features"] == features):
        gap, n = row["difference"], row["budget"]
        kind = f"{n} diverse labels" if row["strategy"] == SELECTED else f"{n} actively chosen labels"
        means = f"accuracy {np.mean(row['chosen']):.1%} against {np.mean(row['random']):.1%}"
        if math.isnan(gap.low):
            sentences.append(f"{kind} and {n} random ones: {means}; one seed is not enough for a conclusion.")
            continue
        span = f"{CONFIDENCE:.0%} interval {gap.low * 100:+.1f} to {gap.high * 100:+.1f} points, {gap.n} seeds"
        verb = {"above": "do better than", "below": "do worse than"}.get(gap.verdict)
        if verb:
            sentences.append(f"{kind} {verb} {n} random ones: {means} ({span}).")
        else:
            sentences.append(f"{kind} and {n} random ones are not distinguishable: {means} ({span}).")
    for strategy, words in ((ACTIVE, "actively chosen"), (BASELINE, "random")):
        found = values(results, "precision_at_recall", row_key(features, strategy, MANY))
        if found:
            reached = sum(p >= GOAL for p in found.values())
            sentences.append(
                f"With {MANY} {words} labels {reached} of {len(found)} seeds reach {GOAL:.0%} precision at 90% recall."
            )
    for other in dict.fromkeys(r["features"] for r in results):
        ours = values(results, "average_precision", row_key(features, ACTIVE, MANY))
        theirs = values(results, "average_precision", row_key(other, ACTIVE, MANY))
        if other != features and len(ours) > 1 and len(theirs) > 1:
            gap = difference(ours, theirs)
            span = f"{gap.low:+.3f} to {gap.high:+.3f}"
            words = gap.verdict + (" from" if gap.verdict == "not distinguishable" else "")
            other_title = FEATURE_TITLES.get(other, other)
            sentences.append(f"Average precision with {MANY} active labels is {words} that on {other_title} ({span}).")
    sentences.append("The intervals cover random splits of this data set only; they say nothing about other images.")
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
