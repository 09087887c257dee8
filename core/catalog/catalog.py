"""The catalog: a workspace's database by topic. Holds no matrices. Private to `core`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.evidence import Evidence
from core.catalog.images import Images
from core.catalog.jobs import Jobs
from core.catalog.labels import Labels, replace_classes
from core.catalog.models import Models
from core.catalog.people import People
from core.catalog.records import ImageClass
from core.catalog.removals import Removals
from core.catalog.reviews import Reviews
from core.catalog.rows import replace
from core.catalog.schema import METADATA, SETTINGS
from core.catalog.score_columns import ScoreColumns
from core.catalog.settings import Settings
from core.catalog.upgrade import is_older, upgrade
from core.catalog.views import Views
from core.store.sqlite import SqliteFile
from core.store.troubles import sound, translated


class Catalog:
    """One database, with an attribute for each topic."""

    def __init__(self, engine: sa.Engine, *, where: str, read_only: bool = False, file: SqliteFile | None = None) -> None:
        """Open a database, upgrading it if it is older; `of_file` opens an SQLite file.

        Args:
            where: its name in error messages.
            read_only: write nothing, not even missing tables.
            file: closed with the catalog.
        Raises:
            DamageError: if it cannot be read.
            WorkspaceError: if a newer version of this program wrote it.
        """
        self.database, self._file = Database(engine, where=where, read_only=read_only), file
        self.images, self.labels, self.models = Images(self.database), Labels(self.database), Models(self.database)
        self.evidence, self.people = Evidence(self.database), People(self.database)
        self.score_columns, self.settings = ScoreColumns(self.database), Settings(self.database)
        self.views, self.jobs, self.reviews = Views(self.database), Jobs(self.database), Reviews(self.database)
        self.removals = Removals(self.database)
        if not read_only:
            with self.database.writing() as connection, sound(where):
                upgrade(connection, where)

    @classmethod
    def of_file(cls, path: Path, *, read_only: bool = False) -> "Catalog":
        """Open an SQLite file, whose name may contain any character; for writing, create it if it is missing.

        A file written by an older version is upgraded; for reading, a temporary copy is upgraded instead.
        """
        file = SqliteFile(path, read_only=read_only)
        engine = _engine(file)
        try:
            if read_only and _must_be_upgraded(engine, str(path)):
                engine.dispose()
                engine = _engine(file.copied())
                with translated(str(path)), sound(str(path)), engine.begin() as connection:
                    upgrade(connection, str(path))
            return cls(engine, where=str(path), read_only=read_only, file=file)
        except BaseException:
            engine.dispose()
            file.close()
            raise

    def initialise(self, settings: Mapping[str, Any], classes: Sequence[ImageClass]) -> None:
        """Write the first settings and classes of a new workspace, all or none."""
        values = [{"key": key, "value": value} for key, value in settings.items()]
        with self.database.writing() as connection:
            replace(connection, SETTINGS, values)
            replace_classes(connection, classes)

    def compact(self) -> None:
        """Rewrite the file, so that nothing that was deleted is left in it; who writes meanwhile waits."""
        if self._file is not None:
            with translated(self.database.where):
                self._file.compact()

    def close(self) -> None:
        """Close all connections; SQLite merges its write-ahead log into the file."""
        self.database.engine.dispose()
        if self._file is not None:
            self._file.close()


def _engine(file: SqliteFile) -> sa.Engine:
    """Create an engine that begins transactions itself: the driver's implicit ones do not cover changes of tables."""
    engine = sa.create_engine("sqlite://", creator=file.connect, poolclass=sa.QueuePool)
    sa.event.listen(engine, "connect", _disable_driver_transactions)
    sa.event.listen(engine, "begin", _begin)
    if file.read_only:
        sa.event.listen(engine, "connect", _add_missing_tables)
    return engine


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction; one that will write waits for other writers here, where SQLite lets it wait.

    One that has read already would be refused at once if another has written since ("database is locked").
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _disable_driver_transactions(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _must_be_upgraded(engine: sa.Engine, where: str) -> bool:
    with translated(where), engine.connect() as connection:
        return is_older(connection, where)


def _add_missing_tables(connection: Any, _record: object) -> None:
    """Create temporary empty tables in place of those a damaged file lacks; the file is not changed."""
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in METADATA.sorted_tables:
        if table.name not in known:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            connection.execute(f'CREATE TEMP TABLE "{table.name}" ({columns})')
    connection.execute("PRAGMA query_only=ON")
