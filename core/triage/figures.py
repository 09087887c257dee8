"""What the answers in Review say of a point: shares with exact limits, the pace of people. Numpy and scipy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.evidence.bounds import lower_limit, upper_limit

ALPHA = 0.05  # error of a range, and of a limit
RECENT_SECONDS = 1_800.0  # the pace is that of this long
PAUSE_SECONDS = 60.0  # a longer pause is none of work
FEWEST_ANSWERS = 5  # with fewer there is no pace


@dataclass(frozen=True)
class Share:
    """The share of flagged classes in a random sample, with exact (Clopper-Pearson) limits.

    Images that people were unsure of count on whichever side makes a limit wider.
    """

    x: int  # of the classes
    unsure: int
    n: int  # decided, the unsure ones included

    @property
    def value(self) -> float:
        """Return the estimate; NaN without a label."""
        return self.x / (self.n - self.unsure) if self.n > self.unsure else math.nan

    @property
    def range(self) -> tuple[float, float]:
        """Return the two-sided 95% limits."""
        return lower_limit(self.x, self.n, ALPHA / 2), upper_limit(self.x + self.unsure, self.n, ALPHA / 2)

    @property
    def most(self) -> float:
        """Return the one-sided 95% upper limit; 1 without an answer."""
        return upper_limit(self.x + self.unsure, self.n, ALPHA)

    @classmethod
    def of(cls, rows: Sequence[int], *, right: BoolArray, unsure: BoolArray, open: BoolArray) -> "Share":
        """Count a sample.

        Args:
            rows: that were drawn; those that nobody has decided on yet do not count.
            right: (N,) bool, carries a label of the classes; `unsure`, `open` likewise.
        """
        mine = np.array(rows, np.int64)
        decided = mine[~open[mine]]
        return cls(int(right[decided].sum()), int(unsure[decided].sum()), len(decided))


@dataclass(frozen=True)
class Figures:
    """A point's queue at one moment."""

    waiting: int
    today: int  # flagged images that came in today, decided or not
    not_scored: int  # images that the point cannot decide about yet
    answered: Share  # all flagged images that were answered in Review: in the order of the queue, so no random sample
    precision: Share  # the random sample of what is flagged
    elusion: Share  # the random sample of what is left up
    pace: float  # answers a minute of all who answer; NaN if nobody does
    analysts: int  # who have answered lately

    @property
    def minutes_left(self) -> float:
        """Return how long the queue lasts at this pace; NaN without one."""
        return self.waiting / self.pace if self.pace > 0 else math.nan


def pace(times: FloatArray, now: float) -> float:
    """Return answers a minute in the last half hour, of the time in which people answered; NaN with too few.

    Args:
        times: (n,) seconds since 1970, ascending.
    """
    recent = times[times > now - RECENT_SECONDS]
    if len(recent) < FEWEST_ANSWERS:
        return math.nan
    at_work = float(np.minimum(np.diff(recent), PAUSE_SECONDS).sum())
    return 60 * (len(recent) - 1) / max(at_work, 1e-3)
