"""Named views of the page, shared by everybody who uses the workspace."""

from dataclasses import dataclass

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import now, replace
from core.catalog.schema import NAMED_VIEWS


@dataclass(frozen=True)
class NamedView:
    """What the page shows, under a name."""

    name: str
    query: str  # of the page's address
    analyst: str  # who saved it last
    at: str  # ISO 8601, UTC


class Views:
    """Named views. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[NamedView]:
        """Return the views by name."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(NAMED_VIEWS).order_by(NAMED_VIEWS.c.name)).mappings()
            return [NamedView(**view) for view in found]

    def put(self, name: str, query: str, analyst: str) -> None:
        """Store a view, replacing one of the same name."""
        with self._database.writing() as connection:
            replace(connection, NAMED_VIEWS, [{"name": name, "query": query, "analyst": analyst, "at": now()}])

    def rename(self, name: str, to: str) -> bool:
        """Give a view another name; False, and nothing changes, if there is none of the old one or one of the new one."""
        with self._database.writing() as connection:
            if connection.execute(sa.select(NAMED_VIEWS.c.name).where(NAMED_VIEWS.c.name == to)).first() is not None:
                return False
            changed = connection.execute(sa.update(NAMED_VIEWS).where(NAMED_VIEWS.c.name == name).values(name=to))
            return bool(changed.rowcount)

    def remove(self, name: str) -> None:
        """Remove a view."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(NAMED_VIEWS).where(NAMED_VIEWS.c.name == name))
