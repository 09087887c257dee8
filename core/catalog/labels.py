"""Classes, policies and label actions. Actions are append-only: undo is an action too."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa
from pydantic import ValidationError

from core.catalog.action_columns import ActionColumns
from core.catalog.criterion import Criterion, Tie
from core.catalog.database import Database
from core.catalog.records import Action, ActionDraft, ActionKind, ImageClass, Policy, Source
from core.catalog.rows import in_parts, insert, integers, now, plain, read_json, replace
from core.catalog.schema import ACTION_IMAGES, ACTIONS, CLASSES, GONE_CLASSES, POLICIES, SETTINGS
from core.store.troubles import sound


@dataclass(frozen=True)
class ActionFilter:
    """Which actions are asked for; what is empty asks for nothing."""

    analyst: str = ""
    class_name: str = ""
    kinds: tuple[ActionKind, ...] = ()
    sources: tuple[Source, ...] = ()
    since: str = ""  # ISO 8601, UTC


T = TypeVar("T", bound=Tie)
RENAMES = "class_renames"  # the setting that holds them
ACTION_COLUMNS = ("seq", "id", "kind", "class_name", "analyst", "at", "source", "criterion", "guideline", "target")


class Labels:
    """Classes, policies and label actions. Actions are append-only: undo is one, too. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def classes(self) -> list[ImageClass]:
        """Return the classes in their order; a label code is a position in this list."""
        return self._classes(CLASSES)

    def set_classes(
        self,
        classes: Sequence[ImageClass],
        *,
        gone: Sequence[ImageClass] | None = None,
        policies: Sequence[Policy] | None = None,
        renames: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the class list, and what else is given, all or none.

        Args:
            gone: the classes that have left it.
            renames: names that classes had before -> the names of the classes that have their labels.
        """
        with self._database.writing() as connection:
            replace_classes(connection, classes)
            if gone is not None:
                replace_classes(connection, gone, GONE_CLASSES)
            if policies is not None:
                _replace_policies(connection, policies)
            if renames is not None:
                replace(connection, SETTINGS, [{"key": RENAMES, "value": dict(renames)}])

    def renames(self) -> dict[str, str]:
        """Return names that classes had before -> the names of the classes that have their labels."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.key == RENAMES)).scalar()
        return {str(old): str(new) for old, new in found.items()} if isinstance(found, dict) else {}

    def gone_classes(self) -> list[ImageClass]:
        """Return the classes that have left the list, the newest last."""
        return self._classes(GONE_CLASSES)

    def _classes(self, table: sa.Table) -> list[ImageClass]:
        with self._database.reading() as connection:
            query = sa.select(table).order_by(table.c.position)
            return [ImageClass(c["name"], c["colour"], c["key"], c["flagged"]) for c in connection.execute(query).mappings()]

    def policies(self) -> list[Policy]:
        """Return the declared policies in their order."""
        with self._database.reading() as connection, sound(self._database.where):
            found = connection.execute(sa.select(POLICIES).order_by(POLICIES.c.position)).mappings()
            return [Policy(p["name"], tuple(p["classes"]), p["recall"]) for p in found]

    def set_policies(self, policies: Sequence[Policy]) -> None:
        """Replace the declared policies."""
        with self._database.writing() as connection:
            _replace_policies(connection, policies)

    def append(self, drafts: Sequence[ActionDraft]) -> list[Action]:
        """Append actions and their images, all or none; when this returns, they are on disk."""
        with self._database.writing() as connection:
            first = 1 + int(connection.scalar(sa.select(sa.func.max(ACTIONS.c.seq))) or 0)  # one process writes
            actions = [_numbered(draft, seq) for seq, draft in enumerate(drafts, start=first)]
            insert(connection, ACTIONS, [_record(action) for action in actions])
            pairs = [{"action": action.seq, "row": row} for action in actions for row in action.rows.tolist()]
            insert(connection, ACTION_IMAGES, pairs)
        return actions

    def columns(self, *, after: int = 0, n_images: int) -> ActionColumns:
        """Return the actions after one, in the order they were taken, as columns.

        Raises:
            DamageError: if one names a row that none of the `n_images` has.
        """
        names = ("seq", "kind", "class_name", "analyst", "at", "source", "criterion", "target")
        with self._database.reading() as connection, sound(self._database.where):
            query = sa.select(*(ACTIONS.c[name] for name in names)).where(ACTIONS.c.seq > after)
            found = plain(connection, query.order_by(ACTIONS.c.seq))
            seqs, kinds, class_names, analysts, at, sources, criteria, targets = (
                zip(*found, strict=True) if found else ((),) * 8
            )
            query = sa.select(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row).where(ACTION_IMAGES.c.action > after)
            pairs = integers(plain(connection, query.order_by(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row)), 2)
            if len(pairs) and not 0 <= pairs[:, 1].min() <= pairs[:, 1].max() < n_images:
                raise ValueError("labels name images that are missing")
            numbers = np.array(seqs, np.int64)
            pairs = pairs[np.isin(pairs[:, 0], numbers)]
            starts = np.searchsorted(pairs[:, 0], numbers, side="left")
            return ActionColumns(
                numbers,
                [ActionKind(kind) for kind in kinds],
                class_names,
                analysts,
                [time[:10] for time in at],
                sources,
                [_criterion(stored, Tie) for stored in criteria],
                targets,
                np.ascontiguousarray(pairs[:, 1]),
                np.searchsorted(pairs[:, 0], numbers, side="right") - starts,
            )

    def stamp(self, seq: int) -> list[Any]:
        """Return what tells one history up to an action from another: how many actions it has, and the last one's id."""
        with self._database.reading() as connection:
            n = connection.scalar(sa.select(sa.func.count()).select_from(ACTIONS).where(ACTIONS.c.seq <= seq))
            return [n, connection.scalar(sa.select(ACTIONS.c.id).where(ACTIONS.c.seq == seq))]

    def times(self, seqs: Sequence[int]) -> dict[int, str]:
        """Return when each of these actions was taken, by seq: ISO 8601, UTC."""
        with self._database.reading() as connection:
            return dict(map(tuple, in_parts(connection, sa.select(ACTIONS.c.seq, ACTIONS.c.at), ACTIONS.c.seq, seqs)))

    def matching(self, wanted: ActionFilter, *, newest: int | None = None) -> list[int]:
        """Return the seqs of the newest actions (all if None) that fulfil a filter, newest first."""
        query = sa.select(ACTIONS.c.seq).order_by(ACTIONS.c.seq.desc()).limit(newest)
        for column, value in ((ACTIONS.c.analyst, wanted.analyst), (ACTIONS.c.class_name, wanted.class_name)):
            query = query.where(column == value) if value else query
        for column, values in ((ACTIONS.c.kind, wanted.kinds), (ACTIONS.c.source, wanted.sources)):
            query = query.where(column.in_(values)) if values else query
        if wanted.since:
            query = query.where(ACTIONS.c.at >= wanted.since)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def after(self, seq: int, *, most: int, kinds: Sequence[ActionKind], sources: Sequence[Source] = ()) -> list[Action]:
        """Return the first actions after one, at most `most`, of some kinds and, if named, sources."""
        query = sa.select(ACTIONS.c.seq).where(ACTIONS.c.seq > seq, ACTIONS.c.kind.in_(kinds))
        query = query.where(ACTIONS.c.source.in_(sources)) if sources else query
        with self._database.reading() as connection:
            seqs = list(connection.scalars(query.order_by(ACTIONS.c.seq).limit(most)))
        return self.actions(seqs) if seqs else []

    def first_since(self, at: str) -> int | None:
        """Return the seq of the first action that was taken later than a time, None if there is none."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.min(ACTIONS.c.seq)).where(ACTIONS.c.at > at))

    def named(self) -> tuple[list[str], list[str]]:
        """Return the analysts and the classes that actions name, each sorted."""
        with self._database.reading() as connection:
            analysts, classes = (
                sorted(name for name in connection.scalars(sa.select(column).distinct()) if name)
                for column in (ACTIONS.c.analyst, ACTIONS.c.class_name)
            )
        return analysts, classes

    def actions(self, seqs: Sequence[int] | None = None, *, newest: int | None = None) -> list[Action]:
        """Return actions in the order they were taken: the named ones, or else the newest (all if None).

        Raises:
            DamageError: if one cannot be read.
        """
        query = sa.select(*(ACTIONS.c[name] for name in ACTION_COLUMNS)).order_by(ACTIONS.c.seq.desc()).limit(newest)
        images = sa.select(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row)
        with self._database.reading() as connection, sound(self._database.where):
            if seqs is None:
                found = sorted(plain(connection, query))
                since = ACTION_IMAGES.c.action >= (found[0][0] if found else 0)
                pairs = plain(connection, images.where(since)) if found else []
            else:
                found = sorted(map(tuple, in_parts(connection, query, ACTIONS.c.seq, seqs)))
                pairs = [tuple(pair) for pair in in_parts(connection, images, ACTION_IMAGES.c.action, seqs)]
            numbered = integers(sorted(pairs), 2)
            taken = np.array([values[0] for values in found], np.int64)
            starts, stops = (np.searchsorted(numbered[:, 0], taken, side=side).tolist() for side in ("left", "right"))
            rows = np.ascontiguousarray(numbered[:, 1])
            return [
                Action(
                    seq=seq,
                    id=id_,
                    kind=ActionKind(kind),
                    class_name=class_name,
                    analyst=analyst,
                    at=at,
                    source=Source(source),
                    criterion=_criterion(stored, Criterion),
                    guideline=guideline,
                    target=target,
                    rows=rows[start:stop],
                )
                for (seq, id_, kind, class_name, analyst, at, source, stored, guideline, target), start, stop in zip(
                    found, starts, stops, strict=True
                )
            ]


def _numbered(draft: ActionDraft, seq: int) -> Action:
    rows = np.asarray(draft.rows, np.int64)
    return Action(**vars(draft) | {"seq": seq, "id": uuid.uuid4().hex, "at": draft.at or now(), "rows": rows})


def _record(action: Action) -> dict[str, object]:
    values = {name: getattr(action, name) for name in ACTION_COLUMNS}
    return values | {"criterion": action.criterion.record() or None}


def _criterion(stored: object, model: type[T]) -> T:
    """Read a criterion, or its `Tie` alone; a field of another shape is left out, so that the labels can be read."""
    record = read_json(stored)
    if not isinstance(record, dict):
        return model()
    try:
        return model.model_validate(record)
    except ValidationError as error:
        wrong = {mistake["loc"][0] for mistake in error.errors()}
        return model.model_validate({key: value for key, value in record.items() if key not in wrong})


def _replace_policies(connection: sa.Connection, policies: Sequence[Policy]) -> None:
    connection.execute(sa.delete(POLICIES))
    insert(connection, POLICIES, [{"position": i, **vars(p), "classes": list(p.classes)} for i, p in enumerate(policies)])


def replace_classes(connection: sa.Connection, classes: Sequence[ImageClass], table: sa.Table = CLASSES) -> None:
    """Write a class list in place of the one there is, within a transaction."""
    connection.execute(sa.delete(table))
    insert(connection, table, [{"position": i, **vars(c)} for i, c in enumerate(classes)])
