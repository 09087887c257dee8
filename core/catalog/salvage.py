"""Rebuild a valid catalog from what is readable in a damaged one."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.catalog.check_set import CheckSet
from core.catalog.migrations.entities import KINDS, move_entities
from core.catalog.schema import IMAGES_VERSION, METADATA, SETTING_TYPES, SETTINGS, VERSION, VERSIONS, Record
from core.errors import DamageError
from core.maths.halves import check_order, in_check_half
from core.store.files import atomic_path, fsync_folder
from core.store.salvage import most_rows, read_rows
from core.store.sqlite import SqliteFile, free_name
from core.store.troubles import translated
from core.wording import counted

WRITTEN_AT_ONCE = 10_000  # rows
LOST = "lost"  # prefix of the made-up id of an image whose record and id are lost
IMAGE_COLUMNS = ("row", "id", "path", "width", "height", "n_bytes", "format", "hash", "group", "is_check", "check_order")
REPAIRED = "catalog.repaired.sqlite"


@dataclass
class Salvaged:
    """How much of a file could be read."""

    rows: int = 0
    lost: dict[str, int] = field(default_factory=dict)  # by table: rows, or row numbers that may have been rows

    @property
    def sentence(self) -> str:
        """State what was lost."""
        if not self.lost:
            return f"All {counted(self.rows, 'record')} could be read."
        tables = ", ".join(sorted(self.lost))
        return f"{counted(self.rows, 'record')} could be read; records are lost from: {tables}."


def salvage_catalog(damaged: Path, target: Path) -> Salvaged:
    """Write a valid catalog of what is readable in a damaged one, which is not changed.

    Raises:
        DamageError: if nothing can be read because its first page is damaged.
    """
    found = Salvaged()
    file = SqliteFile(damaged, read_only=True, damaged=True)
    engine = sa.create_engine("sqlite://", creator=SqliteFile(target, read_only=False).connect, poolclass=sa.QueuePool)
    try:
        source, known = _source(file)
        METADATA.create_all(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")  # references to lost records are dropped at the end
            for table in METADATA.sorted_tables:
                if table.name in known:
                    _copy_table(source, connection, table, found)
            if "images" in known:
                _fill_gaps(source, connection)
            lost: list[str] = []
            move_entities(connection, lost=lost)
            found.lost |= {table: found.lost.get(table, 0) + 1 for table in lost}
            connection.execute(sa.delete(SETTINGS).where(SETTINGS.c.key == IMAGES_VERSION))  # no snapshot fits what is left
            connection.execute(sa.delete(VERSIONS))
            connection.execute(sa.insert(VERSIONS).values(version_num=VERSION))
            _drop_orphans(connection, found)
            connection.commit()
        source.close()
    finally:
        engine.dispose()
        file.close()
    return found


def _source(file: SqliteFile) -> tuple[sqlite3.Connection, set[str]]:
    try:
        source = file.connect()
        known = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise DamageError(f"Nothing in {file.path} can be read ({error}); restore a copy.") from None
    return source, known


def _copy_table(source: sqlite3.Connection, target: sa.Connection, table: sa.Table, found: Salvaged) -> None:
    present = _columns_in(source, table)
    columns = [column.name for column in present]
    holds = ", ".join("?" for _ in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    insert = f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({holds})'
    kept: list[tuple[Any, ...]] = []

    def write() -> None:
        if kept:
            target.exec_driver_sql(insert, kept)
            found.rows += len(kept)
            kept.clear()

    rows = chain(read_rows(source, table.name, columns), _from_key(source, table))
    for row in rows:
        mended = None if row is None else _mended(table, row, present)
        if mended is None:
            found.lost[table.name] = found.lost.get(table.name, 0) + 1
            continue
        kept.append(mended)
        if len(kept) == WRITTEN_AT_ONCE:
            write()
    write()


def _columns_in(source: sqlite3.Connection, table: sa.Table) -> list[sa.Column[Any]]:
    """Return a table's columns that a catalog has; an older one lacks some, which then get their defaults."""
    there = {name for (name,) in source.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
    return [column for column in table.columns if column.name in there]


def _from_key(source: sqlite3.Connection, table: sa.Table) -> Iterator[tuple[Any, ...]]:
    """Read a table whose columns all belong to its key from the key's index, as far as possible from either end."""
    names = [column.name for column in table.columns]
    if {column.name for column in table.primary_key} != set(names):
        return
    index = f"sqlite_autoindex_{table.name}_1"
    for direction in ("", " DESC"):
        order = ", ".join(f'"{name}"{direction}' for name in names)
        asked = ", ".join(f'"{name}"' for name in names)
        try:
            yield from source.execute(f'SELECT {asked} FROM "{table.name}" INDEXED BY "{index}" ORDER BY {order}')
            return
        except sqlite3.DatabaseError:
            continue


def _drop_orphans(target: sa.Connection, found: Salvaged) -> None:
    """Drop rows that refer to lost label actions. Openings whose model is lost stay: they were looks, and count."""
    dropped = target.exec_driver_sql("DELETE FROM action_images WHERE action NOT IN (SELECT seq FROM actions)").rowcount
    if dropped:
        found.lost["action_images"] = found.lost.get("action_images", 0) + dropped


def _fill_gaps(source: sqlite3.Connection, target: sa.Connection) -> None:
    """Insert placeholders for lost image records, so that the other images keep their rows.

    The id comes from the index of ids if it can be read, the file from the table of files, the half from the id.
    """
    most = most_rows(source)
    for table in ("images", "action_images"):  # invalid row numbers from a damaged page
        target.exec_driver_sql(f"DELETE FROM {table} WHERE row < 0 OR row > ?", (most,))
    present = {row for (row,) in target.exec_driver_sql("SELECT row FROM images")}
    ids = {row: name for row, name in _ids_by_row(source).items() if 0 <= row <= most}
    named = target.exec_driver_sql("SELECT max(row) FROM action_images WHERE row BETWEEN 0 AND ?", (most,)).fetchone()
    rows = range(max(*present, *ids, -1 if named is None or named[0] is None else named[0], -1) + 1)
    missing = [row for row in rows if row not in present]
    if not missing:
        return
    found = target.exec_driver_sql("SELECT value FROM settings WHERE key = 'salt'").fetchone()
    salt = json.loads(found[0]) if found else ""
    names = [ids.get(row, f"{LOST}{row:0{32 - len(LOST)}d}") for row in missing]
    files: dict[str, str] = dict(target.exec_driver_sql("SELECT image_id, min(path) FROM paths GROUP BY image_id").fetchall())
    order, check = check_order(names, salt=salt).tolist(), in_check_half(names, salt=salt).tolist()
    values = [
        (row, name, files.get(name, ""), 0, 0, 0, "", "0" * 64, name, name in files and is_check, place)
        for row, name, is_check, place in zip(missing, names, check, order, strict=True)
    ]
    columns = ", ".join(f'"{name}"' for name in IMAGE_COLUMNS)
    target.exec_driver_sql(f"INSERT INTO images ({columns}) VALUES ({', '.join('?' * len(IMAGE_COLUMNS))})", values)


def _ids_by_row(source: sqlite3.Connection) -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        for row, name in source.execute("SELECT rowid, id FROM images INDEXED BY sqlite_autoindex_images_1"):
            found[row] = name
    except sqlite3.DatabaseError:
        return found  # as far as it could be read
    return found


def _mended(table: sa.Table, row: tuple[Any, ...], columns: Sequence[sa.Column[Any]]) -> tuple[Any, ...] | None:
    """Return a row with values its columns accept, None if that is impossible: damaged pages yield wrong types, too."""
    values = []
    for column, value in zip(columns, row, strict=True):
        fits, better = _fitting(column, value)
        if not fits and not column.nullable:
            return None
        values.append(better if fits else None)
    if table.name == "settings":
        key, value = values
        known = json.loads(value) if isinstance(value, str) else value
        kinds: dict[str, type | tuple[type, ...]] = {**SETTING_TYPES, **KINDS}
        if not isinstance(known, kinds.get(str(key), object)) or (key == "check_set" and not _are_terms(known)):
            return None
    return tuple(values)


def _fitting(column: sa.Column[Any], value: Any) -> tuple[bool, Any]:
    """Tell whether a value fits a column, and return the value, converted to text if the column needs text."""
    if value is None:
        return column.nullable or False, None
    if isinstance(column.type, sa.JSON | Record):
        try:
            # SQLite stores a JSON number as a number.
            known = value if isinstance(value, int | float) else json.loads(value)
        except (ValueError, TypeError):
            return False, None
        return not isinstance(column.type, Record) or isinstance(known, dict), value
    if isinstance(column.type, sa.Text) and isinstance(value, bytes | int | float):
        return True, value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return isinstance(value, _KINDS[type(column.type)]), value


def _are_terms(known: Any) -> bool:
    try:
        CheckSet.of(known)
    except ValueError:
        return False
    return True


_KINDS: dict[type, type | tuple[type, ...]] = {
    sa.Text: str,
    sa.String: str,
    sa.Integer: int,
    sa.BigInteger: int,
    sa.Boolean: int,
    sa.Float: (int, float),
    sa.LargeBinary: bytes,
}


def check_catalog(path: Path) -> str:
    """Read every page and record of a catalog; return the first problem, "" if there is none."""
    file = SqliteFile(path, read_only=True)
    try:
        with translated(path.name):
            connection = file.connect()
            said = [words for (words,) in connection.execute("PRAGMA integrity_check(1)")]
            said = said if said != ["ok"] else list(islice(_bad_records(connection), 1))
            connection.close()
    except DamageError as error:
        return str(error)
    finally:
        file.close()
    return said[0].replace("\n", " ") if said else ""


def _bad_records(connection: sqlite3.Connection) -> Iterator[str]:
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in METADATA.sorted_tables:
        if table.name in known:
            wrong = " OR ".join(f"NOT ({_sql_fits(column)})" for column in _columns_in(connection, table))
            if connection.execute(f'SELECT 1 FROM "{table.name}" WHERE {wrong} LIMIT 1').fetchone():
                yield f"a record of {table.name} is invalid"
    if "settings" in known:
        for row in connection.execute("SELECT key, value FROM settings"):
            if _mended(SETTINGS, row, list(SETTINGS.columns)) != row:
                yield f"the setting {row[0]!r} is invalid"
    rows = connection.execute("SELECT count(*), min(row), max(row) FROM images").fetchone() if "images" in known else (0, 0, 0)
    if rows[0] and rows[1:] != (0, rows[0] - 1):
        yield "images are missing"


def _sql_fits(column: sa.Column[Any]) -> str:
    """Return the SQL condition under which a column's value is valid; `_fitting` is the same for one value in Python."""
    name, kind = f'"{column.name}"', column.type
    if isinstance(kind, Record):
        fits = f"CASE WHEN json_valid({name}) THEN json_type({name}) = 'object' ELSE 0 END"
    elif isinstance(kind, sa.JSON):
        fits = f"json_valid({name})"
    else:
        fits = f"typeof({name}) IN ({_SQL_KINDS[type(kind)]})"
    return f"({name} IS NULL OR {fits})" if column.nullable else f"({name} IS NOT NULL AND {fits})"


_SQL_KINDS: dict[type, str] = {
    sa.Text: "'text'",
    sa.String: "'text'",
    sa.Integer: "'integer'",
    sa.BigInteger: "'integer'",
    sa.Boolean: "'integer'",
    sa.Float: "'real', 'integer'",
    sa.LargeBinary: "'blob'",
}


def repair_catalog(folder: Path) -> Salvaged:
    """Replace a damaged catalog by a valid one; the damaged file is kept beside it under another name.

    If this is killed, the next call or the next opening for writing completes it: the old catalog stays in place until the
    new one is complete, and from then on files are only renamed.
    """
    path, repaired = folder / "catalog.sqlite", folder / REPAIRED
    with atomic_path(repaired) as aside:
        found = salvage_catalog(path, aside)
        _keep_copy(path)
    finish_repair(folder)
    return found


def _keep_copy(path: Path) -> None:
    kept = free_name(path)
    for suffix in ("-wal", ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            with atomic_path(kept.with_name(kept.name + suffix)) as aside:
                shutil.copyfile(old, aside)


def finish_repair(folder: Path) -> None:
    """Move a repaired catalog into place, unless that was done; the old one's log is removed first, as it does not fit."""
    repaired, path = folder / REPAIRED, folder / "catalog.sqlite"
    if not repaired.is_file():
        return
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(repaired, path)
    fsync_folder(folder)
