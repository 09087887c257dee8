"""Classes and label actions. Actions are append-only: undo is an action too."""

import uuid
from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.records import Action, ActionDraft, ImageClass
from core.catalog.rows import insert, integers, now, plain, read_json
from core.catalog.schema import ACTION_IMAGES, ACTIONS, CLASSES, GONE_CLASSES
from core.store.troubles import sound

ACTION_COLUMNS = ("seq", "id", "kind", "class_name", "analyst", "at", "source", "criterion", "guideline", "target")


class Labels:
    """Classes and label actions. Actions are append-only: undo is an action too. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def classes(self) -> list[ImageClass]:
        """Return the classes in their order; a label code is a position in this list."""
        return self._classes(CLASSES)

    def set_classes(self, classes: Sequence[ImageClass], *, gone: Sequence[ImageClass] | None = None) -> None:
        """Replace the class list, and if given the list of classes that have left it, all or none."""
        with self._database.writing() as connection:
            replace_classes(connection, classes)
            if gone is not None:
                replace_classes(connection, gone, GONE_CLASSES)

    def gone_classes(self) -> list[ImageClass]:
        """Return the classes that have left the list, the newest last."""
        return self._classes(GONE_CLASSES)

    def _classes(self, table: sa.Table) -> list[ImageClass]:
        with self._database.reading() as connection:
            query = sa.select(table).order_by(table.c.position)
            return [ImageClass(c["name"], c["colour"], c["key"], c["flagged"]) for c in connection.execute(query).mappings()]

    def append(self, drafts: Sequence[ActionDraft]) -> list[Action]:
        """Append actions and their images, all or none; when this returns, they are on disk."""
        with self._database.writing() as connection:
            first = 1 + int(connection.scalar(sa.select(sa.func.max(ACTIONS.c.seq))) or 0)  # one process writes
            values = [
                {**vars(draft), "seq": seq, "id": uuid.uuid4().hex, "at": draft.at or now()}
                for seq, draft in enumerate(drafts, start=first)
            ]
            rows = [np.asarray(value.pop("rows"), np.int64) for value in values]
            insert(connection, ACTIONS, values)
            pairs = [{"action": v["seq"], "row": row} for v, mine in zip(values, rows, strict=True) for row in mine.tolist()]
            insert(connection, ACTION_IMAGES, pairs)
        return [Action(**value, rows=mine) for value, mine in zip(values, rows, strict=True)]

    def actions(self, *, n_images: int | None = None) -> list[Action]:
        """Return every action in the order it was taken.

        Raises:
            DamageError: if one names a row that none of the `n_images` has.
        """
        columns = [ACTIONS.c[name] for name in ACTION_COLUMNS]
        with self._database.reading() as connection, sound(self._database.where):
            found = plain(connection, sa.select(*columns).order_by(ACTIONS.c.seq))
            query = sa.select(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row)
            pairs = integers(plain(connection, query.order_by(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row)), 2)
            if n_images is not None and len(pairs) and not 0 <= pairs[:, 1].min() <= pairs[:, 1].max() < n_images:
                raise ValueError("labels name images that are missing")
            seqs = np.fromiter((values[0] for values in found), np.int64, len(found))
            starts = np.searchsorted(pairs[:, 0], seqs, side="left").tolist()
            stops = np.searchsorted(pairs[:, 0], seqs, side="right").tolist()
            rows = np.ascontiguousarray(pairs[:, 1])
            return [
                Action(seq, id_, kind, name, analyst, at, source, read_json(criterion), guideline, target, rows[i:j])
                for (seq, id_, kind, name, analyst, at, source, criterion, guideline, target), i, j in zip(
                    found, starts, stops, strict=True
                )
            ]


def replace_classes(connection: sa.Connection, classes: Sequence[ImageClass], table: sa.Table = CLASSES) -> None:
    """Write a class list in place of the one there is, within a transaction."""
    connection.execute(sa.delete(table))
    insert(connection, table, [{"position": i, **vars(c)} for i, c in enumerate(classes)])
