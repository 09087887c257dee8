"""Exposures of analysts by day, and their own limits, kept in the workspace. Each verb takes the workspace."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from core.catalog.rows import now
from core.errors import InputError
from core.images.decode import PrivacyView
from core.labels.actions import labelled_on
from core.wellbeing.exposure import Exposure, Level, Limits, level_of
from core.workspace import Workspace

MOST_SECONDS = 60.0  # a window reports every two seconds; a longer time is an invalid report


@dataclass(frozen=True)
class Glance:
    """What one window has shown its analyst since its last report."""

    views: Mapping[Level, int]
    seconds: Mapping[Level, float]  # 0 to `MOST_SECONDS`

    @classmethod
    def of(cls, views: Mapping[str, int], seconds: Mapping[str, float]) -> "Glance":
        """Check a report of a window, by privacy view.

        Raises:
            InputError: if a view is unknown or a number is out of range.
        """
        seen: Counter[Level] = Counter()
        lasted: dict[Level, float] = {}
        for view, n in views.items():
            seen[_level(view)] += int(n)
        for view, time in seconds.items():
            lasted[_level(view)] = lasted.get(_level(view), 0.0) + float(time)
        numbers = [*seen.values(), *lasted.values()]
        longest = max(lasted.values(), default=0)
        if any(not math.isfinite(number) or number < 0 for number in numbers) or longest > MOST_SECONDS:
            raise InputError(
                f"The page reported {dict(views)} views in {dict(seconds)} s, which is impossible; reload the page."
            )
        return cls(seen, lasted)

    def __add__(self, other: "Glance") -> "Glance":
        views = {level: self.views.get(level, 0) + other.views.get(level, 0) for level in {**self.views, **other.views}}
        seconds = {
            level: self.seconds.get(level, 0.0) + other.seconds.get(level, 0.0) for level in {**self.seconds, **other.seconds}
        }
        return Glance(views, seconds)


def add_exposures(workspace: Workspace, glances: Mapping[str, Glance]) -> dict[str, Exposure]:
    """Add exposures in one transaction and return each analyst's day; {} if the workspace is open for reading only."""
    if not workspace.writable:
        return {}
    workspace.catalog.people.add_exposures(today(), {analyst: (g.views, g.seconds) for analyst, g in glances.items()})
    found = {seen.analyst: seen for seen in exposures(workspace) if seen.day == today()}
    return {analyst: found[analyst] for analyst in glances}


def _level(view: str) -> Level:
    if view not in set(PrivacyView):
        raise InputError(f"There is no view '{view}'; reload the page.")
    return level_of(PrivacyView(view))


def today() -> str:
    """Return the current day, UTC, as YYYY-MM-DD."""
    return now()[:10]


def exposures(workspace: Workspace) -> list[Exposure]:
    """Return the exposure of every analyst on every day, newest day first."""
    by_day: dict[tuple[str, str], tuple[dict[Level, int], dict[Level, float]]] = {}
    for found in workspace.catalog.people.exposures():
        views, seconds = by_day.setdefault((found["analyst"], found["day"]), ({}, {}))
        level = Level(found["level"])
        views[level], seconds[level] = found["views"], found["seconds"]
    labels = labelled_on(workspace)
    return [Exposure(*key, views, seconds, labels.get(key, 0)) for key, (views, seconds) in by_day.items()]


def exposure(workspace: Workspace, analyst: str) -> Exposure:
    """Return the exposure of an analyst today."""
    mine = [seen for seen in exposures(workspace) if (seen.analyst, seen.day) == (analyst, today())]
    return mine[0] if mine else Exposure(analyst, today(), labels=labelled_on(workspace).get((analyst, today()), 0))


def limits(workspace: Workspace, analyst: str) -> Limits:
    """Return an analyst's own limits."""
    return Limits(**workspace.catalog.people.limits(analyst))


def set_limits(workspace: Workspace, analyst: str, wanted: Limits) -> None:
    """Save an analyst's limits."""
    workspace.catalog.people.set(analyst, **vars(wanted))
