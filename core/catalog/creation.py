"""A workspace folder before it is opened: find out what is in it, and create a new catalog atomically."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.catalog.catalog import Catalog
from core.catalog.records import ImageClass
from core.catalog.salvage import REPAIRED
from core.catalog.schema import METADATA
from core.errors import DamageError, InputError, WorkspaceError
from core.store.files import atomic_path
from core.store.sqlite import SqliteFile, has_log, remove_database
from core.store.troubles import translated

LONGEST = 470  # bytes of a folder's path: SQLite allows 512, including the names of its own files
HEADER = b"SQLite format 3\0"
WORK = ("images", "actions", "rejected", "paths")  # tables that are empty in an unused catalog


class FolderState(StrEnum):
    """Whether a folder holds a workspace."""

    COMPLETE = "complete"
    MISSING = "missing"  # nothing of a workspace
    UNFINISHED = "unfinished"  # a catalog whose creation was interrupted, with no work in it


def catalog_file(folder: Path) -> Path:
    """Return the file to read a workspace's catalog from: a repaired one if it has not replaced the damaged one yet."""
    repaired = folder / REPAIRED
    return repaired if repaired.is_file() else folder / "catalog.sqlite"


def state_of(folder: Path) -> FolderState:
    """Tell whether a folder holds a workspace, without changing anything.

    Raises:
        DamageError: if the folder holds work but its catalog is missing, empty, or another database.
        WorkspaceError: if the folder is a file, or its catalog a folder.
        InputError: if its path is too long.
    """
    if len(os.fsencode(os.path.realpath(folder))) > LONGEST:
        raise InputError(
            f"The path of {folder.name[:40]}… is too long for SQLite (over {LONGEST} bytes); choose a shorter one."
        )
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file, but a workspace is a folder; choose another path.")
    path = catalog_file(folder)
    if path.is_dir():
        raise WorkspaceError(f"{path} is a folder, but a catalog is a file; choose another workspace.")
    if not path.exists():
        if work := _other_work(folder):
            raise DamageError(f"{folder} holds {work} but no catalog.sqlite; restore it from a copy, or choose another folder.")
        return FolderState.MISSING
    if not path.stat().st_size:
        if work := _other_work(folder) or ("a log of changes" if has_log(path) else ""):
            raise DamageError(f"{path} is empty, but {folder} holds {work}; restore the file from a copy.")
        return FolderState.UNFINISHED
    return _state_inside(path, folder)


def _state_inside(path: Path, folder: Path) -> FolderState:
    file = SqliteFile(path, read_only=True)
    try:
        with translated(str(path)):
            connection = file.connect()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            has_work = any(_has_rows(connection, name) for name in WORK if name in tables)
            is_whole = {"settings", "classes"} <= tables and _has_rows(connection, "classes") and _has_salt(connection)
            connection.close()
    except DamageError:
        if not _has_header(path):
            raise
        return FolderState.COMPLETE  # damaged: some of it may be readable, which opening it will tell
    finally:
        file.close()
    if not tables & set(METADATA.tables) and tables:
        raise DamageError(f"{path} is not a Lassoscope catalog but another database; choose another workspace.")
    if has_work or is_whole:
        return FolderState.COMPLETE
    if work := _other_work(folder):
        raise DamageError(f"{path} holds no images, but {folder} holds {work}; restore the file from a copy.")
    return FolderState.UNFINISHED


def _has_header(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER


def _has_rows(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() is not None


def _has_salt(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM settings WHERE key = 'salt'").fetchone() is not None


def _other_work(folder: Path) -> str:
    """Name files in a folder that only a workspace with images has; "" if there are none."""
    if any((folder / "embeddings").glob("*/*.npy")):
        return "embeddings"
    thumbnails = folder / "thumbnails.sqlite"
    if thumbnails.is_file() and thumbnails.stat().st_size:
        file = SqliteFile(thumbnails, read_only=True)
        try:
            connection = file.connect()
            found = _has_rows(connection, "thumbnails")
            connection.close()
        except sqlite3.Error:
            found = False
        finally:
            file.close()
        return "thumbnails" if found else ""
    return ""


def create_catalog(folder: Path, settings: Mapping[str, Any], classes: Sequence[ImageClass]) -> None:
    """Create a folder's catalog with settings and classes; it appears under its name only when complete."""
    path = folder / "catalog.sqlite"
    with atomic_path(path) as aside:
        catalog = Catalog.of_file(aside)
        try:
            catalog.initialise(settings, classes)
        finally:
            catalog.close()
        remove_database(path)  # left by an interrupted creation; its log would be mistaken for the new file's
