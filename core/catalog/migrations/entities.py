"""Move entities that version 1 stored as JSON settings. Frozen: written against the tables of version 2, not today's."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from core.arrays import JsonObject

Rows = list[JsonObject]
KINDS: dict[str, type] = {  # JSON type of each setting
    "check_set": dict,
    "in_force": dict,
    "focus": list,
    "sources": list,
    "copies": dict,
    "gone_classes": list,
    "clusters": dict,
    "notices": dict,
    "guide_dismissed_by": list,
    "limits": dict,
}


def move_entities(connection: sa.Connection, *, lost: list[str] | None = None) -> None:
    """Move entities from the settings into their tables. Idempotent: settings that were moved are deleted.

    Args:
        lost: the tables whose settings are invalid are appended to it; if None, an invalid setting raises.
    """
    settings = sa.table("settings", sa.column("key", sa.Text), sa.column("value", sa.JSON))
    kept = dict(connection.execute(sa.select(settings.c.key, settings.c.value)).all())
    for table, rows_of, keys in MOVES:
        if not kept.keys() & keys:
            continue
        try:
            if wrong := [key for key in keys & kept.keys() if not isinstance(kept[key], KINDS[key])]:
                raise ValueError(f"the setting '{wrong[0]}' is {kept[wrong[0]]!r}")
            rows = rows_of({key: kept.get(key) for key in keys})
        except (ValueError, TypeError, KeyError, AttributeError):
            if lost is None:
                raise
            lost.append(table)
            continue
        if rows:
            columns: list[sa.ColumnClause[Any]] = [sa.column(name, sa.JSON if name in JSON else None) for name in rows[0]]
            connection.execute(sa.insert(sa.table(table, *columns)), rows)
    gone = {key for _, _, keys in MOVES for key in keys} | {"schema"}
    connection.execute(sa.delete(settings).where(settings.c.key.in_(gone & kept.keys())))


JSON = {"record", "rows"}
TERMS = {
    "number": 1,
    "after": -1.0,
    "size": 100,
    "recall": 0.9,
    "confidence": 0.95,
    "live": False,
    "started_by": "",
    "started_at": "",
}


def _check_sets(kept: JsonObject) -> Rows:
    return [TERMS | kept["check_set"]] if kept["check_set"] else []


def _points_in_force(kept: JsonObject) -> Rows:
    return [kept["in_force"]] if kept["in_force"] else []


def _focus_draws(kept: JsonObject) -> Rows:
    return list(kept["focus"] or [])


def _sources(kept: JsonObject) -> Rows:
    return [{"path": path} for path in kept["sources"] or []]


def _copy_searches(kept: JsonObject) -> Rows:
    return [{"encoder": encoder, "n_rows": n_rows} for encoder, n_rows in (kept["copies"] or {}).items()]


def _gone_classes(kept: JsonObject) -> Rows:
    return [{"position": position, **gone} for position, gone in enumerate(kept["gone_classes"] or [])]


def _clusterings(kept: JsonObject) -> Rows:
    record = dict(kept["clusters"] or {})
    if not {"file", "projection"} <= record.keys():
        return []
    return [{"projection": record.pop("projection"), "file": record.pop("file"), "record": record}]


def _notice_searches(kept: JsonObject) -> Rows:
    return [{"record": kept["notices"]}] if kept["notices"] else []


def _analysts(kept: JsonObject) -> Rows:
    dismissed, limits = set(kept["guide_dismissed_by"] or []), kept["limits"] or {}
    none = {"clear_budget": None, "break_minutes": None}
    return [{"name": n, "guide_dismissed": n in dismissed, **none, **limits.get(n, {})} for n in sorted({*dismissed, *limits})]


MOVES: list[tuple[str, Callable[[JsonObject], Rows], set[str]]] = [
    ("check_sets", _check_sets, {"check_set"}),
    ("points_in_force", _points_in_force, {"in_force"}),
    ("focus_draws", _focus_draws, {"focus"}),
    ("sources", _sources, {"sources"}),
    ("copy_searches", _copy_searches, {"copies"}),
    ("gone_classes", _gone_classes, {"gone_classes"}),
    ("clusterings", _clusterings, {"clusters"}),
    ("notice_searches", _notice_searches, {"notices"}),
    ("analysts", _analysts, {"guide_dismissed_by", "limits"}),
]
