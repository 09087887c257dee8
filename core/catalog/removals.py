"""Images that were removed: their rows stay, blank."""

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from core.arrays import IntArray
from core.catalog.database import Database
from core.catalog.images import renew_version
from core.catalog.records import Removal
from core.catalog.rows import in_parts, insert, plain
from core.catalog.schema import FRAMES, GOLD, IMAGE_WORDS, IMAGES, PATHS, REMOVED, TEXT_FIGURES


class Removals:
    """Images that were removed. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove(self, images: Sequence[Removal]) -> None:
        """Take images out, and blank what is known of them, all or none. Their ids, groups, halves and places in order stay."""
        rows = [image.row for image in images]
        with self._database.writing() as connection:
            insert(connection, REMOVED, [vars(image) for image in images])
            blank = {"path": "", "width": 0, "height": 0, "n_bytes": 0, "format": "", "hash": ""}
            for start in range(0, len(rows), 500):  # SQLite limits the number of parameters
                some = rows[start : start + 500]
                mine = sa.select(IMAGES.c.id).where(IMAGES.c.row.in_(some))
                connection.execute(sa.delete(PATHS).where(PATHS.c.image_id.in_(mine)))
                connection.execute(sa.update(IMAGES).where(IMAGES.c.row.in_(some)).values(**blank))
                for table in (GOLD, FRAMES, TEXT_FIGURES, IMAGE_WORDS):
                    connection.execute(sa.delete(table).where(table.c.row.in_(some)))
            renew_version(connection)

    def all(self) -> list[Removal]:
        """Return the removed images, by row."""
        with self._database.reading() as connection:
            return [Removal(**found) for found in connection.execute(sa.select(REMOVED).order_by(REMOVED.c.row)).mappings()]

    def readings(self) -> list[Removal]:
        """Return the removed images whose labels count as evidence in the check half, by row."""
        query = sa.select(REMOVED).where(REMOVED.c.rank > 0).order_by(REMOVED.c.row)
        with self._database.reading() as connection:
            return [Removal(**found) for found in connection.execute(query).mappings()]

    def rows_since(self, at: str) -> IntArray:
        """Return the rows of the images removed after a time (ISO 8601, UTC), (K,) int64, ascending."""
        with self._database.reading() as connection:
            query = sa.select(REMOVED.c.row).where(REMOVED.c.at > at).order_by(REMOVED.c.row)
            return np.array(list(connection.scalars(query)), np.int64)

    def to_erase(self) -> IntArray:
        """Return the removed images of whose pictures something may still be in a file, (K,) int64 rows, ascending."""
        with self._database.reading() as connection:
            query = sa.select(REMOVED.c.row).where(~REMOVED.c.erased).order_by(REMOVED.c.row)
            return np.array(list(connection.scalars(query)), np.int64)

    def set_erased(self, rows: IntArray) -> None:
        """Keep that nothing of these images' pictures is in any file any more."""
        with self._database.writing() as connection:
            for start in range(0, len(rows), 500):
                mine = REMOVED.c.row.in_(rows[start : start + 500].tolist())
                connection.execute(sa.update(REMOVED).where(mine).values(erased=True))

    def all_ids(self) -> set[str]:
        """Return the ids of all removed images."""
        with self._database.reading() as connection:
            return set(connection.scalars(sa.select(IMAGES.c.id).join(REMOVED, REMOVED.c.row == IMAGES.c.row)))

    def ids(self, ids: Sequence[str]) -> dict[str, str]:
        """Return image id -> when it was removed (ISO 8601, UTC), for those of some ids that were."""
        with self._database.reading() as connection:
            query = sa.select(IMAGES.c.id, REMOVED.c.at).join(REMOVED, REMOVED.c.row == IMAGES.c.row)
            return dict(in_parts(connection, query, IMAGES.c.id, ids))

    def rows_below(self, folder: str) -> tuple[list[int], int]:
        """Return the rows of the images whose files are all below a folder, and how many others have a file there."""
        inside = f"{folder.rstrip('/')}/"
        below = sa.func.substr(PATHS.c.path, 1, len(inside)) == inside
        n_below = sa.func.sum(sa.cast(below, sa.Integer))
        of_each = sa.select(IMAGES.c.row, sa.func.count(), n_below).join(PATHS, PATHS.c.image_id == IMAGES.c.id)
        query = of_each.group_by(IMAGES.c.row).having(n_below > 0)
        with self._database.reading() as connection:
            found = plain(connection, query.order_by(IMAGES.c.row))
        return [row for row, n, n_below in found if n == n_below], sum(n > n_below for _, n, n_below in found)
