"""What analysts have seen."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.schema import EXPOSURES


class People:
    """What analysts have seen. Each method is one transaction."""

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
