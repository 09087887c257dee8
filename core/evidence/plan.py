"""How many check labels a promise still takes: one estimate for page, command line and model card. Never more than there are.

Nothing here reveals scores: it knows how many images were read, how many of them are flagged, and how many are left.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from core.evidence.bounds import ALPHA, best_recall, flagged_needed, labels_needed, upper_limit
from core.wording import counted, percent, target, verb

MOST_LOOKS = 20  # that are counted ahead


@dataclass(frozen=True)
class Ahead:
    """What the next look at a check set could use, and what it has to reach."""

    recall: float  # to promise
    alpha: float  # error allowed to it
    n: int  # check labels it would use now
    n_flagged: int  # of those
    left: int  # check images that can still be read for it
    least: int = 0  # labels to read before it is allowed
    live: bool = False  # watched after every label


class Prospect(StrEnum):
    """Whether a promise can be reached by reading on."""

    READY = "ready"  # there are enough flagged labels
    LIKELY = "likely"
    UNLIKELY = "unlikely"  # more labels are expected to be needed than there are images
    IMPOSSIBLE = "impossible"  # not even if every image that is left were flagged


@dataclass(frozen=True)
class Plan:
    """How many more check labels to read; no figure in it exceeds what is left."""

    ahead: Ahead
    prospect: Prospect
    more: int  # rounded to two digits; all that are left if those are too few
    low: int
    high: int
    reachable: float  # recall that all images left would probably allow to promise; NaN if not known

    @property
    def goal(self) -> int:
        """Return how many labels there are when the plan is done."""
        return self.ahead.n + self.more


def plan(ahead: Ahead, *, misses: int = 0) -> Plan:
    """Estimate how many more labels a promise takes.

    Args:
        misses: flagged check labels below the threshold to allow for.
    """
    n, x, left = ahead.n, ahead.n_flagged, ahead.left
    least = min(max(ahead.least - n, 0), left)
    missing = max(flagged_needed(misses, ahead.recall, ahead.alpha, live=ahead.live) - x, 0)
    reachable = _reachable(ahead)
    if not missing:
        return Plan(ahead, Prospect.READY, least, least, least, reachable)
    if missing > left:
        return Plan(ahead, Prospect.IMPOSSIBLE, left, left, left, reachable)
    low = expected = max(missing, least)  # before a flagged one was found: at the very best
    high: int | None = None
    if n and x:
        found = labels_needed(n, x, ahead.recall, ahead.alpha, misses=misses, live=ahead.live)
        low, expected, high = max(found.low, least), max(found.expected, least), found.high
    elif n:
        low = expected = max(math.ceil(missing / upper_limit(0, n, ALPHA)), least)
    if expected > left:
        return Plan(ahead, Prospect.UNLIKELY, left, left, left, reachable)
    more = rough(expected, most=left)
    high = left if high is None else min(rough(max(high, least), most=left), left)
    return Plan(ahead, Prospect.LIKELY, more, min(rough(low, most=left), more), max(high, more), reachable)


def _reachable(ahead: Ahead) -> float:
    """Return the recall that all images left would probably allow, at best; NaN where nothing is known of their share."""
    if ahead.live or not ahead.n_flagged:
        return math.nan
    expected = ahead.n_flagged + int(ahead.left * ahead.n_flagged / ahead.n)
    return math.floor(1000 * best_recall(expected, ahead.alpha)) / 1000


def rough(n: int, *, most: int) -> int:
    """Round a planning figure to two digits, but never above `most`."""
    digits = max(len(str(n)) - 2, 0)
    return min(round(n, -digits), most)


def read_words(found: Plan, *, done: bool = False) -> str:
    """Say how far reading is, for lists: "read 40 of 139"; "of all 650" where all that are left are too few.

    Args:
        done: the promise is there, so no more is needed.
    """
    n = found.ahead.n
    if done or found.goal <= n:
        return f"read {n:,}"
    return f"read {n:,} of {'all ' if found.more == found.ahead.left else ''}{found.goal:,}"


def plan_words(found: Plan, what: str, *, again: bool = False, here: bool = False) -> str:
    """Say in a sentence how many more labels to plan for, or that there are too few; "" if there are enough.

    Args:
        what: the flagged class, or classes.
        again: the set was opened before.
        here: the promise would be about a threshold chosen by hand.
    """
    ahead, recall = found.ahead, target(found.ahead.recall)
    if found.prospect in (Prospect.UNLIKELY, Prospect.IMPOSSIBLE):
        return f"{_too_few(found, what, here=here)} {_instead(found, here=here)}"
    if not found.more:
        return ""
    if here:
        labels = counted(found.more, "more check label")
        return f"To promise {recall} here at the next look, plan for about {labels} ({_range(found)})."
    look = "before you look again" if again else "before you look"
    if not ahead.n_flagged and ahead.n:
        images = counted(found.more, "more image")
        return f"A promise of {recall} recall needs {what} check images; at the very best, that takes about {images}."
    return f"To promise {recall} recall, label about {found.more:,} more ({_range(found)}) {look}."


def _range(found: Plan) -> str:
    high = f"all {found.ahead.left:,} there are" if found.high == found.ahead.left else f"{found.high:,}"
    return f"{found.low:,} to {high}"


def _too_few(found: Plan, what: str, *, here: bool) -> str:
    left, at = found.ahead.left, " at this threshold" if here else ""
    certain = found.prospect == Prospect.IMPOSSIBLE
    promised = f"{target(found.ahead.recall)} recall can{'not' if certain else ' probably not'} be promised{at}"
    if not left:
        return f"{promised}: no check image is left to read."
    there = f"{counted(left, 'check image')} {verb(left)} left to read"
    if certain:
        return f"{promised}: only {there}, and more {what} ones than that are needed."
    return f"{promised}: only {there}, probably too few."


def _instead(found: Plan, *, here: bool) -> str:
    reachable = found.reachable
    if here or math.isnan(reachable) or not 0.5 <= reachable < found.ahead.recall:
        return "Ingest more images." if not here else "Choose a lower threshold, or ingest more images."
    return f"Lower the recall to {percent(reachable, down=True)} or less, or ingest more images."
