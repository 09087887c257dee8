"""What analysts have seen, and what each has set."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import replace
from core.catalog.schema import ANALYSTS, EXPOSURES

LIMITS = ("clear_budget", "break_minutes")


class People:
    """What analysts have seen, and what each has set. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_exposures(self, day: str, seen: Mapping[str, tuple[Mapping[str, int], Mapping[str, float]]]) -> None:
        """Add to what analysts saw on a day, {analyst: (views by level, seconds by level)}, all or none."""
        with self._database.writing() as connection:
            for analyst, (views, seconds) in sorted(seen.items()):
                for level in sorted({*views, *seconds}):
                    mine = (EXPOSURES.c.analyst == analyst) & (EXPOSURES.c.day == day) & (EXPOSURES.c.level == level)
                    more = {"views": views.get(level, 0), "seconds": seconds.get(level, 0.0)}
                    added = {key: EXPOSURES.c[key] + value for key, value in more.items()}
                    if not connection.execute(sa.update(EXPOSURES).where(mine).values(added)).rowcount:
                        connection.execute(sa.insert(EXPOSURES).values(analyst=analyst, day=day, level=level, **more))

    def exposures(self) -> list[dict[str, Any]]:
        """Return what was seen, the newest day first: dicts of analyst, day, level, views, seconds."""
        with self._database.reading() as connection:
            query = sa.select(EXPOSURES).order_by(EXPOSURES.c.day.desc(), EXPOSURES.c.analyst, EXPOSURES.c.level)
            return [dict(found) for found in connection.execute(query).mappings()]

    def wants_no_guide(self, analyst: str) -> bool:
        """Tell whether an analyst has dismissed the guide of a first visit."""
        with self._database.reading() as connection:
            return bool(_of(connection, analyst).get("guide_dismissed", False))

    def limits(self, analyst: str) -> dict[str, int]:
        """Return the limits an analyst has set: clear_budget, break_minutes; those that were never set are left out."""
        with self._database.reading() as connection:
            known = _of(connection, analyst)
        return {name: known[name] for name in LIMITS if known.get(name) is not None}

    def set(self, analyst: str, **values: bool | int) -> None:
        """Keep what an analyst has set: guide_dismissed, clear_budget, break_minutes."""
        with self._database.writing() as connection:
            usual = {"name": analyst, "guide_dismissed": False, **dict.fromkeys(LIMITS)}
            replace(connection, ANALYSTS, [{**usual, **_of(connection, analyst), **values}])


def _of(connection: sa.Connection, analyst: str) -> dict[str, Any]:
    found = connection.execute(sa.select(ANALYSTS).where(ANALYSTS.c.name == analyst)).mappings().first()
    return dict(found) if found else {}
