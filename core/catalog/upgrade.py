"""Upgrade a catalog's tables to this program's version with Alembic; refuse tables that are newer.

Importing Alembic takes a third of a second, so the version is read without it.
"""

import logging
from pathlib import Path

import sqlalchemy as sa

from core.catalog.schema import METADATA, VERSION, VERSIONS
from core.errors import WorkspaceError

LOG = logging.getLogger("lassoscope.catalog")
MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def version_of(connection: sa.Connection) -> str | None:
    """Return a catalog's version; None if it is empty, or older than version numbers."""
    if not sa.inspect(connection).has_table(VERSIONS.name):
        return None
    return connection.scalar(sa.select(VERSIONS.c.version_num))


def is_older(connection: sa.Connection, where: str) -> bool:
    """Tell whether a catalog needs an upgrade.

    Raises:
        WorkspaceError: if it is newer than this program.
    """
    found = version_of(connection)
    if found is not None and found > VERSION:
        raise WorkspaceError(
            f"{where} was written by a newer Lassoscope (its catalog has version {found}, this program supports up to "
            f"{VERSION}); update Lassoscope to open it."
        )
    return found != VERSION


def upgrade(connection: sa.Connection, where: str) -> None:
    """Create a new catalog's tables, or upgrade older ones to this version, within a transaction.

    Raises:
        WorkspaceError: if they are newer than this program.
    """
    is_behind, found = is_older(connection, where), set(sa.inspect(connection).get_table_names())
    if not is_behind:
        if METADATA.tables.keys() - found:
            METADATA.create_all(connection)  # a damaged catalog may lack a table
        return
    if not found:
        METADATA.create_all(connection, checkfirst=False)
        connection.execute(sa.insert(VERSIONS).values(version_num=VERSION))
        return
    from alembic import command
    from alembic.config import Config

    LOG.info("upgrading the catalog's tables", extra={"to": VERSION})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
