"""Openings of check sets, second readings, operating points."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import inserted_key, now
from core.catalog.schema import OPERATING_POINTS, REVEALS, SECOND_READINGS
from core.catalog.settings import Settings


class Evidence:
    """Openings of check sets, second readings, operating points. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self) -> tuple[Any, ...]:
        """Return what changes whenever an opening, a second reading, a point, the point in force or a focus draw is added."""
        settings = Settings(self._database)
        counts = (self._database.count(table) for table in (REVEALS, SECOND_READINGS, OPERATING_POINTS))
        return (*counts, str(settings.get("in_force")), len(settings.get("focus", [])))

    def add_reveal(self, check_set: int, look: int, key: str, probe: int, analyst: str, record: Mapping[str, Any]) -> int:
        """Commit an opening of a check set and return its number."""
        values = {"check_set": check_set, "look": look, "key": key, "probe": probe, "analyst": analyst, "record": dict(record)}
        with self._database.writing() as connection:
            return inserted_key(connection, sa.insert(REVEALS).values(**values, at=now()))

    def reveals(self) -> list[dict[str, Any]]:
        """Return all openings, newest first: number, check_set, look, key, probe, analyst, at, record."""
        return self._rows(sa.select(REVEALS).order_by(REVEALS.c.number.desc()))

    def add_second_reading(self, row: int, class_name: str, analyst: str, guideline: str) -> None:
        """Commit a second analyst's reading of a check image (one an image)."""
        values = {"row": row, "class_name": class_name, "analyst": analyst, "guideline": guideline, "at": now()}
        with self._database.writing() as connection:
            connection.execute(sa.insert(SECOND_READINGS).values(**values))

    def second_readings(self) -> list[dict[str, Any]]:
        """Return all second readings by row: row, class_name, analyst, at, guideline."""
        return self._rows(sa.select(SECOND_READINGS).order_by(SECOND_READINGS.c.row))

    def add_point(self, name: str, reveal: int, threshold: float, analyst: str) -> None:
        """Commit an operating point."""
        values = {"name": name, "reveal": reveal, "threshold": threshold, "analyst": analyst, "at": now()}
        with self._database.writing() as connection:
            connection.execute(sa.insert(OPERATING_POINTS).values(**values))

    def points(self) -> list[dict[str, Any]]:
        """Return all operating points, oldest first: name, reveal, threshold, analyst, at."""
        return self._rows(sa.select(OPERATING_POINTS).order_by(OPERATING_POINTS.c.at))

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._database.reading() as connection:
            return [dict(found) for found in connection.execute(query).mappings()]
