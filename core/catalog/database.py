"""The database behind a catalog: an SQLite file, or any other that SQLAlchemy supports."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from core.errors import ReadOnlyError
from core.store.sqlite import read_only_sentence
from core.store.troubles import translated


class Database:
    """Read and write transactions; thread-safe."""

    def __init__(self, engine: sa.Engine, *, where: str, read_only: bool = False) -> None:
        """Wrap an engine.

        Args:
            where: its name in error messages.
            read_only: refuse to write.
        """
        self.engine, self.where, self.read_only = engine, where, read_only
        self._writer = engine.execution_options(writes=True)  # `core.catalog.catalog` begins its transactions otherwise
        self.refusal = read_only_sentence(Path(where).parent)  # the message of the `ReadOnlyError` for writes

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a connection for reading.

        Raises:
            DamageError: if it cannot be read.
        """
        with translated(self.where), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a connection whose changes are committed at the end, all or none.

        Raises:
            ReadOnlyError: if the database is read-only.
        """
        if self.read_only:
            raise ReadOnlyError(self.refusal)
        with translated(self.where), self._writer.begin() as connection:
            yield connection

    def count(self, table: sa.Table) -> int:
        """Count the rows of a table."""
        with self.reading() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
