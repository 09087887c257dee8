"""Exposure of an analyst: views and seconds by level, a daily budget, and when a break is due. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from core.errors import InputError
from core.images.decode import PrivacyView

CLEAR_BUDGET = 200  # clear views a day; 0 = none
BREAK_MINUTES = 20  # of viewing clear or grey pictures without a pause; 0 = no reminder
PAUSE = 300.0  # s without a clear or grey picture that counts as a pause


class Level(StrEnum):
    """How clear a picture was, clearest first; a blurred and grey picture counts as blurred."""

    CLEAR = "clear"
    GREY = "grey"
    BLURRED = "blurred"


@dataclass(frozen=True)
class Exposure:
    """What one analyst saw on one day (UTC)."""

    analyst: str
    day: str  # YYYY-MM-DD
    views: Mapping[Level, int] = field(default_factory=dict)  # pictures shown for at least a quarter of a second
    seconds: Mapping[Level, float] = field(default_factory=dict)  # time with at least one such picture on the screen
    labels: int = 0  # images labelled that day, without undone labels

    @property
    def labels_per_clear_view(self) -> float | None:
        """Return the labels per clear view; None before the first clear view."""
        clear = self.views.get(Level.CLEAR, 0)
        return self.labels / clear if clear else None


@dataclass(frozen=True)
class Limits:
    """One analyst's own limits."""

    clear_budget: int = CLEAR_BUDGET
    break_minutes: int = BREAK_MINUTES

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: if one is negative.
        """
        if self.clear_budget < 0 or self.break_minutes < 0:
            got = f"{self.clear_budget} clear views and {self.break_minutes} minutes"
            raise InputError(f"Limits cannot be negative, got {got}; 0 turns a limit off.")


@dataclass(frozen=True)
class Streak:
    """A period of viewing without a pause."""

    seconds: float = 0.0  # of clear or grey pictures
    last: float = float("-inf")  # s on the clock, when the newest one was seen
    reminded: bool = False

    def after(self, seconds: float, now: float, limits: Limits) -> tuple["Streak", bool]:
        """Add viewing time, and tell whether to remind of a break now; that happens once per streak.

        Args:
            seconds: of clear or grey pictures since the last call.
            now: s, on a clock that never goes back.
        """
        if not seconds:
            return self, False
        fresh = now - self.last > PAUSE
        streak = Streak(seconds if fresh else self.seconds + seconds, now, False if fresh else self.reminded)
        due = bool(limits.break_minutes) and not streak.reminded and streak.seconds >= 60 * limits.break_minutes
        return replace(streak, reminded=streak.reminded or due), due


def level_of(view: PrivacyView) -> Level:
    """Return the level that a privacy view counts as."""
    return {
        PrivacyView.CLEAR: Level.CLEAR,
        PrivacyView.GREY: Level.GREY,
        PrivacyView.BLURRED: Level.BLURRED,
        PrivacyView.BLURRED_GREY: Level.BLURRED,
    }[view]
