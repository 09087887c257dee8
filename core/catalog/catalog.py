"""The catalog: what a workspace knows, by topic. Holds no matrices. Nothing outside `core` touches it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.evidence import Evidence
from core.catalog.images import Images
from core.catalog.labels import Labels, replace_classes
from core.catalog.models import Models
from core.catalog.people import People
from core.catalog.records import ImageClass
from core.catalog.rows import replace
from core.catalog.schema import METADATA, SETTINGS
from core.catalog.settings import Settings
from core.catalog.upgrade import is_older, upgrade
from core.errors import WorkspaceError
from core.store.sqlite import SqliteFile
from core.store.troubles import sound, translated


class Catalog:
    """The topics of one database, each a set of verbs."""

    def __init__(self, engine: sa.Engine, *, where: str, read_only: bool = False, file: SqliteFile | None = None) -> None:
        """Take a database that SQLAlchemy reaches; `in_folder` opens a workspace's own.

        Args:
            where: how errors name it.
            read_only: nothing is written, not even tables that are missing; those are empty.
            file: closed with the catalog.
        Raises:
            DamageError: if it cannot be read.
            WorkspaceError: if a newer version of this program has written it.
        """
        self.database, self._file = Database(engine, where=where, read_only=read_only), file
        self.images, self.labels, self.models = Images(self.database), Labels(self.database), Models(self.database)
        self.evidence, self.people = Evidence(self.database), People(self.database)
        self.settings = Settings(self.database)
        if not read_only:
            with self.database.writing() as connection, sound(where):
                upgrade(connection, where)

    @classmethod
    def in_folder(cls, folder: Path, *, read_only: bool = False) -> "Catalog":
        """Open (or for writing create) `catalog.sqlite` inside a workspace folder."""
        return cls.of_file(folder / "catalog.sqlite", read_only=read_only)

    @classmethod
    def of_file(cls, path: Path, *, read_only: bool = False) -> "Catalog":
        """Open (or for writing create) an SQLite file; its name may hold any character.

        One that an older version has written is upgraded; for reading, a copy of it is.
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
        except WorkspaceError:
            engine.dispose()
            file.close()
            raise

    def initialise(self, settings: Mapping[str, Any], classes: Sequence[ImageClass]) -> None:
        """Write the first settings and classes of a new workspace, all or none."""
        values = [{"key": key, "value": value} for key, value in settings.items()]
        with self.database.writing() as connection:
            replace(connection, SETTINGS, values)
            replace_classes(connection, classes)

    def close(self) -> None:
        """Close all connections; SQLite folds its write-ahead log into the file."""
        self.database.engine.dispose()
        if self._file is not None:
            self._file.close()


def _engine(file: SqliteFile) -> sa.Engine:
    """Return an engine whose every transaction is one of SQLite's: the driver's own leave changes of tables out."""
    engine = sa.create_engine("sqlite://", creator=file.connect, poolclass=sa.QueuePool)
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    if file.read_only:
        sa.event.listen(engine, "connect", _fill_in_tables)
    return engine


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _must_be_upgraded(engine: sa.Engine, where: str) -> bool:
    with translated(where), engine.connect() as connection:
        return is_older(connection, where)


def _fill_in_tables(connection: Any, _record: object) -> None:
    """Stand in for tables that damage has taken, for this connection alone, and write nothing."""
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in METADATA.sorted_tables:
        if table.name not in known:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            connection.execute(f'CREATE TEMP TABLE "{table.name}" ({columns})')
    connection.execute("PRAGMA query_only=ON")
