"""The operating point in sentences. A lower limit is rounded down and an upper one up, so that what is said stays true."""

import math
from collections.abc import Sequence

import numpy as np

from core.checking import CheckStatus, Reveal
from core.metrics import PRCurve
from core.operating import MORE_LABELS, PointFigures, Range, Sample, binomial_range, what_more_buys
from core.promise import (
    ALPHA,
    MoreLabels,
    best_recall,
    flagged_needed,
    labels_needed,
    look_alpha,
    misses_allowed,
    misses_to_plan,
    upper_limit,
)

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
MOST_DECIMALS = 6
TIED = 0.01  # of all images with one score: from here on it is said


def kind(names: Sequence[str]) -> str:
    """Name what is to be caught."""
    return " or ".join(names)


def ordinal(k: int) -> str:
    """Say the k-th."""
    if k <= len(ORDINALS):
        return ORDINALS[k - 1]
    return f"{k}{'th' if 10 < k % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(k % 10, 'th')}"


def percent(share: float, *, down: bool = False, up: bool = False) -> str:
    """Say a share with two or three digits, rounded to the nearest, down or up."""
    x = 100 * share
    decimals = 0 if x >= 9.95 and (x <= 99 or x == 100) else 1 if x >= 0.995 else 2 if x >= 0.0995 else 3
    scale = 10**decimals
    rounded = math.floor(x * scale + 1e-9) if down else math.ceil(x * scale - 1e-9) if up else round(x * scale)
    if rounded >= 100 * scale:
        return "100%"
    return f"{rounded / scale:.{decimals}f}%"


def between(found: Range) -> str:
    """Say a range of shares."""
    return f"{percent(found.low, down=True)} to {percent(found.high, up=True)}"


def say_threshold(threshold: float, sample: Sample) -> str:
    """Write a threshold with as few decimals, rounded down, as still flag exactly the same images of the frame."""
    wanted = sample.counted_above(threshold)
    for decimals in range(2, MOST_DECIMALS + 1):
        shown = math.floor(threshold * 10**decimals) / 10**decimals
        if sample.counted_above(shown) == wanted:
            return f"{shown:.{decimals}f}"
    return repr(threshold)


# -- before an opening: nothing here tells of scores --


def closed(status: CheckStatus, names: Sequence[str]) -> list[str]:
    """Say what is known while the panel is closed, and what opening it costs."""
    terms, what = status.check_set, kind(names)
    if not status.n:
        return [
            "These numbers come from images the model has never learned from. "
            f"Label {terms.size:,} random ones in Check, for the promise, to start."
        ]
    words = [_found(status, what), _possible(status, what)]
    if not status.missing:
        words.append(cost_of_opening(status))
    return [sentence for sentence in words if sentence]


def _found(status: CheckStatus, what: str) -> str:
    n, x = status.n, status.n_flagged
    if not x:
        most = percent(upper_limit(0, n, ALPHA), up=True)
        return f"You checked {n:,} random images and found no {what} ones. At most {most} of the pool is {what} (95% sure)."
    return f"{x:,} of {n:,} random check images are {what}: {_share_of_pool(x, n)}."


def _share_of_pool(x: int, n: int) -> str:
    found = binomial_range(x, n)
    return f"about {percent(found.value)} of the pool ({between(found)})"


def _possible(status: CheckStatus, what: str) -> str:
    terms, n, x = status.check_set, status.n, status.n_flagged
    need = flagged_needed(0, terms.recall, status.alpha, live=terms.live)
    if not x:
        at_best = math.ceil(need / upper_limit(0, n, ALPHA))
        return (
            f"A promise of {terms.recall:.0%} recall needs at least {need:,} {what} check images; that means about "
            f"{_rough(at_best)} more images at the very best."
        )
    allowed = misses_allowed(x, terms.recall, status.alpha, live=terms.live)
    if allowed < 0:
        more = labels_needed(n, x, terms.recall, status.alpha, live=terms.live)
        best = percent(best_recall(x, status.alpha), down=True)
        return (
            f"To promise {terms.recall:.0%} recall, label about {_more(more)} "
            f"before you look. Best promise today: at least {best}."
        )
    misses = "none" if not allowed else f"up to {allowed:,}"
    return f"That is enough to promise {terms.recall:.0%} recall, with {misses} of the {x:,} {what} check images missed."


def cost_of_opening(status: CheckStatus) -> str:
    """Say what the next opening costs."""
    terms = status.check_set
    if status.known is not None:
        return "This model was opened with these very labels before: looking again is free."
    bar = 1 - status.alpha
    after = 1 - look_alpha(status.look + 1, 1 - terms.confidence)
    if terms.live:
        return (
            f"This set is watched live: this is the {ordinal(status.look)} model looked at, held to {100 * bar:.4g}%; with it "
            "you may then look after every label."
        )
    return (
        f"Opening is the {ordinal(status.look)} look at this check set: it is held to {100 * bar:.4g}%, so that all looks "
        f"together stay {terms.confidence:.0%} sure. The next one, after more labels or with another model, would be held to "
        f"{100 * after:.4g}%. Choose the size first, and look once."
    )


# -- after an opening --


def promise(opened: Reveal, figures: PointFigures | None, sample: Sample) -> list[str]:
    """Say the promise, or that there is none, exactly as the numbers have it.

    Args:
        figures: at the promise's threshold; None if there is none.
    """
    what = kind(opened.flagged_names)
    if figures is None:
        return [_no_promise(opened, sample, what)]
    return [
        f"Flag scores ≥ {say_threshold(figures.threshold, sample)}: {figures.n_above:,} images, "
        f"{percent(figures.share_above)} of the pool (counted).",
        f"At least {100 * opened.recall:.4g}% of {what} images are caught ({100 * opened.confidence:.4g}% sure; best guess "
        f"{percent(figures.recall.value)}).",
        precision_words(figures, what),
        f"Of the images left up, at most {percent(figures.left_up, up=True)} are {what} (95% sure).",
    ]


def _no_promise(opened: Reveal, sample: Sample, what: str) -> str:
    more = labels_needed(opened.n, opened.n_flagged, opened.recall, opened.alpha, live=opened.live)
    lowest = float(sample.scores[sample.flagged].min())
    best = percent(best_recall(opened.n_flagged, opened.alpha), down=True)
    return (
        f"{opened.n_flagged:,} of {opened.n:,} were {what}: {_share_of_pool(opened.n_flagged, opened.n)}. To promise "
        f"{opened.recall:.0%} recall, label about {_more(more)} before you look "
        f"again. Best promise today: at least {best}, if you flag everything scoring {say_threshold(lowest, sample)} or more."
    )


def precision_words(figures: PointFigures, what: str) -> str:
    """Say precision, or why it is not said."""
    if figures.precision is None:
        return f"Precision is not said: only {figures.labels_above} check labels lie on the flagged side, 10 are needed."
    return f"About {percent(figures.precision.value)} of flagged images are {what} ({between(figures.precision)})."


def at_handle(opened: Reveal, figures: PointFigures, sample: Sample) -> list[str]:
    """Say what another threshold than the promised one comes to."""
    what = kind(opened.flagged_names)
    covered = opened.threshold is not None and figures.threshold <= opened.threshold
    head = f"At scores ≥ {say_threshold(figures.threshold, sample)}, {figures.n_above:,} images are flagged, "
    head += f"{percent(figures.share_above)} of the pool (counted). "
    if covered:
        head += f"The promise of {100 * opened.recall:.4g}% covers this threshold. "
    else:
        head += "The promise does not cover this threshold: what follows are estimates. "
    everywhere = percent(figures.recall_everywhere, down=True)
    words = [
        head + f"Recall is about {percent(figures.recall.value)} ({between(figures.recall)}; at least {everywhere} wherever on "
        "the curve you choose).",
        precision_words(figures, what),
        f"Of the images left up, at most {percent(figures.left_up, up=True)} are {what} (95% sure).",
    ]
    if not covered:
        words.append(_to_promise_here(opened, figures))
    return [word for word in words if word]


def naive_warning(naive: PRCurve, threshold: float) -> str:
    """Say what the labels the model learned from would claim of a threshold."""
    at = np.flatnonzero(naive.thresholds >= threshold)
    recall, precision = (float(naive.recall[at[-1]]), float(naive.precision[at[-1]])) if len(at) else (0.0, 1.0)
    return (
        f"The labels it learned from would claim {percent(recall)} recall and {percent(precision)} precision here: that is the "
        "naive curve, and no evidence."
    )


def _to_promise_here(opened: Reveal, figures: PointFigures) -> str:
    miss_rate = 1 - figures.recall.value
    if miss_rate >= 1 - opened.recall:
        return f"No number of labels would promise {opened.recall:.0%} here: the estimate itself is not above it."
    alpha = look_alpha(opened.look + 1, 1 - opened.confidence)
    misses = misses_to_plan(miss_rate, opened.recall, alpha, live=opened.live)
    more = labels_needed(opened.n, opened.n_flagged, opened.recall, alpha, misses=misses, live=opened.live)
    return f"To promise {opened.recall:.0%} here at the next look, plan for about {_more(more, ' check labels')}."


def what_more_would_buy(opened: Reveal, sample: Sample) -> str:
    """Say what 200 more labels would probably change at the next look."""
    alpha = opened.alpha if opened.live else look_alpha(opened.look + 1, 1 - opened.confidence)
    found = what_more_buys(sample, opened.recall, alpha, live=opened.live)
    if found.threshold is None:
        return f"{MORE_LABELS} more check labels would probably not suffice for the next look's higher bar."
    then, now = percent(found.share_above), ""
    if opened.threshold is not None:
        now = percent(sample.counted_above(opened.threshold) / len(sample.pool))
    if then == now:
        return f"{MORE_LABELS} more check labels would probably change little: the promise flags {now} of the pool already."
    return (
        f"{MORE_LABELS} more check labels would probably let the next look promise {100 * opened.recall:.4g}% recall with "
        f"{then} of the pool flagged{f', instead of {now}' if now else ''} (a guess from the labels so far)."
    )


def footer(opened: Reveal, status: CheckStatus, *, n_images: int, tie: tuple[float, int], drift: float | None) -> list[str]:
    """Say which look it was, whom it covers, and how good the labels are."""
    words = [_which_look(opened), _coverage(opened, status, n_images), _readers(opened)]
    if drift is not None:
        words.append(
            f"Images added since the look before are flagged more or less often than the earlier ones (Fisher's exact test, "
            f"p = {drift:.2g}): start a fresh check set."
        )
    if tie[1] > TIED * opened.frame:
        words.append(f"{tie[1]:,} images share the score {tie[0]:.4g}; they are flagged or left up together.")
    return [word for word in words if word]


def _which_look(opened: Reveal) -> str:
    alpha = 1 - opened.confidence
    first, bar = 1 - look_alpha(1, alpha), 1 - opened.alpha
    words = f"{ordinal(opened.look).capitalize()} look at this check set"
    words += (
        f" (bar raised from {100 * first:.4g}% to {100 * bar:.4g}%)." if opened.look > 1 else f" (held to {100 * bar:.4g}%)."
    )
    if opened.live:
        words += " Watched live: with this model it may be looked at after every label."
    if opened.check_set > 1:
        words += f" This is the {ordinal(opened.check_set)} check set; each carries its own {100 * alpha:.3g}% of error."
    return words


def _coverage(opened: Reveal, status: CheckStatus, n_images: int) -> str:
    words = f"It covers the {opened.frame:,} images there were."
    added = n_images - opened.frame
    if added:
        words += f" Images added since: {added:,}, not yet covered ({status.n_owed:,} owed a label)."
    return words


def _readers(opened: Reveal) -> str:
    words = f"Labels: guideline {opened.guideline}"
    if not opened.reread:
        return f"{words}; no second reader has looked at them."
    most = percent(upper_limit(opened.disagreed, opened.reread, ALPHA), up=True)
    return f"{words}; a second reader disagreed on {opened.disagreed:,} of {opened.reread:,} (at most {most}, 95% sure)."


def _more(more: MoreLabels, what: str = "") -> str:
    high = "unknown" if more.high is None else _rough(more.high)
    return f"{_rough(more.expected)} more{what} ({_rough(more.low)} to {high})"


def _rough(n: int) -> str:
    """Round a planning figure to two digits."""
    if n < 10:
        return str(n)
    digits = len(str(n)) - 2
    return f"{round(n, -digits):,}"
