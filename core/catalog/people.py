"""Analysts: their exposures and their own settings."""

from collections.abc import Mapping
from typing import TypedDict, TypeVar, cast

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import replace
from core.catalog.schema import ANALYSTS, EXPOSURES

Level = TypeVar("Level", bound=str)


class ExposureRow(TypedDict):
    """What one analyst saw on one day (UTC) at one level."""

    analyst: str
    day: str  # YYYY-MM-DD
    level: str
    views: int
    seconds: float


class AnalystRow(TypedDict):
    """What one analyst has set; None = never set."""

    name: str
    guide_dismissed: bool
    clear_budget: int | None
    break_minutes: int | None


class People:
    """Analysts: their exposures and their own settings. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_exposures(self, day: str, seen: Mapping[str, tuple[Mapping[Level, int], Mapping[Level, float]]]) -> None:
        """Add exposures of one day, {analyst: (views by level, seconds by level)}, all or none."""
        with self._database.writing() as connection:
            for analyst, (views, seconds) in sorted(seen.items()):
                for level in sorted({*views, *seconds}):
                    mine = (EXPOSURES.c.analyst == analyst) & (EXPOSURES.c.day == day) & (EXPOSURES.c.level == level)
                    more = {"views": views.get(level, 0), "seconds": seconds.get(level, 0.0)}
                    added = {key: EXPOSURES.c[key] + value for key, value in more.items()}
                    if not connection.execute(sa.update(EXPOSURES).where(mine).values(added)).rowcount:
                        connection.execute(sa.insert(EXPOSURES).values(analyst=analyst, day=day, level=level, **more))

    def exposures(self) -> list[ExposureRow]:
        """Return all exposures, newest day first."""
        with self._database.reading() as connection:
            query = sa.select(EXPOSURES).order_by(EXPOSURES.c.day.desc(), EXPOSURES.c.analyst, EXPOSURES.c.level)
            return [cast(ExposureRow, dict(found)) for found in connection.execute(query).mappings()]

    def wants_no_guide(self, analyst: str) -> bool:
        """Tell whether an analyst has dismissed the first-visit guide."""
        with self._database.reading() as connection:
            return bool(_row_of(connection, analyst)["guide_dismissed"])

    def limits(self, analyst: str) -> dict[str, int]:
        """Return the limits an analyst has set (clear_budget, break_minutes); limits never set are left out."""
        with self._database.reading() as connection:
            known = _row_of(connection, analyst)
        found = {"clear_budget": known["clear_budget"], "break_minutes": known["break_minutes"]}
        return {name: limit for name, limit in found.items() if limit is not None}

    def set(self, analyst: str, **values: bool | int) -> None:
        """Store an analyst's settings: guide_dismissed, clear_budget, break_minutes; others stay as they are."""
        with self._database.writing() as connection:
            replace(connection, ANALYSTS, [{**_row_of(connection, analyst), **values}])


def _row_of(connection: sa.Connection, analyst: str) -> AnalystRow:
    """Return an analyst's row, or the defaults if there is none."""
    found = connection.execute(sa.select(ANALYSTS).where(ANALYSTS.c.name == analyst)).mappings().first()
    if found is None:
        return {"name": analyst, "guide_dismissed": False, "clear_budget": None, "break_minutes": None}
    return cast(AnalystRow, dict(found))
