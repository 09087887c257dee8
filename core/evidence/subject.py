"""What an opening is about, and how all that are opened from one check set share its error. Imports core.evidence.bounds only.

A subject is a policy judged by one scorer. The subjects opened from a check set are its family: each has the same share of the
set's error, and spends it over its own looks as a subject that is alone spends all of it. When the family changes, what its
looks have not spent is shared anew; looks that were taken keep what they spent. The sum never exceeds the set's error (union
bound), so all promises from the set hold together with its confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.evidence.bounds import spent_share

PROBE = "probe"  # the scorer that every workspace has


@dataclass(frozen=True, order=True)
class Subject:
    """What a score is judged for, and whose score it is."""

    policy: str = ""  # its name; "" = all flagged classes together, while no policy is declared
    scorer: str = PROBE


Family = tuple[Subject, ...]  # ascending, distinct


@dataclass(frozen=True)
class Look:
    """One look at a check set, as far as its error goes."""

    subject: Subject
    k: int  # counted within its subject and family; a model that is watched live keeps its k
    family: Family


@dataclass(frozen=True)
class Standing:
    """What a subject may spend next."""

    share: float  # of the set's error, for all its looks in the family, in (0, 1]
    k: int  # looks it has taken in the family


def standing(looks: Sequence[Look], family: Family, subject: Subject) -> Standing:
    """Return where a subject stands if the next look is taken with a family.

    Args:
        looks: all of the check set, oldest first.
        family: contains the subject.
    """
    current: Family = ()
    left, taken = 1.0, dict[Subject, int]()
    for look in looks:
        if look.family != current:
            left, current, taken = _left(left, current, taken), look.family, {}
        taken[look.subject] = max(taken.get(look.subject, 0), look.k)
    if family != current:
        left, taken = _left(left, current, taken), {}
    return Standing(left / len(family), taken.get(subject, 0))


def _left(whole: float, family: Family, taken: dict[Subject, int]) -> float:
    """Return how much of `whole` a family's looks have not spent."""
    return whole - sum(whole / len(family) * spent_share(taken.get(subject, 0)) for subject in family)
