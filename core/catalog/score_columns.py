"""Scores that other models gave the images, one array per column."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from core.arrays import FloatArray
from core.catalog.database import Database
from core.catalog.rows import now, replace
from core.catalog.schema import SCORE_COLUMNS
from core.errors import DamageError

STORED = np.dtype("<f8")  # as the file gave them: float32 would make ties among scores near 1


@dataclass(frozen=True)
class ScoreColumn:
    """A score column without its scores."""

    name: str
    higher_is_safer: bool  # as declared; else higher = more likely flagged
    n_scored: int  # images with a score
    version: str  # changes with the scores and the direction
    file: str  # name of the newest file with such scores
    at: str  # ISO 8601, UTC, of its import


@dataclass(frozen=True, eq=False)
class NewColumn:
    """A score column to be stored."""

    name: str
    higher_is_safer: bool
    file: str
    values: FloatArray  # (N,) float64 by row; NaN = no score


class ScoreColumns:
    """Scores that other models gave. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[ScoreColumn]:
        """Return the columns by name; their scores are not read."""
        columns = [column for column in SCORE_COLUMNS.columns if column.name != "scores"]
        with self._database.reading() as connection:
            found = connection.execute(sa.select(*columns).order_by(SCORE_COLUMNS.c.name)).mappings()
            return [ScoreColumn(**column) for column in found]

    def values(self, name: str) -> FloatArray:
        """Return the scores of a column as they were imported, (K,) float64 by row, NaN = none; (0,) of an unknown column.

        Raises:
            DamageError: if they cannot be read.
        """
        with self._database.reading() as connection:
            found = connection.scalar(sa.select(SCORE_COLUMNS.c.scores).where(SCORE_COLUMNS.c.name == name)) or b""
        if len(found) % STORED.itemsize:
            raise DamageError(f"The scores of '{name}' in {self._database.where} are damaged; import their file again.")
        return np.frombuffer(found, STORED).astype(np.float64)

    def put(self, columns: Sequence[NewColumn]) -> None:
        """Store columns, replacing those of the same name, all or none."""
        with self._database.writing() as connection:
            replace(connection, SCORE_COLUMNS, [_stored(column) for column in columns])

    def remove(self, name: str) -> None:
        """Remove a column and its scores."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(SCORE_COLUMNS).where(SCORE_COLUMNS.c.name == name))


def _stored(column: NewColumn) -> dict[str, object]:
    scores = column.values.astype(STORED).tobytes()
    version = hashlib.blake2b(bytes([column.higher_is_safer]) + scores, digest_size=12).hexdigest()
    return {
        "name": column.name,
        "higher_is_safer": column.higher_is_safer,
        "n_scored": int((~np.isnan(column.values)).sum()),
        "version": version,
        "file": column.file,
        "at": now(),
        "scores": scores,
    }
