"""The database a catalog is kept in: one SQLite file, or any other that SQLAlchemy reaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from core.errors import ReadOnlyError
from core.store.sqlite import read_only_sentence
from core.store.troubles import translated


class Database:
    """Transactions for reading and for writing; safe to use from several threads."""

    def __init__(self, engine: sa.Engine, *, where: str, read_only: bool = False) -> None:
        """Take a database that SQLAlchemy reaches.

        Args:
            where: how errors name it.
            read_only: nothing is written.
        """
        self.engine, self.where, self.read_only = engine, where, read_only
        self.refusal = read_only_sentence(Path(where).parent)  # what to say to who wants to write where nothing can be written

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Hold a connection to read with; what goes wrong becomes a sentence.

        Raises:
            DamageError: if it cannot be read.
        """
        with translated(self.where), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Hold a connection whose changes are committed at the end, all or none.

        Raises:
            ReadOnlyError: if nothing can be written.
        """
        if self.read_only:
            raise ReadOnlyError(self.refusal)
        with translated(self.where), self.engine.begin() as connection:
            yield connection

    def count(self, table: sa.Table) -> int:
        """Count the rows of a table."""
        with self.reading() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
