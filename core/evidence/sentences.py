"""Sentences about the operating point. Lower limits are rounded down and upper limits up, so that each sentence stays true."""

import math
from collections.abc import Sequence

import numpy as np

from core.evidence.bounds import ALPHA, best_recall, look_alpha, misses_allowed, misses_to_plan, upper_limit
from core.evidence.check_sets import CheckStatus
from core.evidence.openings import Coverage, Opening
from core.evidence.plan import Ahead, Plan, Prospect, plan, plan_words
from core.evidence.subject import PROBE, Family
from core.evidence.threshold import FEWEST_ABOVE, MORE_LABELS, PointFigures, Sample, what_more_buys
from core.maths.precision_recall import PRCurve, binomial_range
from core.wording import between, counted, percent, target, verb

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
MOST_DECIMALS = 6
TIED = 0.01  # share of all images with the same score, from which it is mentioned


def kind(names: Sequence[str]) -> str:
    """Name the flagged class, or classes."""
    return " or ".join(names)


def ordinal(k: int) -> str:
    """Return k as an ordinal: "first", "21st"."""
    if k <= len(ORDINALS):
        return ORDINALS[k - 1]
    return f"{k}{'th' if 10 < k % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(k % 10, 'th')}"


def say_threshold(threshold: float, sample: Sample) -> str:
    """Round a threshold down to the fewest decimals that keep exactly the same images of the pool at or above it."""
    wanted = sample.counted_above(threshold)
    for decimals in range(2, MOST_DECIMALS + 1):
        shown = math.floor(threshold * 10**decimals) / 10**decimals
        if sample.counted_above(shown) == wanted:
            return f"{shown:.{decimals}f}"
    return repr(threshold)


def scored(opened: Opening, threshold: float, sample: Sample, *, by_probe: str, by_column: str) -> str:
    """Say which scores reach a threshold, as their scorer gives them: "that score ≥ 0.42", "with scores of 'vendor' ≤ 0.58".

    Args:
        by_probe: the words before the figure for the probe's scores.
        by_column: those for a score column, before its name.
    """
    shown = say_threshold(threshold, sample)
    if opened.scorer == PROBE:
        return f"{by_probe} ≥ {shown}"
    if opened.higher_is_safer:  # its scores are kept with the opposite sign
        return f"{by_column} of '{opened.scorer}' ≤ {shown.removeprefix('-') if shown.startswith('-') else f'-{shown}'}"
    return f"{by_column} of '{opened.scorer}' ≥ {shown}"


# -- before an opening: nothing here reveals scores --


def closed(status: CheckStatus, names: Sequence[str]) -> list[str]:
    """Describe an unopened check set and what opening it costs."""
    if not names:
        return [status.missing]
    what = kind(names)
    if not status.n:
        why, first = "These numbers come from images the model has never learned from.", plan(status.ahead)
        if first.prospect == Prospect.IMPOSSIBLE:
            return [why, plan_words(first, what)]
        return [f"{why} To start, read {first.more:,} random ones in Check, for a promise."]
    words = [_found(status, what), _possible(status, what)]
    if not status.missing:
        words.append(cost_of_opening(status))
    return [sentence for sentence in words if sentence]


def _found(status: CheckStatus, what: str) -> str:
    n, x = status.n, status.n_flagged
    if not x:
        most = percent(upper_limit(0, n, ALPHA), up=True)
        checked, ones = counted(n, "random image"), "one" if n == 1 else "ones"
        return f"You read {checked} and found no {what} {ones}. At most {most} of all images are {what} (95% sure)."
    return f"{x:,} of {counted(n, 'random check image')} {verb(x)} {what}: {_share_of_all(x, n)}."


def _share_of_all(x: int, n: int) -> str:
    found = binomial_range(x, n)
    return f"about {percent(found.value)} of all images ({between(found.low, found.high)})"


def _possible(status: CheckStatus, what: str) -> str:
    terms, recall, x = status.check_set, status.policy.recall, status.n_flagged
    allowed = misses_allowed(x, recall, status.alpha, live=terms.live)
    if allowed >= 0:
        misses = "none" if not allowed else f"up to {allowed:,}"
        return f"That is enough to promise {target(recall)} recall, with {misses} of the {x:,} {what} check images missed."
    words = plan_words(plan(status.ahead), what)
    if status.known is not None or not x:
        return words  # the promise of a look that was taken is stated with it
    best = percent(best_recall(x, status.alpha), down=True)
    return f"{words} Best promise if you look now: at least {best}."


def cost_of_opening(status: CheckStatus) -> str:
    """Say what the next look costs."""
    terms = status.check_set
    if status.known is not None:
        return "This set was opened before with the same model and the same labels: looking again is free."
    now = confidence_words(status.alpha)
    after = confidence_words(look_alpha(status.look + 1, status.error))
    if terms.live:
        return (
            f"This set is watched live: this is the {ordinal(status.look)} model to look at, with {now} confidence; "
            "you may then look after every label with it."
        )
    about = f" for the policy '{status.policy.name}'" if status.policy.name else ""
    return (
        f"Opening is the {ordinal(status.look)} look at this check set{about}: its promise needs {now} confidence, so that all "
        f"looks{_at_all(status.family)} together keep {target(terms.confidence)}. The next look, after more labels or with "
        f"another model, would need {after}. Choose the size first, and look once."
    )


def _at_all(family: Family) -> str:
    """Say what else shares the set's error."""
    n_policies, n_scorers = len({s.policy for s in family}), len({s.scorer for s in family})
    policies = {1: "", 2: " for both policies"}.get(n_policies, f" for all {n_policies} policies")
    return f"{policies} by all {n_scorers} scorers" if n_scorers > 1 else policies


def confidence_words(alpha: float) -> str:
    """Return the confidence 1 - alpha as a percentage with at most two decimals, rounded down."""
    return f"{math.floor(1e4 * (1 - alpha) + 1e-6) / 100:g}%"


# -- after an opening --


def promise(opened: Opening, figures: PointFigures | None, sample: Sample, *, ahead: Ahead | None) -> list[str]:
    """State the promise, or say that there is none and what it takes.

    Args:
        figures: at the promised threshold; None if there is none.
        ahead: the next look for its subject; None if there can be none from this check set.
    """
    what = kind(opened.flagged_names)
    if figures is None:
        return [_no_promise(opened, sample, what, ahead)]
    reached = scored(opened, figures.threshold, sample, by_probe="that score", by_column="with scores")
    return [
        f"Review images {reached}: {counted(figures.reviewed, 'image')}, {percent(figures.reviewed_share)} of all (counted).",
        f"At least {target(opened.recall)} of {what} images are caught ({target(opened.confidence)} sure; estimate "
        f"{percent(figures.recall.value)}).",
        precision_words(figures, what),
        left_up_words(figures, what),
    ]


def headline(opened: Opening, figures: PointFigures | None, sample: Sample) -> str:
    """State the promise in one sentence, or that there is none.

    Args:
        figures: at the promised threshold; None if there is none.
    """
    what = kind(opened.flagged_names)
    if figures is None:
        return f"No promise of {target(opened.recall)} recall for {what} images yet."
    reached = scored(opened, figures.threshold, sample, by_probe="that score", by_column="with scores")
    return (
        f"Review images {reached}: at least {target(opened.recall)} of {what} images are caught "
        f"({target(opened.confidence)} sure)."
    )


def later_alpha(opened: Opening) -> float:
    """Return the error allowed to the look after more labels."""
    return opened.alpha if opened.live else look_alpha(opened.look + 1, opened.error)


def _no_promise(opened: Opening, sample: Sample, what: str, ahead: Ahead | None) -> str:
    lowest = float(sample.scores[sample.flagged].min())
    best = percent(best_recall(opened.n_flagged, opened.alpha), down=True)
    reached = scored(opened, lowest, sample, by_probe="that scores", by_column="with a score")
    found = f"{opened.n_flagged:,} of {opened.n:,} were {what}: {_share_of_all(opened.n_flagged, opened.n)}."
    more = "" if ahead is None else _next_look(plan(ahead), what)
    now = f"This look does promise at least {best} recall, if you review every image {reached}."
    return " ".join(part for part in (found, more, now) if part)


def _next_look(found: Plan, what: str) -> str:
    if found.prospect == Prospect.READY and not found.more:
        return f"By now there are enough labels for the next look to promise {target(found.ahead.recall)} recall."
    return plan_words(found, what, again=True)


def precision_words(figures: PointFigures, what: str) -> str:
    """State the precision, or say why none is given."""
    if figures.precision is None:
        few = figures.labels_above
        lie = "no check label lies" if not few else f"only {counted(few, 'check label')} {'lies' if few == 1 else 'lie'}"
        return f"No precision yet: {lie} above the threshold, at least {FEWEST_ABOVE} are needed."
    value, low, high = figures.precision
    return f"About {percent(value)} of reviewed images are {what} ({between(low, high)})."


def left_up_words(figures: PointFigures, what: str) -> str:
    """State how many of the images left up may be of the flagged class."""
    if figures.reviewed_share == 1:
        return "No image is left up: all are reviewed."
    return f"Of the images left up, at most {percent(figures.left_up, up=True)} are {what} (95% sure)."


def at_handle(opened: Opening, figures: PointFigures, sample: Sample, *, ahead: Ahead | None) -> list[str]:
    """Describe a threshold chosen by hand.

    Args:
        ahead: the next look for its subject; None if there can be none from this check set.
    """
    what = kind(opened.flagged_names)
    covered = opened.threshold is not None and figures.threshold <= opened.threshold
    n = figures.reviewed
    reached = scored(opened, figures.threshold, sample, by_probe="scores", by_column="scores")
    head = f"At {reached}, {counted(n, 'image')} {verb(n)} reviewed, "
    head += f"{percent(figures.reviewed_share)} of all (counted). "
    if covered:
        head += f"The promise of {target(opened.recall)} covers this threshold. "
    else:
        head += "The promise does not cover this threshold; the figures below are estimates. "
    everywhere, (recall, low, high) = percent(figures.recall_everywhere, down=True), figures.recall
    words = [
        head + f"Recall is about {percent(recall)} ({between(low, high)}; at least {everywhere} wherever on "
        "the curve you choose).",
        precision_words(figures, what),
        left_up_words(figures, what),
    ]
    if not covered and ahead is not None:
        words.append(_to_promise_here(figures, what, ahead))
    return [word for word in words if word]


def shown_curve(opened: Opening, n_since: int, *, newest: Opening | None = None) -> str:
    """Say which opening the curve belongs to, and what has changed since.

    Args:
        n_since: check labels added or changed since (`core.evidence.check_sets.read_since`).
        newest: the newest opening.
    """
    words = f"Curve and figures belong to opening {opened.number}, with its {counted(opened.n, 'check label')}."
    if newest is not None and newest.number != opened.number:
        words += f" The newest is opening {newest.number}."
    if n_since:
        were, they = ("was", "it is") if n_since == 1 else ("were", "they are")
        words += f" {counted(n_since, 'check label')} {were} added or changed since; {they} included in the next look."
    return words


def naive_warning(naive: PRCurve, threshold: float) -> str:
    """Say what the labels the model learned from would claim about a threshold."""
    at = np.flatnonzero(naive.thresholds >= threshold)
    if not len(at):
        return "No label the model learned from scores this high: the naive curve is not defined here."
    recall, precision = float(naive.recall[at[-1]]), float(naive.precision[at[-1]])
    return (
        f"The labels the model learned from would claim {percent(recall)} recall and {percent(precision)} precision here. That "
        "is the naive curve; it is not evidence."
    )


def _to_promise_here(figures: PointFigures, what: str, ahead: Ahead) -> str:
    miss_rate = 1 - figures.recall.value
    if miss_rate >= 1 - ahead.recall:
        return f"No number of labels would promise {target(ahead.recall)} here: the estimated recall is not above it."
    misses = misses_to_plan(miss_rate, ahead.recall, ahead.alpha, live=ahead.live)
    found = plan(ahead, misses=misses)
    if not found.more and found.prospect == Prospect.READY:
        return f"The next look may promise {target(ahead.recall)} here with the labels there are by now."
    return plan_words(found, what, here=True)


def what_more_would_buy(opened: Opening, sample: Sample, *, ahead: Ahead | None) -> str:
    """Say what 200 more labels, or all that are left, would probably change at the next look; "" if none is left."""
    n_more = 0 if ahead is None else min(MORE_LABELS, ahead.left)
    if ahead is None or not n_more:
        return ""
    labels, since = counted(n_more, "more check label"), ahead.n - opened.n
    found = what_more_buys(sample, ahead.recall, ahead.alpha, live=ahead.live, n_more=max(since + n_more, 0))
    if found.threshold is None:
        return f"{labels} would probably not be enough for a promise at the next look, which needs more confidence."
    then, now = percent(found.reviewed_share), ""
    if opened.threshold is not None:
        now = percent(sample.counted_above(opened.threshold) / len(sample.pool))
    if then == now:
        return f"{labels} would probably change little: the promise already has {now} of all images reviewed."
    return (
        f"{labels} would probably let the next look promise {target(ahead.recall)} recall with {then} of all images "
        f"reviewed{f', instead of {now}' if now else ''} (estimated from the labels so far)."
    )


def footer(
    opened: Opening, status: CheckStatus, *, covered: Coverage | None, tie: tuple[float, int], drift: float | None
) -> list[str]:
    """Say which look it was, which images it covers, and how good the labels are."""
    about = "" if covered is None else coverage_words(covered, status)
    words = [_which_look(opened), about, _readers(opened)]
    if drift is not None:
        words.append(
            f"Images added since the previous opening are more or less often {kind(opened.flagged_names)} than earlier ones "
            f"(Fisher's exact test, p = {drift:.2g}): start a new check set."
        )
    if tie[1] > max(1, TIED * opened.frame):
        words.append(f"{counted(tie[1], 'image')} share the score {tie[0] + 0.0:.4g}; they are reviewed or left up together.")
    return [word for word in words if word]


def _which_look(opened: Opening) -> str:
    alpha = 1 - opened.confidence
    about = f" for the policy '{opened.policy}'" if opened.policy else ""
    words = (
        f"{ordinal(opened.look).capitalize()} look at this check set{about}, with {confidence_words(opened.alpha)} confidence"
    )
    words += f" (the first needed {confidence_words(look_alpha(1, opened.error))})." if opened.look > 1 else "."
    if opened.share < 1:
        words += (
            f" It has {percent(opened.share)} of the set's {100 * alpha:.3g}% chance of error, so that all promises from the "
            f"set hold together with {target(opened.confidence)} confidence."
        )
    if opened.live:
        words += " Watched live: you may look after every label with this model."
    if opened.check_set > 1:
        words += f" This is the {ordinal(opened.check_set)} check set; each has its own {100 * alpha:.3g}% chance of error."
    return words


def coverage_words(covered: Coverage, status: CheckStatus) -> str:
    """Say which images a promise is about: those there were then, not later ones, and how many of them have gone."""
    words = f"It covers the {counted(covered.frame, 'image')} there {verb(covered.frame, 'was', 'were')} then."
    if covered.added:
        words += (
            f" Images added since: {covered.added:,}, not covered until the promise is renewed by another look "
            f"({status.n_owed:,} owed a label)."
        )
    if covered.removed:
        n = covered.readings_removed
        labels = f", {n:,} of them with check labels that it counts" if n else ""
        words += (
            f" Images removed since: {covered.removed:,}{labels}. The promise is about the images as they were then; for those "
            "that are left, renew it."
        )
    return words


def _readers(opened: Opening) -> str:
    words = f"Labels: guideline {opened.guideline}"
    if not opened.reread:
        return f"{words}; there are no second readings."
    most = percent(upper_limit(opened.disagreed, opened.reread, ALPHA), up=True)
    return f"{words}; second readings disagreed on {opened.disagreed:,} of {opened.reread:,} (at most {most}, 95% sure)."
