"""Read what is left of a damaged SQLite file, row by row.

A table is read by ranges of row numbers: a range that cannot be read is halved until only the rows on damaged pages are
missing.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.store.sqlite import SqliteFile, set_aside

SMALLEST_ROW = 8  # bytes that a row takes up in its page at the least


def read_rows(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...] | None]:
    """Read a table as far as possible.

    Yields:
        the columns of each row, by row number; None for each row number that cannot be read.
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
    for end, otherwise in (("min", 0), ("max", most_rows(connection))):
        try:
            found = connection.execute(f'SELECT {end}(rowid) FROM "{table}" NOT INDEXED').fetchone()[0]
            ends.append(found if found is not None else {"min": 1, "max": 0}[end])
        except sqlite3.DatabaseError:
            ends.append(otherwise)
    return ends[0], ends[1]


def most_rows(connection: sqlite3.Connection) -> int:
    """Return an upper bound for the number of rows of a table in this file."""
    pages, size = (int(connection.execute(f"PRAGMA {what}").fetchone()[0]) for what in ("page_count", "page_size"))
    return pages * size // SMALLEST_ROW


def salvage_thumbnails(damaged: Path) -> list[tuple[str, bytes]]:
    """Rename a damaged thumbnails file and return (id, WebP) of its readable thumbnails."""
    file = SqliteFile(set_aside(damaged), read_only=True, damaged=True)
    try:
        connection = file.connect()
        rows = [row for row in read_rows(connection, "thumbnails", ["id", "webp"]) if row is not None]
        connection.close()
    except sqlite3.Error:
        rows = []
    finally:
        file.close()
    return [(name, webp) for name, webp in rows if isinstance(name, str) and isinstance(webp, bytes)]
