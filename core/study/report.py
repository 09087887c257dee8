"""What a study says: means with their spread, paired differences with intervals, and one paragraph that claims no more."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.study.simulate import METRICS

GOAL = 0.8  # precision at 90% recall that the seed of this project reached with 100 labels
CONFIDENCE = 0.95
FEW, MANY = 10, 100  # the budgets of the two tables
SELECTED, ACTIVE, BASELINE = "diverse", "uncertain", "random"
FEATURE_TITLES = {
    "encoder": "the encoder's embeddings",
    "untrained": "the same network untrained",
    "pixels": "PCA of the pixels",
}

Result = Mapping[str, Any]  # one line of a study: features, seed, strategy, budget, metrics, curve


@dataclass(frozen=True)
class Difference:
    """A paired difference over seeds, with its t interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def verdict(self) -> str:
        """Return "above", "below" or "not distinguishable"."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "not distinguishable"


def values(results: Sequence[Result], metric: str, **where: Any) -> dict[int, float]:
    """Return a metric by seed of the lines that match."""
    return {r["seed"]: r[metric] for r in results if all(r[key] == value for key, value in where.items())}


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference:
    """Return ours - theirs over the seeds both have; with one seed the interval is undefined (NaN)."""
    from scipy.stats import sem, t

    seeds = sorted(set(ours) & set(theirs))
    found = np.array([ours[seed] - theirs[seed] for seed in seeds])
    if len(found) < 2:
        return Difference(float(found.mean()) if len(found) else math.nan, math.nan, math.nan, len(found))
    mean, error = float(found.mean()), float(sem(found))
    low, high = t.interval(CONFIDENCE, len(found) - 1, mean, error) if error else (mean, mean)
    return Difference(mean, float(low), float(high), len(found))


def summarise(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one row per features, strategy and budget: n seeds, mean and sd (ddof 1) of each metric, share at the goal."""
    keys = dict.fromkeys((r["features"], r["strategy"], r["budget"]) for r in results)
    rows = []
    for features, strategy, budget in keys:
        row: dict[str, Any] = {"features": features, "strategy": strategy, "budget": budget}
        for metric in METRICS:
            found = np.array(list(values(results, metric, **row_key(features, strategy, budget)).values()))
            row |= {"seeds": len(found), metric: float(found.mean())}
            row[f"{metric}_sd"] = float(found.std(ddof=1)) if len(found) > 1 else math.nan
        precise = values(results, "precision_at_recall", **row_key(features, strategy, budget))
        row["share_at_goal"] = float(np.mean([p >= GOAL for p in precise.values()]))
        rows.append(row)
    return rows


def row_key(features: str, strategy: str, budget: int) -> dict[str, Any]:
    """Return what names one row."""
    return {"features": features, "strategy": strategy, "budget": budget}


def pairs(results: Sequence[Result], *, metric: str = "accuracy") -> list[dict[str, Any]]:
    """Return the seed study's two tables: per features, random against chosen at 10 and at 100 labels."""
    rows = []
    features = dict.fromkeys(r["features"] for r in results)
    for budget, strategy in ((FEW, SELECTED), (MANY, ACTIVE)):
        for name in features:
            chosen = values(results, metric, **row_key(name, strategy, budget))
            random = values(results, metric, **row_key(name, BASELINE, budget))
            if chosen and random:
                rows.append(
                    {
                        "features": name,
                        "budget": budget,
                        "strategy": strategy,
                        "random": list(random.values()),
                        "chosen": list(chosen.values()),
                        "difference": difference(chosen, random),
                    }
                )
    return rows


def paired_table(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return `pairs` as plain figures: features, budget, strategy, metric, and mean, low, high and n of the difference."""
    return [
        {key: row[key] for key in ("features", "budget", "strategy")} | {"metric": "accuracy"} | asdict(row["difference"])
        for row in pairs(results)
    ]


def conclude(results: Sequence[Result], features: str) -> str:
    """Say in plain words what the study shows on these features, and no more than its intervals allow."""
    sentences = []
    for row in (row for row in pairs(results) if row["features"] == features):
        gap, n = row["difference"], row["budget"]
        kind = f"{n} diverse labels" if row["strategy"] == SELECTED else f"{n} actively chosen labels"
        means = f"accuracy {np.mean(row['chosen']):.1%} against {np.mean(row['random']):.1%}"
        if math.isnan(gap.low):
            sentences.append(f"{kind} and {n} random ones: {means}; one seed allows no conclusion.")
            continue
        span = f"{CONFIDENCE:.0%} interval {gap.low * 100:+.1f} to {gap.high * 100:+.1f} points, {gap.n} seeds"
        verb = {"above": "beat", "below": "do worse than"}.get(gap.verdict)
        if verb:
            sentences.append(f"{kind} {verb} {n} random ones: {means} ({span}).")
        else:
            sentences.append(f"{kind} and {n} random ones are not distinguishable: {means} ({span}).")
    for strategy, words in ((ACTIVE, "actively chosen"), (BASELINE, "random")):
        found = values(results, "precision_at_recall", **row_key(features, strategy, MANY))
        if found:
            reached = sum(p >= GOAL for p in found.values())
            sentences.append(
                f"With {MANY} {words} labels {reached} of {len(found)} seeds reach {GOAL:.0%} precision at 90% recall."
            )
    for other in dict.fromkeys(r["features"] for r in results):
        ours = values(results, "average_precision", **row_key(features, ACTIVE, MANY))
        theirs = values(results, "average_precision", **row_key(other, ACTIVE, MANY))
        if other != features and len(ours) > 1 and len(theirs) > 1:
            gap = difference(ours, theirs)
            span = f"{gap.low:+.3f} to {gap.high:+.3f}"
            words = gap.verdict + (" from" if gap.verdict == "not distinguishable" else "")
            other_title = FEATURE_TITLES.get(other, other)
            sentences.append(f"Average precision with {MANY} active labels is {words} that on {other_title} ({span}).")
    sentences.append("The intervals are over random splits of this one data set; they say nothing about other images.")
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
