"""Score columns beside the probe, alone and stacked with the embedding, judged on the same check labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.score_columns import ScoreColumn
from core.maths.paired import Difference, paired_difference
from core.maths.precision_recall import PRCurve, Range, average_precision_range, binomial_range, pr_curve, precision_at_recall
from core.missing import missing_for_check, missing_for_score
from core.probe.curves import MIN_FLAGGED, MIN_FLAGGED_AP, CurveKey, Figures, NamedCurve, points_of
from core.probe.stacked import is_stacked, stacked_name, stacked_scores
from core.score_columns.files import PROBE, header_of
from core.score_columns.keep import DIRECTIONS, flagged_scores, readable_columns, score_column
from core.wording import changed, counted, fraction, percents, ranged, target
from core.workspace import Workspace

CHANCE_LEVEL = 0.05  # p-value of the rank test below which a column is said to rank worse than chance


class Kind(StrEnum):
    """What gives the scores."""

    PROBE = "probe"
    COLUMN = "column"
    STACKED = "stacked"  # a probe on the embedding with the column as one more feature


@dataclass(frozen=True)
class Scorer:
    """A scorer judged on the check labels that live figures may use."""

    kind: Kind
    name: str
    n: int  # check labels it scores
    n_flagged: int
    curve: PRCurve | None = None  # None with fewer than 5 flagged labels
    average_precision: Range | None = None  # None with fewer than 20, like all below
    precision: Range | None = None  # the best at the recall asked for
    threshold: float | None = None  # with that precision; a column's in the direction higher = more likely flagged
    against: Difference | None = None  # how far it exceeds the probe, on the labels that both score
    n_shared: int = 0  # such labels
    missing: str = ""  # why there are no figures; "" if there are
    warning: str = ""  # a sentence about its direction, "" if nothing speaks against it

    @property
    def helps(self) -> bool:
        """Tell whether its average precision is above the probe's by more than chance explains."""
        return self.against is not None and self.against.average_precision.low > 0


def compare_scorers(workspace: Workspace, *, recall: float | None = None) -> list[Scorer]:
    """Judge the newest probe, every score column, and a stacked probe of each, on the same check labels.

    Only the labels for live curves and those of earlier check sets are used: the sealed ones are for the promise. A stacked
    probe learns from the teach half alone, so that these labels may choose between scorers and the sealed ones still judge.

    Args:
        recall: at which precision is compared; the check set's if None.
    Returns:
        the probe first, then each column by name with its stacked probe behind it.
    """
    goal = workspace.check_set.recall if recall is None else recall
    unread = missing_for_check(workspace, live=True)
    with workspace.lock:
        codes, rows, fitted = workspace.labels.codes, np.flatnonzero(workspace.watched()), workspace.fitted
    flagged = np.isin(codes[rows], workspace.flagged_codes)
    if fitted is None or fitted.probe.flagged_weights is None or len(fitted.score) != workspace.n_images:
        unfit = missing_for_score(workspace) or "The labels are newer than the probe, which is being refitted."
        return [Scorer(Kind.PROBE, PROBE, 0, 0, missing=unfit), *judge_columns(workspace, rows, flagged, None, recall=goal)]
    mine = fitted.score[rows].astype(np.float64)
    found = [_judged(Kind.PROBE, PROBE, mine, flagged, recall=goal, unread=unread)]
    for alone in judge_columns(workspace, rows, flagged, mine, recall=goal):
        found.append(alone)
        if is_stacked(alone.name):
            continue
        both = stacked_scores(workspace, flagged_scores(workspace, score_column(workspace, alone.name)), rows)
        stacked = _judged(Kind.STACKED, f"{stacked_name(alone.name)}, now", both, flagged, recall=goal, unread=unread)
        found.append(_paired(stacked, both, mine, flagged, goal))
    return found


def judge_columns(
    workspace: Workspace, rows: IntArray, flagged: BoolArray, probe: FloatArray | None, *, recall: float
) -> list[Scorer]:
    """Judge every score column on check labels.

    Args:
        rows: (n,) of the labels.
        flagged: (n,) bool.
        probe: (n,) its logits, NaN where it has none; None for no comparison.
        recall: at which precision is compared.
    Returns:
        one scorer per column, by name.
    """
    unread = missing_for_check(workspace, live=True)
    found = []
    for column, everything in readable_columns(workspace):
        scores = everything[rows]
        alone = _judged(Kind.COLUMN, column.name, scores, flagged, recall=recall, unread=unread)
        judged = _paired(alone, scores, probe, flagged, recall)
        found.append(replace(judged, warning=_direction(column, scores, flagged)))
    return found


def _judged(kind: Kind, name: str, scores: FloatArray, flagged: BoolArray, *, recall: float, unread: str) -> Scorer:
    """Judge one scorer on the labels it scores: (n,) scores, NaN where it has none."""
    known = ~np.isnan(scores)
    n, n_flagged = int(known.sum()), int(flagged[known].sum())
    found = Scorer(kind, name, n, n_flagged)
    if n_flagged < MIN_FLAGGED or n == n_flagged:
        need = f"at least {MIN_FLAGGED} flagged and 1 other"
        counts = f"{n_flagged:,} flagged and {counted(n - n_flagged, 'other check label')} with a score"
        return replace(found, missing=unread or f"Not defined yet: {counts}, {need} are needed.")
    curve = pr_curve(scores[known], flagged[known])
    if n_flagged < MIN_FLAGGED_AP:
        return replace(
            found, curve=curve, missing=f"Not defined below {MIN_FLAGGED_AP} flagged check labels; there are {n_flagged}."
        )
    threshold = precision_at_recall(curve, recall)[1]
    above = scores[known] >= threshold
    return replace(
        found,
        curve=curve,
        average_precision=average_precision_range(curve.average_precision, n_flagged),
        precision=binomial_range(int(flagged[known][above].sum()), int(above.sum())),
        threshold=threshold,
    )


def _paired(found: Scorer, scores: FloatArray, probe: FloatArray | None, flagged: BoolArray, recall: float) -> Scorer:
    """Add the difference to the probe on the labels that both score, where there are enough."""
    if probe is None:
        return found
    both = ~np.isnan(scores) & ~np.isnan(probe)
    if flagged[both].sum() < MIN_FLAGGED_AP or flagged[both].all():
        return found
    against = paired_difference(scores[both], probe[both], flagged[both], recall=recall)
    return replace(found, against=against, n_shared=int(both.sum()))


def _direction(column: ScoreColumn, scores: FloatArray, flagged: BoolArray) -> str:
    """Say that a column ranks flagged images below others, by its declaration; "" if it does not.

    Source: rank test of Mann and Whitney 1947, with its correction for ties.
    """
    from scipy.stats import mannwhitneyu

    known = ~np.isnan(scores)
    yes, no = scores[known & flagged], scores[known & ~flagged]
    if len(yes) < MIN_FLAGGED or not len(no):
        return ""
    test = mannwhitneyu(yes, no, alternative="less")
    area = float(test.statistic) / (len(yes) * len(no))
    if area >= 0.5:
        return ""
    luck = "" if test.pvalue < CHANCE_LEVEL else ", which may be luck with so few labels"
    other = header_of(column.name, higher_is_safer=not column.higher_is_safer)
    return (
        f"'{column.name}' ranks worse than chance: on {counted(int(known.sum()), 'check label')} the area under its ROC curve "
        f"is {fraction(area)}, below 0.5{luck}. It was declared '{DIRECTIONS[column.higher_is_safer]}'; if the opposite is "
        f"true, import it again as '{other}'."
    )


# -- words --


def describe_scorer(found: Scorer, *, recall: float) -> str:
    """State a scorer's figures, or why there are none, and what sets it apart from the probe."""
    if found.average_precision is None or found.precision is None:
        return f"{found.name}: {found.missing}"
    counts = f"{found.n_flagged:,} of {counted(found.n, 'check label')} flagged"
    words = (
        f"{found.name}: average precision {ranged(*found.average_precision)}, "
        f"precision {percents(*found.precision)} at {target(recall)} "
        f"recall ({counts})."
    )
    if found.against is None:
        return words
    average, precision = found.against.average_precision, found.against.precision
    return (
        f"{words} {_verdict(average)}: average precision {changed(*average)}, precision {changed(*precision)} on the "
        f"{counted(found.n_shared, 'label')} that both score."
    )


def column_curves(workspace: Workspace, judged: Sequence[int], probe: FloatArray | None) -> list[NamedCurve]:
    """Return the curve of every score column on the check labels for live curves, with what sets it apart from the probe.

    Args:
        judged: codes of the classes to find.
        probe: (N,) its logits of these classes; None for no comparison.
    """
    codes, rows = workspace.labels.codes, np.flatnonzero(workspace.watched())
    mine = None if probe is None else probe[rows].astype(np.float64)
    recall = workspace.check_set.recall
    found = judge_columns(workspace, rows, np.isin(codes[rows], judged), mine, recall=recall)
    return [
        NamedCurve(
            CurveKey.COLUMN,
            f"'{scorer.name}' on the check half",
            scorer.curve,
            f"'{scorer.name}' on the check half: {scorer.missing}" if scorer.curve is None else "",
            show_average_precision=scorer.average_precision is not None,
            note=scorer.warning or _beside_probe(scorer),
            figures=_figures(scorer, recall),
            points=None if scorer.curve is None else points_of(scorer.curve, limits=True),
        )
        for scorer in found
    ]


def _figures(found: Scorer, recall: float) -> Figures | None:
    if found.average_precision is None or found.precision is None:
        return None
    return Figures(found.average_precision, found.precision, recall)


def _beside_probe(found: Scorer) -> str:
    if found.against is None:
        return ""
    average = found.against.average_precision
    return f"{_verdict(average).lower()}: average precision {changed(*average)}"


def _verdict(difference: Range) -> str:
    if difference.low > 0:
        return "Better than the probe"
    return "Worse than the probe" if difference.high < 0 else "No difference to the probe is shown"
