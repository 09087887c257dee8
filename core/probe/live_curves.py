"""The live probe's precision-recall curves and its learning curve. Each verb takes the workspace."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from core.arrays import BoolArray, FloatArray
from core.catalog.class_names import hint
from core.catalog.label_book import UNLABELLED
from core.devices import to_device
from core.embeddings.scores import Fitted, score_images
from core.errors import DamageError
from core.labels.gold import gold_values, gold_values_without_class
from core.labels.policies import codes_of, policy_named
from core.maths.logistic import flagged_column
from core.maths.precision_recall import MOST_POINTS
from core.missing import missing_for_check, missing_for_score
from core.probe.curves import MIN_FLAGGED, MIN_FLAGGED_AP, CurveKey, NamedCurve, named_curve
from core.probe.learning_curve import LearningCurve, learning_curve, thinned
from core.probe.random_curves import LEAST_OF_A_SIDE, exact_rows, watched_at_random
from core.probe.scorers import column_curves
from core.wording import counted, verb
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.probe")
CURVE_TITLES = {
    CurveKey.TRAINING: "Training labels (optimistic)",
    CurveKey.CHECK: "Check half, not learned from",
    CurveKey.GOLD: "Exact, gold labels",
}


def curves(workspace: Workspace, *, gold_column: str | None = None, policy: str = "", paired: bool = True) -> list[NamedCurve]:
    """Compute the precision-recall curves of the newest probe: training labels, check half, score columns, gold if named.

    Args:
        policy: a declared one; "" for all flagged classes together.
        paired: compare score columns with the probe, which takes .3 s a column with 2,000 labels.
    Raises:
        InputError: if there is no such policy.
    """
    codes = workspace.labels.codes
    judged = codes_of(workspace, policy_named(workspace, policy)) if policy else workspace.flagged_codes
    fitted = _fitted_for(workspace, policy) if policy else workspace.fitted
    if fitted is None or fitted.probe.flagged_weights is None:
        newer = "No curve yet: the labels are newer than the probe, which is being refitted."
        missing = missing_for_score(workspace, judged) or newer
        none = [NamedCurve(key, title, None, missing, show_average_precision=False) for key, title in CURVE_TITLES.items()]
        return [*none, *column_curves(workspace, judged, None)]
    scored = ~np.isnan(fitted.score)
    evidence = watched_at_random(workspace) & scored
    training = (codes != UNLABELLED) & ~workspace.is_check & scored
    curves = [
        _curve(CurveKey.TRAINING, np.isin(codes, judged), training, fitted),
        _curve(
            CurveKey.CHECK,
            np.isin(codes, judged),
            evidence,
            fitted,
            min_flagged=MIN_FLAGGED,
            min_flagged_ap=MIN_FLAGGED_AP,
            recall=workspace.check_set.recall,
        ),
    ]
    if not evidence.any():
        curves[1] = replace(curves[1], missing=_missing_for_check_curve(workspace))
    curves[1] = replace(curves[1], ask=what_to_read(workspace, np.isin(codes[evidence], judged), likely_share(fitted)))
    curves += column_curves(workspace, judged, fitted.score if paired else None)
    if gold_column:
        curves.append(_gold_curve(workspace, gold_column, scored, fitted, judged))
    return curves


def gold_curve(workspace: Workspace, column: str) -> list[NamedCurve]:
    """Return the exact curve of the newest probe by a gold column; nothing while there is no score."""
    fitted = workspace.fitted
    if fitted is None or fitted.probe.flagged_weights is None:
        return []
    return [_gold_curve(workspace, column, ~np.isnan(fitted.score), fitted, workspace.flagged_codes)]


def _fitted_for(workspace: Workspace, policy: str) -> Fitted | None:
    """Return the newest probe with its scores of all images for a policy; None if it has none."""
    fitted, embedded = workspace.fitted, workspace.current
    probe = None if fitted is None else fitted.probe.for_policy(policy)
    if fitted is None or probe is None:
        return None
    scored = embedded.compute(lambda mine: score_images(probe, mine.on_device, n_images=workspace.n_images))
    return Fitted.of(fitted.version, fitted.labels_version, probe, scored)


def _gold_curve(workspace: Workspace, column: str, scored: BoolArray, fitted: Fitted, judged: Sequence[int]) -> NamedCurve:
    gold, title = workspace.gold(column), CURVE_TITLES[CurveKey.GOLD]
    values, no_class = gold_values(workspace, column), gold_values_without_class(workspace, column)
    near = hint(no_class, workspace.class_names)
    if values and len(no_class) == len(values):
        missing = (
            f"{title}: no value of '{column}' is a class: {_listed(values)}{near}; the classes are "
            f"{', '.join(workspace.class_names)}. Use class names as values, or change the classes with 'lassoscope classes'."
        )
        return NamedCurve(CurveKey.GOLD, title, None, missing, show_average_precision=False)
    chosen = np.zeros(workspace.n_images, bool)
    chosen[exact_rows(workspace, gold)] = True
    curve = _curve(CurveKey.GOLD, np.isin(gold, judged), chosen & scored, fitted, recall=workspace.check_set.recall)
    if not no_class:
        return curve
    n = counted(sum(no_class.values()), "image")
    return replace(curve, note=f"without {n} whose '{column}' is not a class: {_listed(list(no_class))}{near}")


def _missing_for_check_curve(workspace: Workspace) -> str:
    if missing := missing_for_check(workspace, live=True):
        return f"{CURVE_TITLES[CurveKey.CHECK]}: {missing[0].lower()}{missing[1:]}"
    n_sealed = int((workspace.evidence() & workspace.sealed).sum())
    sealed = f" ({n_sealed:,} are read and sealed for the promise, see Operating point)" if n_sealed else ""
    return f"{CURVE_TITLES[CurveKey.CHECK]}: read some images in Check for 'live curves'{sealed}."


def learning(workspace: Workspace) -> LearningCurve | None:
    """Judge this encoder's past probes on today's check labels; None while those do not define average precision."""
    embedded, codes = workspace.current, workspace.labels.codes
    if embedded.matrix is None or embedded.encoder is None:
        return None
    rows = np.flatnonzero(workspace.watched()[: embedded.matrix.rows])
    flagged = np.isin(codes[rows], workspace.flagged_codes)
    if flagged.sum() < MIN_FLAGGED_AP or flagged.all():
        return None
    records = workspace.catalog.models.probe_records(embedded.encoder)
    whole = [(version, record) for version, record in records if record is not None]
    newest = {  # a probe with other flagged classes cannot be judged on these
        record["n_labels"]: version
        for version, record in whole
        if "n_labels" in record
        and set(workspace.named_today(record.get("flagged", workspace.flagged_names))) == set(workspace.flagged_names)
    }
    counts = sorted(newest)
    x = embedded.matrix.take(rows)
    rounds, scores, n_lost = [], [], len(records) - len(whole)
    for place in thinned(counts):
        try:
            column = flagged_column(workspace.catalog.models.probe_weights(newest[counts[place]]))
        except DamageError:  # the other probes still show the curve
            n_lost += 1
            continue
        if column is not None:
            rounds.append(counts[place])
            scores.append(x @ column[0] + column[1])
    if n_lost:
        lost = f"{counted(n_lost, 'saved probe')} cannot be read and {verb(n_lost)} not in the learning curve"
        LOG.warning("%s; run 'lassoscope doctor'", lost)
    return learning_curve(rounds, np.array(scores), flagged) if rounds else None


def _curve(
    key: CurveKey,
    is_flagged: BoolArray,
    chosen: BoolArray,
    fitted: Fitted,
    *,
    recall: float | None = None,
    min_flagged: int = 1,
    min_flagged_ap: int = 1,
) -> NamedCurve:
    flagged, title = is_flagged[chosen], CURVE_TITLES[key]

    def named(scores: FloatArray | torch.Tensor) -> NamedCurve:
        found = named_curve(key, title, scores, flagged, min_flagged=min_flagged, min_flagged_ap=min_flagged_ap, recall=recall)
        return replace(found, n_labels=fitted.probe.n_labels)

    if len(flagged) <= MOST_POINTS:
        return named(fitted.score[chosen])
    try:
        score = fitted.on_device.score
        return named(score[to_device(chosen, score.device)])
    except torch.OutOfMemoryError:
        return named(torch.from_numpy(fitted.score[chosen]))


def likely_share(fitted: Fitted) -> float:
    """Return the share of images that the probe takes for flagged."""
    return fitted.on_device.likely_flagged / max(len(fitted.score), 1)


def what_to_read(workspace: Workspace, flagged: BoolArray, likely: float) -> str:
    """Say what to read in Check for more of the curves; "" if they have all there is, or nothing is left to read.

    Args:
        flagged: (n,) bool, of the check labels there are.
        likely: the share of images that are probably flagged, known or guessed.
    """
    left = int((workspace.live_part & ~workspace.evidence()).sum())
    found, n = int(flagged.sum()), len(flagged)
    wanted = (
        (MIN_FLAGGED, 1, "a first curve"),
        (LEAST_OF_A_SIDE, LEAST_OF_A_SIDE, "the curve of random labels beside it"),
        (MIN_FLAGGED_AP, 1, "average precision with its range"),
    )
    for n_flagged, n_others, words in wanted:
        more = reads_expected(n, found, likely, flagged=n_flagged, others=n_others)
        if more and left:
            return (
                f"Read the last {left:,} in Check for {words}" if more >= left else f"Read {more:,} more in Check for {words}"
            )
    return ""


def reads_expected(n: int, n_flagged: int, likely: float, *, flagged: int, others: int) -> int:
    """Return how many more random images probably hold what is missing.

    Args:
        n, n_flagged: the labels there are, and the flagged ones among them.
        likely: the share of flagged images by the probe; worth two labels beside those that were read.
        flagged, others: wanted of each side.
    """
    share = min(max((n_flagged + 2 * likely) / (n + 2), 0.01), 0.99)
    lacks = max(flagged - n_flagged, 0), max(others - (n - n_flagged), 0)
    return max(math.ceil(lacks[0] / share), math.ceil(lacks[1] / (1 - share)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name[:60]}'" for name in names[:5]) + (", …" if len(names) > 5 else "")
