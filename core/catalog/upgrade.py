"""Bring a catalog's tables to the version that this program has (Alembic), or say that they are newer than it.

Alembic takes a third of a second to import, so the version is looked up without it.
"""

import logging
from pathlib import Path

import sqlalchemy as sa

from core.catalog.schema import METADATA, VERSION, VERSIONS
from core.errors import WorkspaceError

LOG = logging.getLogger("lassoscope.catalog")
MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def version_of(connection: sa.Connection) -> str | None:
    """Return a catalog's version; None if it is older than versions, or holds nothing yet."""
    if not sa.inspect(connection).has_table(VERSIONS.name):
        return None
    return connection.scalar(sa.select(VERSIONS.c.version_num))


def is_older(connection: sa.Connection, where: str) -> bool:
    """Tell whether a catalog has to be upgraded.

    Raises:
        WorkspaceError: if it is newer than this program.
    """
    found = version_of(connection)
    if found is not None and found > VERSION:
        raise WorkspaceError(
            f"{where} was written by a newer Lassoscope (its catalog has version {found}, this program knows {VERSION}); "
            "update Lassoscope to open it."
        )
    return found != VERSION


def upgrade(connection: sa.Connection, where: str) -> None:
    """Make a new catalog's tables, or bring older ones to this version, within a transaction.

    Raises:
        WorkspaceError: if they are newer than this program.
    """
    if not is_older(connection, where):
        METADATA.create_all(connection)  # a table that damage has taken
        return
    if not sa.inspect(connection).get_table_names():
        METADATA.create_all(connection)
        connection.execute(sa.insert(VERSIONS).values(version_num=VERSION))
        return
    from alembic import command
    from alembic.config import Config

    LOG.info("the catalog's tables are upgraded", extra={"to": VERSION})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
