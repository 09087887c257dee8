"""The operating point in sentences. A lower limit is rounded down and an upper one up, so that what is said stays true."""

import math
from collections.abc import Sequence

import numpy as np

from core.evidence.bounds import (
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
from core.evidence.check_sets import CheckStatus
from core.evidence.openings import Opening
from core.evidence.threshold import FEWEST_ABOVE, MORE_LABELS, PointFigures, Range, Sample, binomial_range, what_more_buys
from core.maths.precision_recall import PRCurve
from core.wording import counted, per_thousand, percent, target

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
    if not names:
        return [status.missing]
    what = kind(names)
    if not status.n:
        words = ["These numbers come from images the model has never learned from."]
        if status.planned:
            words = [f"{words[0]} Label {status.planned:,} random ones in Check, for the promise, to start."]
        return words
    words = [_found(status, what), _possible(status, what)]
    if not status.missing:
        words.append(cost_of_opening(status))
    return [sentence for sentence in words if sentence]


def _found(status: CheckStatus, what: str) -> str:
    n, x = status.n, status.n_flagged
    if not x:
        most = percent(upper_limit(0, n, ALPHA), up=True)
        checked, ones = counted(n, "random image"), "one" if n == 1 else "ones"
        return f"You checked {checked} and found no {what} {ones}. At most {most} of the pool is {what} (95% sure)."
    return f"{x:,} of {counted(n, 'random check image')} {'is' if x == 1 else 'are'} {what}: {_share_of_pool(x, n)}."


def _share_of_pool(x: int, n: int) -> str:
    found = binomial_range(x, n)
    return f"about {percent(found.value)} of the pool ({between(found)})"


def _possible(status: CheckStatus, what: str) -> str:
    terms, n, x = status.check_set, status.n, status.n_flagged
    if not x:
        need = flagged_needed(0, terms.recall, status.later_alpha, live=terms.live)
        at_best = math.ceil(need / upper_limit(0, n, ALPHA))
        head = f"A promise of {target(terms.recall)} recall needs at least {need:,} {what} check images"
        if at_best > status.n_left:
            return f"{head}: {_too_many(status.n_left)}."
        return f"{head}; that means about {_rough(at_best, most=status.n_left)} more images at the very best."
    allowed = misses_allowed(x, terms.recall, status.alpha, live=terms.live)
    if allowed < 0:
        more = labels_needed(n, x, terms.recall, status.later_alpha, live=terms.live)
        words = f"To promise {target(terms.recall)} recall, {_plan(more, status.n_left, 'label about {} before you look')}."
        if status.known is not None:
            return words  # what that look does promise is said with it
        best = percent(best_recall(x, status.alpha), down=True)
        return f"{words} Best promise if you look now: at least {best}."
    misses = "none" if not allowed else f"up to {allowed:,}"
    return f"That is enough to promise {target(terms.recall)} recall, with {misses} of the {x:,} {what} check images missed."


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
        f"together stay {target(terms.confidence)} sure. The next one, after more labels or with another model, would be held "
        f"to {100 * after:.4g}%. Choose the size first, and look once."
    )


# -- after an opening --


def promise(opened: Opening, figures: PointFigures | None, sample: Sample, *, left: int) -> list[str]:
    """Say the promise, or that there is none, exactly as the numbers have it.

    Args:
        figures: at the promise's threshold; None if there is none.
        left: images a later look could add (`core.evidence.check_sets.left_to_read`).
    """
    what = kind(opened.flagged_names)
    if figures is None:
        return [_no_promise(opened, sample, what, left)]
    return [
        f"Flag scores ≥ {say_threshold(figures.threshold, sample)}: {counted(figures.n_above, 'image')}, "
        f"{percent(figures.share_above)} of the pool (counted).",
        f"At least {target(opened.recall)} of {what} images are caught ({target(opened.confidence)} sure; best guess "
        f"{percent(figures.recall.value)}).",
        precision_words(figures, what),
        left_up_words(figures, what),
    ]


def later_alpha(opened: Opening) -> float:
    """Return the error of the look that comes with more labels."""
    return opened.alpha if opened.live else look_alpha(opened.look + 1, 1 - opened.confidence)


def _no_promise(opened: Opening, sample: Sample, what: str, left: int) -> str:
    more = labels_needed(opened.n, opened.n_flagged, opened.recall, later_alpha(opened), live=opened.live)
    lowest = float(sample.scores[sample.flagged].min())
    best = percent(best_recall(opened.n_flagged, opened.alpha), down=True)
    return (
        f"{opened.n_flagged:,} of {opened.n:,} were {what}: {_share_of_pool(opened.n_flagged, opened.n)}. To promise "
        f"{target(opened.recall)} recall, {_plan(more, left, 'label about {} before you look again')}. What this look does "
        f"promise: at least {best}, if you flag everything scoring {say_threshold(lowest, sample)} or more."
    )


def precision_words(figures: PointFigures, what: str) -> str:
    """Say precision, or why it is not said."""
    if figures.precision is None:
        few = figures.labels_above
        lie = "no check label lies" if not few else f"only {counted(few, 'check label')} {'lies' if few == 1 else 'lie'}"
        return f"Precision is not said: {lie} on the flagged side, {FEWEST_ABOVE} are needed."
    return f"About {percent(figures.precision.value)} of flagged images are {what} ({between(figures.precision)})."


def left_up_words(figures: PointFigures, what: str) -> str:
    """Say how much may be missed among what is left up."""
    if figures.share_above == 1:
        return "No image is left up: all of them are flagged."
    return f"Of the images left up, at most {percent(figures.left_up, up=True)} are {what} (95% sure)."


def per_1000(figures: PointFigures) -> list[tuple[str, str, str]]:
    """Say what 1,000 images come to: name, figure, and how it is known, of reviewed, caught and missed."""
    reviewed = per_thousand(figures.reviewed)
    most = reviewed if figures.caught.high > figures.reviewed - 1 else per_thousand(figures.caught.high, up=True)
    caught, missed = figures.caught, figures.missed
    return [
        ("reviewed", reviewed, "counted"),
        ("caught", per_thousand(caught.value), f"{per_thousand(caught.low, down=True)} to {most}"),
        (
            "missed",
            per_thousand(missed.value),
            f"{per_thousand(missed.low, down=True)} to {per_thousand(missed.high, up=True)}",
        ),
    ]


def at_handle(opened: Opening, figures: PointFigures, sample: Sample, *, left: int) -> list[str]:
    """Say what another threshold than the promised one comes to.

    Args:
        left: images a later look could add (`core.evidence.check_sets.left_to_read`).
    """
    what = kind(opened.flagged_names)
    covered = opened.threshold is not None and figures.threshold <= opened.threshold
    n = figures.n_above
    head = (
        f"At scores ≥ {say_threshold(figures.threshold, sample)}, {counted(n, 'image')} {'is' if n == 1 else 'are'} flagged, "
    )
    head += f"{percent(figures.share_above)} of the pool (counted). "
    if covered:
        head += f"The promise of {target(opened.recall)} covers this threshold. "
    else:
        head += "The promise does not cover this threshold: what follows are estimates. "
    everywhere = percent(figures.recall_everywhere, down=True)
    words = [
        head + f"Recall is about {percent(figures.recall.value)} ({between(figures.recall)}; at least {everywhere} wherever on "
        "the curve you choose).",
        precision_words(figures, what),
        left_up_words(figures, what),
    ]
    if not covered:
        words.append(_to_promise_here(opened, figures, left))
    return [word for word in words if word]


def shown_curve(opened: Opening, n_since: int, *, newest: Opening | None = None) -> str:
    """Say which opening the curve is of, and what has happened since.

    Args:
        n_since: check labels read, or changed, since (`core.evidence.check_sets.read_since`).
        newest: the newest opening.
    """
    words = f"Curve and figures are of opening {opened.number}, with its {counted(opened.n, 'check label')}."
    if newest is not None and newest.number != opened.number:
        words += f" The newest is opening {newest.number}."
    if n_since:
        were = "was read since and is" if n_since == 1 else "were read since and are"
        words += f" {counted(n_since, 'more check label')} {were} not in them: the next look takes them in."
    return words


def naive_warning(naive: PRCurve, threshold: float) -> str:
    """Say what the labels the model learned from would claim of a threshold."""
    at = np.flatnonzero(naive.thresholds >= threshold)
    if not len(at):
        return "None of the labels it learned from scores so high: the naive curve says nothing here."
    recall, precision = float(naive.recall[at[-1]]), float(naive.precision[at[-1]])
    return (
        f"The labels it learned from would claim {percent(recall)} recall and {percent(precision)} precision here: that is the "
        "naive curve, and no evidence."
    )


def _to_promise_here(opened: Opening, figures: PointFigures, left: int) -> str:
    miss_rate = 1 - figures.recall.value
    if miss_rate >= 1 - opened.recall:
        return f"No number of labels would promise {target(opened.recall)} here: the estimate itself is not above it."
    alpha = later_alpha(opened)
    misses = misses_to_plan(miss_rate, opened.recall, alpha, live=opened.live)
    more = labels_needed(opened.n, opened.n_flagged, opened.recall, alpha, misses=misses, live=opened.live)
    plan = _plan(more, left, "plan for about {}", " check label")
    return f"To promise {target(opened.recall)} here at the next look, {plan}."


def what_more_would_buy(opened: Opening, sample: Sample, *, left: int) -> str:
    """Say what 200 more labels, or all that are left, would probably change at the next look; "" if none are left."""
    n_more = min(MORE_LABELS, left)
    if not n_more:
        return ""
    labels = counted(n_more, "more check label")
    found = what_more_buys(sample, opened.recall, later_alpha(opened), live=opened.live, n_more=n_more)
    if found.threshold is None:
        return f"{labels} would probably not suffice for the next look's higher bar."
    then, now = percent(found.share_above), ""
    if opened.threshold is not None:
        now = percent(sample.counted_above(opened.threshold) / len(sample.pool))
    if then == now:
        return f"{labels} would probably change little: the promise flags {now} of the pool already."
    return (
        f"{labels} would probably let the next look promise {target(opened.recall)} recall with {then} of the pool flagged"
        f"{f', instead of {now}' if now else ''} (a guess from the labels so far)."
    )


def footer(opened: Opening, status: CheckStatus, *, n_images: int, tie: tuple[float, int], drift: float | None) -> list[str]:
    """Say which look it was, whom it covers, and how good the labels are."""
    words = [_which_look(opened), _coverage(opened, status, n_images), _readers(opened)]
    if drift is not None:
        words.append(
            f"Images added since the look before are flagged more or less often than the earlier ones (Fisher's exact test, "
            f"p = {drift:.2g}): start a fresh check set."
        )
    if tie[1] > max(1, TIED * opened.frame):
        words.append(f"{counted(tie[1], 'image')} share the score {tie[0] + 0.0:.4g}; they are flagged or left up together.")
    return [word for word in words if word]


def _which_look(opened: Opening) -> str:
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


def _coverage(opened: Opening, status: CheckStatus, n_images: int) -> str:
    words = f"It covers the {counted(opened.frame, 'image')} there {'was' if opened.frame == 1 else 'were'}."
    added = n_images - opened.frame
    if added:
        words += f" Images added since: {added:,}, not yet covered ({status.n_owed:,} owed a label)."
    return words


def _readers(opened: Opening) -> str:
    words = f"Labels: guideline {opened.guideline}"
    if not opened.reread:
        return f"{words}; no second reader has looked at them."
    most = percent(upper_limit(opened.disagreed, opened.reread, ALPHA), up=True)
    return f"{words}; a second reader disagreed on {opened.disagreed:,} of {opened.reread:,} (at most {most}, 95% sure)."


def _plan(more: MoreLabels, left: int, say: str, noun: str = "") -> str:
    """Say how many labels to plan for, and never more than there are images to read.

    Args:
        say: the sentence, "{}" where the number goes.
        noun: behind "more".
    """
    if more.expected > left:
        return f"more labels are needed than there are: {_too_many(left)}"
    high = f"all {left:,} there are" if more.high is None or more.high >= left else _rough(more.high, most=left)
    number = f"{_rough(more.expected, most=left)} more{noun}{'s' if noun and more.expected != 1 else ''}"
    return say.format(f"{number} ({_rough(more.low, most=left)} to {high})")


def _too_many(left: int) -> str:
    if not left:
        return "no check image is left to read; ingest more images"
    there = "only 1 check image is" if left == 1 else f"only {left:,} check images are"
    return f"{there} left to read, which will probably not do; ingest more images"


def _rough(n: int, *, most: int) -> str:
    """Round a planning figure to two digits, and not beyond what there is."""
    if n < 10:
        return str(n)
    digits = len(str(n)) - 2
    return f"{min(round(n, -digits), most):,}"
