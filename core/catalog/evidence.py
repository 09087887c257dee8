"""Check sets and their openings, second readings, focus draws, operating points."""

from collections.abc import Mapping
from typing import Any, TypedDict

import sqlalchemy as sa

from core.arrays import JsonObject
from core.catalog.database import Database
from core.catalog.rows import inserted_key, now, replace
from core.catalog.schema import CHECK_SETS, FOCUS_DRAWS, OPERATING_POINTS, POINTS_IN_FORCE, REVEALS, SECOND_READINGS


class CheckSetRow(TypedDict):
    """The terms of a check set; `core.catalog.check_set.CheckSet` says what they mean."""

    number: int
    after: float
    size: int
    recall: float
    confidence: float
    live: bool
    started_by: str
    started_at: str


class InForce(TypedDict, total=False):
    """The operating point in force, with who put it in force and when; empty if there is none."""

    name: str
    analyst: str
    at: str


class FocusDrawRow(TypedDict):
    """A focus draw; `core.evidence.focus.FocusDraw` says what the fields mean."""

    check_set: int
    after: float
    until: float
    probe: int
    encoder: str
    n_asked: int
    n_frame: int
    rows: list[int]
    analyst: str
    at: str


class OpeningRow(TypedDict):
    """One opening of a check set."""

    number: int
    check_set: int
    look: int
    key: str  # of the model and the batch of labels
    probe: int
    analyst: str
    at: str
    record: JsonObject  # read by `core.evidence.openings`, which skips what it cannot read
    policy: str  # its name; "" for all flagged classes
    scorer: str
    family: list[list[str]]  # policy and scorer of all that share the set's error since this opening
    share: float  # of the set's error, for all looks of this policy and scorer in this family


class SecondReadingRow(TypedDict):
    """A second analyst's reading of a check image."""

    row: int
    class_name: str
    analyst: str
    at: str
    guideline: str


class PointRow(TypedDict):
    """A saved operating point."""

    name: str
    opening: int  # its number
    threshold: float
    analyst: str
    at: str
    policy: str  # that of its opening, as is the scorer
    scorer: str


class Evidence:
    """Check sets and their openings, second readings, focus draws, operating points. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self) -> tuple[Any, ...]:
        """Return a value that changes whenever an opening, second reading, point, point in force or focus draw is added."""
        tables = (REVEALS, SECOND_READINGS, OPERATING_POINTS, POINTS_IN_FORCE, FOCUS_DRAWS)
        counts = (sa.select(sa.func.count()).select_from(table).scalar_subquery() for table in tables)
        with self._database.reading() as connection:
            return tuple(connection.execute(sa.select(*counts)).one())

    def check_set(self) -> CheckSetRow | None:
        """Return the terms of the newest check set; None if none were set."""
        found: list[CheckSetRow] = self._rows(sa.select(CHECK_SETS).order_by(CHECK_SETS.c.number.desc()).limit(1))
        return found[0] if found else None

    def set_check_set(self, terms: Mapping[str, object]) -> None:
        """Store the terms of a check set, replacing those of the set with the same number."""
        with self._database.writing() as connection:
            replace(connection, CHECK_SETS, [dict(terms)])

    def in_force(self, policy: str = "") -> InForce:
        """Return the operating point in force for a policy."""
        force, about = POINTS_IN_FORCE.c, sa.func.coalesce(REVEALS.c.policy, "")
        points = POINTS_IN_FORCE.outerjoin(OPERATING_POINTS, OPERATING_POINTS.c.name == force.name)
        opened = points.outerjoin(REVEALS, REVEALS.c.number == OPERATING_POINTS.c.reveal)
        query = sa.select(force.name, force.analyst, force.at).select_from(opened).where(about == policy)
        found: list[InForce] = self._rows(query.order_by(force.number.desc()).limit(1))
        return found[0] if found else {}

    def put_in_force(self, name: str, analyst: str) -> None:
        """Put a point in force for its policy from now on."""
        with self._database.writing() as connection:
            connection.execute(sa.insert(POINTS_IN_FORCE).values(name=name, analyst=analyst, at=now()))

    def add_focus_draw(self, draw: Mapping[str, object]) -> None:
        """Commit a draw of check images about which the model is uncertain, by the columns of `FocusDrawRow`."""
        with self._database.writing() as connection:
            connection.execute(sa.insert(FOCUS_DRAWS).values(**draw))

    def focus_draws(self) -> list[FocusDrawRow]:
        """Return all draws, oldest first."""
        columns = [column for column in FOCUS_DRAWS.columns if column.name != "number"]
        return self._rows(sa.select(*columns).order_by(FOCUS_DRAWS.c.number))

    def add_opening(self, opening: Mapping[str, object]) -> int:
        """Commit an opening of a check set, by the columns of `OpeningRow`, and return its number."""
        with self._database.writing() as connection:
            return inserted_key(connection, sa.insert(REVEALS).values(**opening, at=now()))

    def openings(self) -> list[OpeningRow]:
        """Return all openings, newest first."""
        return self._rows(sa.select(REVEALS).order_by(REVEALS.c.number.desc()))

    def add_second_reading(self, row: int, class_name: str, analyst: str, guideline: str) -> None:
        """Commit a second analyst's reading of a check image (one per image)."""
        values = {"row": row, "class_name": class_name, "analyst": analyst, "guideline": guideline, "at": now()}
        with self._database.writing() as connection:
            connection.execute(sa.insert(SECOND_READINGS).values(**values))

    def change_second_reading(self, row: int, class_name: str | None) -> None:
        """Commit another class for the second reading of an image; None removes the reading."""
        here = SECOND_READINGS.c.row == row
        change = (
            sa.delete(SECOND_READINGS).where(here)
            if class_name is None
            else sa.update(SECOND_READINGS).where(here).values(class_name=class_name, at=now())
        )
        with self._database.writing() as connection:
            connection.execute(change)

    def second_readings(self) -> list[SecondReadingRow]:
        """Return all second readings, by row."""
        return self._rows(sa.select(SECOND_READINGS).order_by(SECOND_READINGS.c.row))

    def add_point(self, name: str, opening: int, threshold: float, analyst: str) -> None:
        """Commit an operating point."""
        values = {"name": name, "reveal": opening, "threshold": threshold, "analyst": analyst, "at": now()}
        with self._database.writing() as connection:
            connection.execute(sa.insert(OPERATING_POINTS).values(**values))

    def points(self) -> list[PointRow]:
        """Return all operating points, oldest first."""
        points, opened = OPERATING_POINTS.c, REVEALS.c
        about = sa.func.coalesce(opened.policy, "").label("policy"), sa.func.coalesce(opened.scorer, "").label("scorer")
        query = sa.select(points.name, points.reveal.label("opening"), points.threshold, points.analyst, points.at, *about)
        return self._rows(query.select_from(OPERATING_POINTS.outerjoin(REVEALS)).order_by(points.at))

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with self._database.reading() as connection:
            return [dict(found) for found in connection.execute(query).mappings()]
