"""Named precision-recall curves with their figures, or why one is missing."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch

from core.arrays import BoolArray, FloatArray
from core.devices import to_device, with_threads
from core.maths.precision_recall import (
    PRCurve,
    Range,
    average_precision_range,
    binomial_range,
    pr_curve,
    pr_curve_of_many,
    precision_at_recall,
    precision_limits,
)
from core.wording import counted, fraction, ranged

MIN_FLAGGED = 5  # with fewer flagged labels, no curve is drawn
MIN_FLAGGED_AP = 20  # with fewer flagged labels, no average precision is given


class CurveKey(StrEnum):
    """Which labels a curve is drawn from."""

    TRAINING = "training"  # those the model learned from: too optimistic
    CHECK = "check"
    GOLD = "gold"
    COLUMN = "column"  # those of the check half, ranked by a score column
    RANDOM = "random"  # those of CHECK or GOLD, ranked by probes of random labels


@dataclass(frozen=True)
class Points:
    """What is drawn of a curve and written to files: K points in the order of rising recall; unknown values are NaN."""

    threshold: FloatArray  # (K,) logits
    recall: FloatArray  # (K,) in [0, 1]
    precision: FloatArray  # (K,) in [0, 1]
    reviewed: FloatArray  # (K,) judged images at or above the threshold
    caught: FloatArray  # (K,) flagged ones among them
    low: FloatArray  # (K,) 95% limits of precision
    high: FloatArray


@dataclass(frozen=True)
class Figures:
    """The figures of a curve with their 95% ranges."""

    average_precision: Range
    precision: Range  # the best with at least the recall
    recall: float


@dataclass(frozen=True)
class NamedCurve:
    """One curve, or why there is none."""

    key: CurveKey
    title: str
    curve: PRCurve | None
    missing: str  # why there is no curve; "" if there is one
    show_average_precision: bool
    note: str = ""  # a remark about the curve
    figures: Figures | None = None  # None for labels that the model learned from, and for too few
    points: Points | None = None  # None exactly where there is no curve
    n_labels: int = 0  # that the model learned from
    ask: str = ""  # what to read in Check to have more of this curve; "" for nothing


def named_curve(
    key: CurveKey,
    title: str,
    scores: FloatArray | torch.Tensor,
    flagged: BoolArray,
    *,
    min_flagged: int = 1,
    min_flagged_ap: int = 1,
    recall: float | None = None,
) -> NamedCurve:
    """Compute a curve from n scored labels, or say how many labels it needs.

    Args:
        key, title: of the curve.
        scores: (n,) logits; many of them as float32 where they are.
        flagged: (n,) bool.
        min_flagged: fewer flagged labels than this give no curve.
        min_flagged_ap: fewer give no average precision.
        recall: at which precision is given; None for labels that the model learned from, which give no range.
    """
    n_flagged, n_other = int(flagged.sum()), int((~flagged).sum())
    if n_flagged < min_flagged or not n_other:
        need = f"at least {min_flagged} flagged and 1 other"
        missing = f"{title}: not defined yet, {n_flagged:,} flagged and {counted(n_other, 'other label')}; it needs {need}."
        return NamedCurve(key, title, None, missing, show_average_precision=False)
    if isinstance(scores, torch.Tensor):
        marks = to_device(flagged, scores.device)
        curve = with_threads(1, lambda: pr_curve_of_many(scores, marks))
    else:
        curve = pr_curve(scores, flagged)
    defined = n_flagged >= min_flagged_ap
    figures = figures_of(curve, recall) if defined and recall is not None else None
    return NamedCurve(key, title, curve, "", defined, figures=figures, points=points_of(curve, limits=recall is not None))


def figures_of(curve: PRCurve, recall: float) -> Figures:
    """Return average precision and the best precision at a recall, with ranges that are wider than nothing.

    Source: logit interval of average precision (Boyd, Eng & Page 2013), half an image in place of no error; Clopper-Pearson.
    """
    average = average_precision_range(curve.average_precision, curve.n_flagged)
    return Figures(average, precision_range(curve, recall), recall)


def precision_range(curve: PRCurve, recall: float) -> Range:
    """Return the best precision with at least a recall, of a curve of equally weighted images, with Clopper-Pearson's range."""
    precision, threshold = precision_at_recall(curve, recall)
    reviewed = int(curve.reviewed[curve.thresholds == threshold][0])
    return binomial_range(round(precision * reviewed), reviewed)


def points_of(curve: PRCurve, *, limits: bool) -> Points:
    """Return what is drawn of a curve of equally weighted images, with the limits of each point by itself or without."""
    keep = curve.kept()
    reviewed = curve.reviewed[keep]
    caught = (curve.precision[keep] * reviewed).round()
    unknown = np.full(len(keep), np.nan)
    low, high = precision_limits(caught, reviewed) if limits else (unknown, unknown)
    return Points(curve.thresholds[keep], curve.recall[keep], curve.precision[keep], reviewed, caught, low, high)


def describe_curve(named: NamedCurve) -> str:
    """Describe a curve in words; an undefined figure is called undefined."""
    if named.curve is None:
        return named.missing
    figure = f"average precision not defined below {MIN_FLAGGED_AP} flagged"
    if named.figures is not None:
        figure = f"average precision {ranged(*named.figures.average_precision)}"
    elif named.show_average_precision:
        figure = f"average precision {fraction(named.curve.average_precision)}"
    note = f"; {named.note}" if named.note else ""
    return f"{named.title}: {figure}, {named.curve.n_flagged:,}/{named.curve.n:,} flagged{note}"
