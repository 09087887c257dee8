"""Small things that every topic of the catalog does with rows."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.arrays import IntArray


def now() -> str:
    """Return the present moment as ISO 8601 UTC with microseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def plain(connection: sa.Connection, query: sa.Select[Any]) -> list[Any]:
    """Return rows as the driver gives them: for hundreds of thousands, SQLAlchemy's own rows cost most of the time."""
    cursor = connection.execute(query).cursor
    assert cursor is not None  # noqa: S101  a select returns rows
    return list(cursor.fetchall())


def integers(found: list[Any], width: int) -> IntArray:
    """Return rows of integers as (K, width) int64."""
    return np.fromiter(chain.from_iterable(found), np.int64, width * len(found)).reshape(-1, width)


def read_json(value: Any) -> Any:
    """Read a JSON column as the driver gives it: text in SQLite, ready values in databases that know JSON."""
    return None if value in (None, "null") else json.loads(value) if isinstance(value, str) else value


def read_json_or_none(value: Any) -> Any:
    """Read a JSON column, None where it holds no JSON."""
    try:
        return read_json(value)
    except ValueError:
        return None


def in_parts(connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Sequence[Any]) -> Iterator[Any]:
    """Return the rows of a query whose column is one of the values."""
    for start in range(0, len(values), 500):  # SQLite takes a limited number of parameters
        yield from connection.execute(query.where(column.in_(values[start : start + 500])))


def insert(connection: sa.Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    """Insert rows; none is none."""
    if values:
        connection.execute(sa.insert(table), values)


def inserted_key(connection: sa.Connection, statement: sa.Insert) -> int:
    """Insert one row and return the key it got."""
    key = connection.execute(statement).inserted_primary_key
    assert key is not None  # noqa: S101  every table this is used with has an integer key
    return int(key[0])


def replace(connection: sa.Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    """Put rows in the place of those with their keys, the last of several with one key; on every database alike."""
    names = [column.name for column in table.primary_key]
    newest = {tuple(value[name] for name in names): value for value in values}
    if newest:
        mine = sa.and_(*(table.c[name] == sa.bindparam(f"key_{name}") for name in names))
        keys = [{f"key_{name}": part for name, part in zip(names, key, strict=True)} for key in newest]
        connection.execute(sa.delete(table).where(mine), keys)
        insert(connection, table, list(newest.values()))
