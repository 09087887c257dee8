"""The curve that random labels would give, beside that of the probe whose labels were chosen. Each verb takes the workspace.

Where answers are known: probes of as many random labels of the teach half, averaged over draws, on the images that the exact
curve is judged on. Where they are not: a probe cross-fitted on the check labels that may be watched, which are random ones.
Sealed images have no part in either.

One fit after the other is worth waiting for; all of them are not. So the work is a generator: it can be put off between fits.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.embeddings.embedded import Embedded
from core.maths.logistic import fit_logistic
from core.maths.paired import paired_difference
from core.maths.precision_recall import (
    PRCurve,
    Range,
    average_precision_range,
    pr_curve,
    precision_at_recalls,
    precision_limits,
)
from core.probe.curves import MIN_FLAGGED_AP, CurveKey, Figures, NamedCurve, Points, precision_range
from core.wording import changed, counted
from core.workspace import Workspace

MOST_DRAWS, LEAST_DRAWS = 20, 5
LABELS_OF_ALL_DRAWS = 10_000  # with more labels each, there are fewer draws: they differ less, and cost more
MOST_LABELS = 2_000  # of one fit: a label given meanwhile waits for it, up to a second
MOST_JUDGED = 20_000  # images; more would not be visible
GRID = np.linspace(0.01, 1, 100)  # recalls at which draws are averaged
SPREAD = (0.05, 0.95)  # quantiles over draws that are drawn as a band
FOLDS, REPEATS = 5, 4
LEAST_OF_A_SIDE = 10  # check labels, flagged and others: with fewer a fold learns from next to nothing

Work = Generator[None, None, NamedCurve | None]  # yields after each fit, returns the curve
Fit = Callable[[FloatArray, BoolArray], tuple[FloatArray, float]]  # as `fit_logistic`


def random_work(workspace: Workspace, gold_column: str | None) -> Work:
    """Begin the random curve beside the newest probe's: by known answers, or by check labels; it ends in None without a score.

    Args:
        gold_column: of the known answers; None to use check labels.
    """
    with workspace.lock:
        fitted, embedded = workspace.fitted, workspace.current
    if fitted is None or fitted.probe.flagged_weights is None or embedded.matrix is None:
        return None
    if len(fitted.score) != workspace.n_images:  # it is being refitted
        return None
    if gold_column is None:
        return (yield from _cross_fitted(workspace, embedded, fitted.score, fitted.probe.n_labels))
    return (yield from _drawn(workspace, embedded, fitted.score, fitted.probe.n_labels, gold_column))


# -- known answers --


def exact_rows(workspace: Workspace, gold: IntArray) -> IntArray:
    """Return the images on which exact curves are judged: check images with a known answer that are not sealed.

    No probe has learned from the check half, and none of its images is in a draw. Sealed ones are left out: who stops labelling
    when a curve over them looks best has chosen the model by the images that the promise is made on.

    Args:
        gold: (N,) class codes, UNLABELLED where unknown.
    Returns:
        (n,) int64, at most `MOST_JUDGED`: the first in the permanent random order.
    """
    rows = np.flatnonzero(workspace.is_check & ~workspace.sealed & (gold != UNLABELLED))
    return rows[np.argsort(workspace.check_order[rows], kind="stable")][:MOST_JUDGED]


def _drawn(workspace: Workspace, embedded: Embedded, active: FloatArray, n_labels: int, column: str) -> Work:
    gold, matrix, flagged_codes = workspace.gold(column), embedded.need_matrix(), workspace.flagged_codes
    judged = exact_rows(workspace, gold)
    judged = judged[judged < matrix.rows]
    pool = np.flatnonzero(~workspace.is_check & (gold != UNLABELLED))
    pool = pool[pool < matrix.rows]
    truth = np.isin(gold[judged], flagged_codes)
    n = min(n_labels, len(pool), MOST_LABELS)
    title = "Random labels, exact"
    if not truth.any() or truth.all() or not n:
        return NamedCurve(CurveKey.RANDOM, title, None, f"{title}: too few known answers.", show_average_precision=False)
    yield
    x, curves = _standardised(embedded, judged), []
    for draw in range(n_draws(n)):
        # A draw of one label more has the same others: the average moves smoothly while labels are given.
        rows = np.random.default_rng([draw, 0]).permutation(pool)[:n]
        score = _scores(_standardised(embedded, rows), np.isin(gold[rows], flagged_codes), x)
        curves.append(pr_curve(score, truth))
        yield
    own = pr_curve(active[judged].astype(np.float64), truth).average_precision
    ahead = sum(own > curve.average_precision for curve in curves)
    note = f"with {counted(n_labels, 'label')}, yours are ahead of {ahead} of {len(curves)} draws"
    return averaged(title, curves, recall=workspace.check_set.recall, n_labels=n, note=note)


def n_draws(n_labels: int) -> int:
    """Return how many draws of so many labels are averaged."""
    return max(LEAST_DRAWS, min(MOST_DRAWS, LABELS_OF_ALL_DRAWS // n_labels))


def averaged(title: str, curves: Sequence[PRCurve], *, recall: float, n_labels: int, note: str = "") -> NamedCurve:
    """Average the curves of draws that are judged on the same images.

    Args:
        curves: of each draw.
        recall: at which precision is given.
        n_labels: of each draw.
    Returns:
        the mean precision at each recall of `GRID`. The ranges of curve and figures are those of the draws at the ends of
        `SPREAD`, each widened by its own: luck of the draw, and luck of the judged images.
    """
    precisions = np.array([precision_at_recalls(curve, GRID) for curve in curves])
    least, most = np.quantile(precisions, SPREAD, axis=0)
    low, high = _limits_at(least, curves[0].n_flagged)[0], _limits_at(most, curves[0].n_flagged)[1]
    mean, unknown = precisions.mean(axis=0), np.full(len(GRID), np.nan)
    average = sorted(curve.average_precision for curve in curves)
    first, n = curves[0], len(curves)
    ends = [round(share * (n - 1)) for share in SPREAD]
    best = sorted(precision_range(curve, recall) for curve in curves)
    figures = Figures(
        Range(
            float(np.mean(average)),
            average_precision_range(average[ends[0]], first.n_flagged).low,
            average_precision_range(average[ends[1]], first.n_flagged).high,
        ),
        Range(float(np.mean([found.value for found in best])), best[ends[0]].low, best[ends[1]].high),
        recall,
    )
    curve = PRCurve(unknown, mean, GRID, unknown, figures.average_precision.value, first.n_flagged, first.n)
    points = Points(unknown, GRID, mean, unknown, unknown, low, high)
    return NamedCurve(
        CurveKey.RANDOM,
        f"{title}: mean of {n} draws",
        curve,
        "",
        show_average_precision=True,
        note=note,
        figures=figures,
        points=points,
        n_labels=n_labels,
    )


def _counts_at(precision: FloatArray, n_flagged: int) -> tuple[FloatArray, FloatArray]:
    """Return how many images are caught and reviewed where (100,) precisions are reached, at the recalls of `GRID`."""
    caught = np.ceil(GRID * n_flagged - 1e-9)
    return caught, np.maximum(np.round(caught / np.maximum(precision, 1e-12)), caught)


def _limits_at(precision: FloatArray, n_flagged: int) -> tuple[FloatArray, FloatArray]:
    """Return the Clopper-Pearson limits of (100,) precisions at the recalls of `GRID`, by the counts they stand for."""
    low, high = precision_limits(*_counts_at(precision, n_flagged))
    return np.minimum(low, precision), np.maximum(high, precision)


# -- check labels --


def watched_at_random(workspace: Workspace) -> BoolArray:
    """Return which check labels may be watched and are a random sample of the check half, (N,) bool.

    Images of earlier check sets may be watched; where focus images were drawn among them, they are no random sample.
    """
    found = workspace.watched()
    return found & workspace.live_part if workspace.catalog.evidence.focus_draws() else found


def _cross_fitted(workspace: Workspace, embedded: Embedded, active: FloatArray, n_labels: int) -> Work:
    codes, title = workspace.labels.codes, "Random labels, cross-fitted"
    rows = np.flatnonzero(watched_at_random(workspace)[: embedded.need_matrix().rows])
    rows = rows[~np.isnan(active[rows])]
    flagged = np.isin(codes[rows], workspace.flagged_codes)
    short = min(int(flagged.sum()), int((~flagged).sum()))
    if short < LEAST_OF_A_SIDE:
        missing = f"{title}: at least {LEAST_OF_A_SIDE} flagged and {LEAST_OF_A_SIDE} other check labels are needed."
        return NamedCurve(CurveKey.RANDOM, title, None, missing, show_average_precision=False)
    yield
    keep = np.sort(np.argsort(workspace.check_order[rows], kind="stable")[:MOST_JUDGED])  # a random sample of a random sample
    rows, flagged = rows[keep], flagged[keep]
    x, groups = _standardised(embedded, rows), workspace.groups[rows]
    scores, n = np.empty((REPEATS, len(rows))), n_labels
    for repeat in range(REPEATS):
        rng = np.random.default_rng([repeat, 1])
        for fold in folds(groups, flagged, rng):
            learned = np.flatnonzero(~fold)
            taken = rng.permutation(learned)[: min(n_labels, MOST_LABELS)]
            n = min(n, len(taken))
            scores[repeat, fold] = _scores(x[taken], flagged[taken], x[fold])
            yield
    return crossed(title, scores, active[rows].astype(np.float64), flagged, recall=workspace.check_set.recall, n_labels=n)


def folds(groups: IntArray, flagged: BoolArray, rng: np.random.Generator) -> list[BoolArray]:
    """Divide n labels into folds with about the same share of flagged ones; near-duplicates stay together.

    Args:
        groups: (n,) near-duplicate group of each.
        flagged: (n,) bool.
    Returns:
        `FOLDS` masks, (n,) bool each; every label is in exactly one.
    """
    names, first, of_label = np.unique(groups, return_index=True, return_inverse=True)
    order: IntArray = rng.permutation(len(names))
    shuffled = order[np.argsort(flagged[first][order], kind="stable")]
    fold = np.empty(len(names), np.int64)
    fold[shuffled] = np.arange(len(names)) % FOLDS
    return [fold[of_label] == place for place in range(FOLDS)]


def crossed(
    title: str, scores: FloatArray, active: FloatArray, flagged: BoolArray, *, recall: float, n_labels: int
) -> NamedCurve:
    """Average the cross-fitted curves of several divisions into folds, and hold the first against the active probe.

    Args:
        scores: (R, n) logits of the n check labels by probes that have not learned from them, one row a division.
        active: (n,) logits by the active probe.
        flagged: (n,) bool.
        recall: at which precision is given.
        n_labels: that each of the probes learned from.
    Returns:
        the mean precision at each recall of `GRID`; its limits are Clopper-Pearson's for the counts at that point.
    """
    curves = [pr_curve(row, flagged) for row in scores]
    precision = np.mean([precision_at_recalls(curve, GRID) for curve in curves], axis=0)
    caught, reviewed = _counts_at(precision, int(flagged.sum()))
    low, high = _limits_at(precision, int(flagged.sum()))
    unknown, average = np.full(len(GRID), np.nan), float(np.mean([curve.average_precision for curve in curves]))
    best = sorted((precision_range(curve, recall) for curve in curves), key=lambda found: found.value)[len(curves) // 2]
    defined = int(flagged.sum()) >= MIN_FLAGGED_AP
    figures = Figures(average_precision_range(average, flagged.sum()), best, recall) if defined else None
    curve = PRCurve(unknown, precision, GRID, reviewed, average, int(flagged.sum()), len(flagged))
    note = _against(active, scores[0], flagged, recall) if defined else ""
    points = Points(unknown, GRID, precision, reviewed, caught, low, high)
    return NamedCurve(CurveKey.RANDOM, title, curve, "", defined, note, figures, points, n_labels)


def _against(active: FloatArray, other: FloatArray, flagged: BoolArray, recall: float) -> str:
    gain = paired_difference(active, other, flagged, recall=recall).average_precision
    verdict = "yours are better" if gain.low > 0 else "yours are worse" if gain.high < 0 else "no difference is shown yet"
    return f"{verdict}: average precision {changed(*gain)}"


# -- both --


def _standardised(embedded: Embedded, rows: IntArray) -> FloatArray:
    """Return the standardised embeddings of rows, (n, D) float32, in the machine's memory."""
    found, by = embedded.need_matrix().take(rows), embedded.standardisation
    return np.asarray((found - by.mean.astype(np.float32)) / by.scale.astype(np.float32))


def _scores(x: FloatArray, flagged: BoolArray, judged: FloatArray, *, fit: Fit = fit_logistic) -> FloatArray:
    """Score (n, D) judged images by a probe of labels; all alike where the labels are of one side, which order nothing."""
    if flagged.all() or not flagged.any():
        return np.zeros(len(judged))
    from core.devices import with_threads

    weights, bias = with_threads(1, lambda: fit(x.astype(np.float64), flagged))
    return np.asarray(judged @ weights + bias)
