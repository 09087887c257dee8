"""Named precision-recall curves, or why one is missing."""

from dataclasses import dataclass
from enum import StrEnum

import torch

from core.arrays import BoolArray, FloatArray
from core.devices import to_device, with_threads
from core.maths.precision_recall import PRCurve, pr_curve, pr_curve_of_many
from core.wording import counted

MIN_FLAGGED = 5  # with fewer flagged labels, no curve is drawn
MIN_FLAGGED_AP = 20  # with fewer flagged labels, no average precision is given


class CurveKey(StrEnum):
    """Which labels a curve is drawn from."""

    TRAINING = "training"  # those the model learned from: too optimistic
    CHECK = "check"
    GOLD = "gold"
    COLUMN = "column"  # those of the check half, ranked by a score column


@dataclass(frozen=True)
class NamedCurve:
    """One curve, or why there is none."""

    key: CurveKey
    title: str
    curve: PRCurve | None
    missing: str  # why there is no curve; "" if there is one
    show_average_precision: bool
    note: str = ""  # a remark about the curve


def named_curve(
    key: CurveKey,
    title: str,
    scores: FloatArray | torch.Tensor,
    flagged: BoolArray,
    *,
    min_flagged: int = 1,
    min_flagged_ap: int = 1,
) -> NamedCurve:
    """Compute a curve from n scored labels, or say how many labels it needs.

    Args:
        key, title: of the curve.
        scores: (n,) logits; many of them as float32 where they are.
        flagged: (n,) bool.
        min_flagged: fewer flagged labels than this give no curve.
        min_flagged_ap: fewer give no average precision.
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
    return NamedCurve(key, title, curve, "", n_flagged >= min_flagged_ap)


def describe_curve(named: NamedCurve) -> str:
    """Describe a curve in words; an undefined figure is called undefined."""
    if named.curve is None:
        return named.missing
    figure = f"AP not defined below {MIN_FLAGGED_AP} flagged"
    if named.show_average_precision:
        figure = f"AP {named.curve.average_precision:.3f}"
    note = f"; {named.note}" if named.note else ""
    return f"{named.title}: {figure} ({named.curve.n_flagged:,}/{named.curve.n:,} flagged){note}"
