"""Helpers for reading and writing rows, shared by all topics of the catalog."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.arrays import IntArray

BLOCK = 50_000  # rows that are Python's values at a time


def now() -> str:
    """Return the current time as ISO 8601 UTC with microseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def after_seconds(seconds: float) -> str:
    """Return the time some seconds from now, as `now` writes it."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def plain(connection: sa.Connection, query: sa.Select[Any]) -> list[Any]:
    """Return rows as the driver's tuples: with hundreds of thousands, SQLAlchemy's row objects take most of the time."""
    cursor = connection.execute(query).cursor
    assert cursor is not None  # noqa: S101  a select returns rows
    return list(cursor.fetchall())


def plain_blocks(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[list[Any]]:
    """Yield rows as the driver's tuples, `BLOCK` at a time."""
    cursor = connection.execute(query).cursor
    assert cursor is not None  # noqa: S101  a select returns rows
    while block := cursor.fetchmany(BLOCK):
        yield list(block)


def integers(found: list[Any], width: int) -> IntArray:
    """Return rows of integers as (K, width) int64."""
    return np.fromiter(chain.from_iterable(found), np.int64, width * len(found)).reshape(-1, width)


def read_json(value: Any) -> Any:
    """Parse a JSON column as the driver returns it: text from SQLite, Python values from databases with a JSON type."""
    return None if value in (None, "null") else json.loads(value) if isinstance(value, str) else value


def read_json_or_none(value: Any) -> Any:
    """Parse a JSON column; None if it is not valid JSON."""
    try:
        return read_json(value)
    except ValueError:
        return None


def in_parts(connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Sequence[Any]) -> Iterator[Any]:
    """Yield the rows of a query in which `column` has one of the values."""
    for start in range(0, len(values), 500):  # SQLite limits the number of parameters
        yield from connection.execute(query.where(column.in_(values[start : start + 500])))


def insert(connection: sa.Connection, table: sa.Table, values: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, each a mapping from column to value; an empty sequence is allowed."""
    if values:
        connection.execute(sa.insert(table), values)


def inserted_key(connection: sa.Connection, statement: sa.Insert) -> int:
    """Insert one row and return its new key."""
    key = connection.execute(statement).inserted_primary_key
    assert key is not None  # noqa: S101  every table this is used with has an integer key
    return int(key[0])


def replace(connection: sa.Connection, table: sa.Table, values: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, replacing those with the same primary key; of several with one key the last wins. Portable SQL."""
    names = [column.name for column in table.primary_key]
    newest = {tuple(value[name] for name in names): value for value in values}
    if newest:
        mine = sa.and_(*(table.c[name] == sa.bindparam(f"key_{name}") for name in names))
        keys = [{f"key_{name}": part for name, part in zip(names, key, strict=True)} for key in newest]
        connection.execute(sa.delete(table).where(mine), keys)
        insert(connection, table, list(newest.values()))
