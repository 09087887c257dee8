"""What can still be read of a damaged SQLite file, row by row; and a catalog made again of it.

A table is read by ranges of its row numbers: a range that cannot be read is halved until only the rows on damaged pages are
left out.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.database import SqliteFile, free_name, set_aside
from core.errors import DamageError
from core.files import atomic_path, fsync_folder
from core.halves import check_order, in_check_half
from core.schema import METADATA, SCHEMA_VERSION, SETTING_TYPES
from core.troubles import translated

SMALLEST_ROW = 8  # bytes a row takes in its page at least
WRITTEN_AT_ONCE = 10_000  # rows
LOST = "lost"  # how the id of an image begins whose record is lost with its id
IMAGE_COLUMNS = ("row", "id", "path", "width", "height", "n_bytes", "format", "hash", "group", "is_check", "check_order")
REPAIRED = "catalog.repaired.sqlite"


@dataclass
class Salvaged:
    """How much of a file could be read."""

    rows: int = 0
    lost: dict[str, int] = field(default_factory=dict)  # by table: rows, or row numbers that may have been rows

    @property
    def sentence(self) -> str:
        """Say what was lost."""
        if not self.lost:
            return f"All {self.rows:,} records could be read."
        tables = ", ".join(sorted(self.lost))
        return f"{self.rows:,} records could be read, others of these kinds are lost: {tables}."


def read_rows(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...] | None]:
    """Read a table as far as it can be read.

    Yields:
        the columns of each row in the order of row numbers; None for each row number that cannot be read.
    """
    asked = ", ".join(f'"{column}"' for column in columns)
    query = f'SELECT {asked} FROM "{table}" NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid'
    waiting = [_range(connection, table)]
    while waiting:
        low, high = waiting.pop()
        if low > high:
            continue
        try:
            yield from connection.execute(query, (low, high)).fetchall()
        except sqlite3.DatabaseError:
            if low == high:
                yield None
                continue
            middle = (low + high) // 2
            waiting += [(middle + 1, high), (low, middle)]


def _range(connection: sqlite3.Connection, table: str) -> tuple[int, int]:
    ends = []
    for end, otherwise in (("min", 0), ("max", _most_rows(connection))):
        try:
            found = connection.execute(f'SELECT {end}(rowid) FROM "{table}" NOT INDEXED').fetchone()[0]
            ends.append(found if found is not None else {"min": 1, "max": 0}[end])
        except sqlite3.DatabaseError:
            ends.append(otherwise)
    return ends[0], ends[1]


def _most_rows(connection: sqlite3.Connection) -> int:
    pages, size = (int(connection.execute(f"PRAGMA {what}").fetchone()[0]) for what in ("page_count", "page_size"))
    return pages * size // SMALLEST_ROW


def salvage_catalog(damaged: Path, target: Path) -> Salvaged:
    """Write a sound catalog of what can be read of a damaged one; the damaged one is only read.

    Raises:
        DamageError: if nothing can be read: its first page is gone.
    """
    found = Salvaged()
    file = SqliteFile(damaged, read_only=True)
    engine = sa.create_engine("sqlite://", creator=SqliteFile(target, read_only=False).connect, poolclass=sa.QueuePool)
    try:
        with translated(str(damaged)):
            source = file.connect()
            known = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        METADATA.create_all(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")  # what names a lost row goes at the end
            for table in METADATA.sorted_tables:
                if table.name in known:
                    _copy_table(source, connection, table, found)
            if "images" in known:
                _fill_gaps(source, connection)
            _drop_orphans(connection, found)
            connection.commit()
        source.close()
    finally:
        engine.dispose()
        file.close()
    return found


def _copy_table(source: sqlite3.Connection, target: sa.Connection, table: sa.Table, found: Salvaged) -> None:
    columns = [column.name for column in table.columns]
    holds = ", ".join("?" for _ in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    insert = f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({holds})'
    kept: list[tuple[Any, ...]] = []

    def write() -> None:
        if kept:
            target.exec_driver_sql(insert, kept)
            found.rows += len(kept)
            kept.clear()

    for row in read_rows(source, table.name, columns):
        if row is None or not _is_sound(table, row):
            found.lost[table.name] = found.lost.get(table.name, 0) + 1
            continue
        kept.append(row)
        if len(kept) == WRITTEN_AT_ONCE:
            write()
    write()


def _drop_orphans(target: sa.Connection, found: Salvaged) -> None:
    while orphans := target.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
        for table, rowid, *_ in orphans:
            target.exec_driver_sql(f'DELETE FROM "{table}" WHERE rowid = ?', (rowid,))
            found.lost[table] = found.lost.get(table, 0) + 1


def _fill_gaps(source: sqlite3.Connection, target: sa.Connection) -> None:
    """Put a stand-in where an image's record is lost, so that other images keep their rows.

    Its id comes from the index of ids where that can be read, its file from the table of files, its half from its id.
    """
    most = _most_rows(source)
    for table in ("images", "action_images"):  # row numbers off a damaged page
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


def _is_sound(table: sa.Table, row: tuple[Any, ...]) -> bool:
    """Tell whether a row holds what its table may hold: damaged pages give rows of the wrong kinds, too."""
    values = dict(zip([column.name for column in table.columns], row, strict=True))
    for column in table.columns:
        value = values[column.name]
        if value is None:
            if not column.nullable:
                return False
        elif isinstance(column.type, sa.JSON):
            try:
                # SQLite keeps a JSON number as a number.
                values[column.name] = value if isinstance(value, int | float) else json.loads(value)
            except (ValueError, TypeError):
                return False
        elif not isinstance(value, _KINDS[type(column.type)]):
            return False
    if table.name == "settings":
        return isinstance(values["value"], SETTING_TYPES.get(values["key"], object))
    return True


_KINDS: dict[type, type | tuple[type, ...]] = {
    sa.Text: str,
    sa.Integer: int,
    sa.BigInteger: int,
    sa.Boolean: int,
    sa.Float: (int, float),
    sa.LargeBinary: bytes,
}


def check_catalog(path: Path) -> str:
    """Read every page of a catalog; return what SQLite says is wrong, "" if nothing is."""
    file = SqliteFile(path, read_only=True)
    try:
        connection = file.connect()
        said = [words for (words,) in connection.execute("PRAGMA integrity_check(1)")]
        if said == ["ok"]:
            _check_records(connection)
        connection.close()
    except (sqlite3.Error, DamageError) as error:
        return str(error)
    finally:
        file.close()
    return "" if said == ["ok"] else said[0].replace("\n", " ")


def _check_records(connection: sqlite3.Connection) -> None:
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in METADATA.sorted_tables:
        names = [column.name for column in table.columns]
        if table.name not in known or not any(isinstance(column.type, sa.JSON) for column in table.columns):
            continue
        for row in connection.execute(f'SELECT {", ".join(chr(34) + n + chr(34) for n in names)} FROM "{table.name}"'):
            if not _is_sound(table, row):
                raise DamageError(f"a record of {table.name} holds what it cannot: {str(row)[:80]}")


def repair_catalog(folder: Path) -> Salvaged:
    """Put a sound catalog in the place of a damaged one, which is kept beside it under another name.

    Killed at any moment, the next call (or opening) goes on: until the new catalog is whole the old one stands, and from then
    on only names change.
    """
    path, repaired = folder / "catalog.sqlite", folder / REPAIRED
    with atomic_path(repaired) as aside:
        found = salvage_catalog(path, aside)
        _renew_schema(aside)
        _keep_copy(path)
    finish_repair(folder)
    return found


def _renew_schema(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT OR IGNORE INTO settings VALUES ('schema', ?)", (json.dumps(SCHEMA_VERSION),))
    connection.close()


def _keep_copy(path: Path) -> None:
    kept = free_name(path)
    for suffix in ("-wal", ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            with atomic_path(kept.with_name(kept.name + suffix)) as aside:
                shutil.copyfile(old, aside)


def finish_repair(folder: Path) -> None:
    """Give a repaired catalog its place, where a kill came between; the log of the old one goes first: it is not its own."""
    repaired, path = folder / REPAIRED, folder / "catalog.sqlite"
    if not repaired.is_file():
        return
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(repaired, path)
    fsync_folder(folder)


def salvage_thumbnails(damaged: Path) -> list[tuple[str, bytes]]:
    """Set a damaged thumbnails file aside, and return (id, WebP) of the thumbnails that can be read of it."""
    file = SqliteFile(set_aside(damaged), read_only=True)
    try:
        connection = file.connect()
        rows = [row for row in read_rows(connection, "thumbnails", ["id", "webp"]) if row is not None]
        connection.close()
    except sqlite3.Error:
        rows = []
    finally:
        file.close()
    return [(name, webp) for name, webp in rows if isinstance(name, str) and isinstance(webp, bytes)]
