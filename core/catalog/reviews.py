"""Images drawn at random in Review, by point and time in force."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import insert, now
from core.catalog.schema import REVIEW_DRAWS


@dataclass(frozen=True)
class Draw:
    """One image that was drawn."""

    side: str  # of the threshold, as `core.triage.queue.Side` names it
    row: int


class Reviews:
    """The draws. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def draws(self, point: str, since: str) -> list[Draw]:
        """Return what was drawn while a point is in force, oldest first.

        Args:
            since: when it was put in force.
        """
        table = REVIEW_DRAWS.c
        mine = (table.point == point) & (table.since == since)
        with self._database.reading() as connection:
            found = connection.execute(sa.select(table.side, table.row).where(mine).order_by(table.number))
            return [Draw(side, int(row)) for side, row in found]

    def add_draws(self, point: str, since: str, draws: Sequence[Draw]) -> None:
        """Keep further draws, all or none."""
        at = now()
        with self._database.writing() as connection:
            values = [{"point": point, "since": since, "side": draw.side, "row": draw.row, "at": at} for draw in draws]
            insert(connection, REVIEW_DRAWS, values)
