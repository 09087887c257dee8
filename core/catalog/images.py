"""Images, their files, and what was measured or read in them."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np
import sqlalchemy as sa

from core.arrays import FloatArray, IntArray
from core.catalog.database import Database
from core.catalog.records import ImageColumns, ImageRecord, PathRecord, Rejected
from core.catalog.rows import in_parts, insert, integers, now, plain, plain_blocks, replace
from core.catalog.schema import (
    ADDITIONS,
    COPY_SEARCHES,
    FRAMES,
    GOLD,
    IMAGE_WORDS,
    IMAGES,
    IMAGES_VERSION,
    PATHS,
    REJECTED,
    REMOVED,
    SETTINGS,
    SOURCES,
    TEXT_FIGURES,
)
from core.catalog.settings import Settings
from core.errors import WorkspaceError
from core.images.visits import ImageFiles, Visit
from core.maths.halves import check_order, in_check_half
from core.store.troubles import sound

_IS_HERE = IMAGES.c.row.not_in(sa.select(REMOVED.c.row))


class ImageRow(TypedDict):
    """All columns of one image; `core.catalog.records` says what they mean."""

    row: int
    id: str
    path: str  # "" if it has no file any more
    width: int
    height: int
    n_bytes: int
    format: str
    hash: str
    group: str
    is_check: bool
    check_order: float


class GoldWritten(NamedTuple):
    """How often gold values were written."""

    times: int = 0
    of_known: int = 0  # of them, times with values of images that were known before


class Images:
    """Images, their files, and what was measured or read in them. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.gold_written = GoldWritten()  # by this process

    def count(self) -> int:
        """Count the images."""
        return self._database.count(IMAGES)

    def version(self) -> str | None:
        """Return what changes whenever `columns` of known images do; None if they have not changed since it is kept."""
        found: str | None = Settings(self._database).get(IMAGES_VERSION)
        return found

    def renew_version(self) -> str:
        """Give the columns another version, and return it."""
        with self._database.writing() as connection:
            return renew_version(connection)

    def count_rejected(self) -> int:
        """Count the rejected files."""
        return self._database.count(REJECTED)

    def count_files(self) -> int:
        """Count the files of all images (at least one per image)."""
        return self._database.count(PATHS)

    def known_states(self, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return path -> (bytes, mtime in ns), for those paths that were seen before, ingested or rejected."""
        found: dict[str, tuple[int, int]] = {}
        with self._database.reading() as connection:
            for table in (PATHS, REJECTED):
                query = sa.select(table.c.path, table.c.n_bytes, table.c.mtime_ns)
                found.update({path: (n, t) for path, n, t in in_parts(connection, query, table.c.path, paths)})
        return found

    def leaders(self, first: int) -> Iterator[list[tuple[str, str, str | None]]]:
        """Yield (id, perceptual hash, hash of its group's first image; None for that itself) from a row on, in blocks."""
        leader = IMAGES.alias()
        of_group = sa.select(leader.c.hash).where(leader.c.id == IMAGES.c.group).scalar_subquery()
        code = sa.case((IMAGES.c.id == IMAGES.c.group, None), else_=of_group)
        query = sa.select(IMAGES.c.id, IMAGES.c.hash, code).where(IMAGES.c.row >= first).order_by(IMAGES.c.row)
        with self._database.reading() as connection:
            yield from plain_blocks(connection, query)

    def group_of(self, image_id: str) -> str:
        """Return the id of the first image of a known image's near-duplicate group."""
        with self._database.reading() as connection:
            return str(connection.execute(sa.select(IMAGES.c.group).where(IMAGES.c.id == image_id)).scalar_one())

    def add_batch(
        self,
        images: Sequence[ImageRecord],
        paths: Sequence[PathRecord],
        rejected: Sequence[Rejected],
        *,
        gold: Sequence[tuple[str, str, str]] = (),
        moved: Mapping[str, str] | None = None,
        at: str | None = None,
    ) -> list[str]:
        """Add images (they get the next rows, in order), their files and the rejected files, all or none.

        Args:
            gold: (image id, column, value); replaces stored values.
            moved: image id -> new path, for known images whose own file is gone.
            at: ISO 8601, UTC, the same for all batches of one ingest; None = now.
        Returns:
            the ids of known images that have no file any more because their path now holds something else.
        """
        salt = Settings(self._database).get("salt", "")
        start = self._next_row()
        ids, groups = [image.id for image in images], [image.group for image in images]
        check, order = in_check_half(groups, salt=salt), check_order(ids, salt=salt)
        with self._database.writing() as connection:
            query = sa.select(IMAGES.c.group, IMAGES.c.is_check).where(IMAGES.c.group.in_(set(groups)))
            known = dict(connection.execute(query).all())  # a group that was joined may have changed halves
            check = np.array([known.get(group, mine) for group, mine in zip(groups, check.tolist(), strict=True)], bool)
            rows = [
                {
                    "row": start + i,
                    "id": image.id,
                    "path": image.path,
                    "width": image.width,
                    "height": image.height,
                    "n_bytes": image.n_bytes,
                    "format": image.format,
                    "hash": image.hash,
                    "group": image.group,
                    "is_check": bool(check[i]),
                    "check_order": float(order[i]),
                }
                for i, image in enumerate(images)
            ]
            insert(connection, IMAGES, rows)
            _note_addition(connection, start, len(rows), at or now())
            moving = [
                {"row": start + i, "frames": image.frames, "shown": image.frames_shown, "all_seen": image.all_frames_seen}
                for i, image in enumerate(images)
                if image.frames > 1
            ]
            insert(connection, FRAMES, moving)
            figures = [{"row": start + i, "figure": image.text} for i, image in enumerate(images) if image.text is not None]
            insert(connection, TEXT_FIGURES, figures)
            _replace_gold(connection, [(i.id, column, value) for i in images for column, value in i.gold.items()])
            _replace_gold(connection, gold)
            lost = _replace_paths(connection, paths, rejected)
            for image_id, path in (moved or {}).items():
                connection.execute(sa.update(IMAGES).where(IMAGES.c.id == image_id).values(path=path))
        n, n_of_known = self.gold_written
        written, of_known = bool(gold) or any(image.gold for image in images), not {one for one, *_ in gold} <= set(ids)
        self.gold_written = GoldWritten(n + written, n_of_known + of_known)
        return lost

    def _next_row(self) -> int:
        """Return the row of the next image: counting a million takes as long as a batch's transaction."""
        with self._database.reading() as connection:
            newest = connection.scalar(sa.select(sa.func.max(IMAGES.c.row)))
        return 0 if newest is None else int(newest) + 1

    def columns(self) -> ImageColumns:
        """Return the in-memory columns of all images, in row order.

        Raises:
            DamageError: if a row is missing or holds an invalid value.
        """
        with self._database.reading() as connection, sound(self._database.where):
            query = sa.select(IMAGES.c.id, IMAGES.c.is_check, IMAGES.c.check_order, IMAGES.c.row).order_by(IMAGES.c.row)
            blocks = [  # arrays block by block: all rows as Python's values would take 300 bytes each
                (np.array(ids, "S32"), np.array(check, bool), np.array(order, np.float64), np.array(rows, np.int64))
                for ids, check, order, rows in (zip(*block, strict=True) for block in plain_blocks(connection, query))
            ]
            several = sa.select(IMAGES.c.group).group_by(IMAGES.c.group).having(sa.func.count() > 1)
            query = sa.select(IMAGES.c.group, IMAGES.c.row).where(IMAGES.c.group.in_(several)).order_by(IMAGES.c.row)
            grouped: Sequence[Any] = connection.execute(query).fetchall()
            gone = list(connection.scalars(sa.select(REMOVED.c.row)))
            if not blocks:
                nothing = np.array([], bool)
                return ImageColumns(np.array([], "S32"), nothing, np.array([]), np.array([], np.int64), nothing)
            ids, check, order, rows = (np.concatenate(column) for column in zip(*blocks, strict=True))
            if (rows[0], rows[-1]) != (0, len(rows) - 1):
                raise ValueError("images are missing")
            groups = np.arange(len(ids))
            first: dict[str, int] = {}
            for name, row in grouped:
                groups[row] = first.setdefault(name, row)
            return ImageColumns(ids, check, order, groups, np.isin(np.arange(len(ids)), gone))

    def columns_from(self, first: int) -> ImageColumns:
        """Return the in-memory columns of the images from a row on, in row order.

        Raises:
            DamageError: if a row is missing or holds an invalid value.
        """
        with self._database.reading() as connection, sound(self._database.where):
            columns = (IMAGES.c.id, IMAGES.c.is_check, IMAGES.c.check_order, IMAGES.c.group, IMAGES.c.row)
            found = plain(connection, sa.select(*columns).where(IMAGES.c.row >= first).order_by(IMAGES.c.row))
            ids, check, order, groups, rows = zip(*found, strict=True) if found else ((),) * 5
            if list(rows) != list(range(first, first + len(rows))):
                raise ValueError("images are missing")
            oldest = sa.select(IMAGES.c.group, sa.func.min(IMAGES.c.row))
            names = sorted(set(groups))
            of_group: dict[str, int] = {}
            for start in range(0, len(names), 500):  # SQLite limits the number of parameters
                mine = IMAGES.c.group.in_(names[start : start + 500])
                of_group |= dict(plain(connection, oldest.where(mine).group_by(IMAGES.c.group)))
            firsts = np.array([of_group[name] for name in groups], np.int64)
            gone = np.isin(np.array(rows, np.int64), list(connection.scalars(sa.select(REMOVED.c.row))))
            return ImageColumns(np.array(ids, "S32"), np.array(check, bool), np.array(order, np.float64), firsts, gone)

    def additions(self) -> list[tuple[int, str]]:
        """Return (first row, ISO 8601 UTC) of each ingest, oldest first; earlier images have no time."""
        with self._database.reading() as connection:
            query = sa.select(ADDITIONS.c.first_row, ADDITIONS.c.at).order_by(ADDITIONS.c.first_row)
            return [(int(row), at) for row, at in connection.execute(query)]

    def sizes(self) -> IntArray:
        """Return the width and height of every image in px, (N, 2) int32, in row order."""
        with self._database.reading() as connection:
            query = sa.select(IMAGES.c.width, IMAGES.c.height).order_by(IMAGES.c.row)
            blocks = [integers(block, 2).astype(np.int32) for block in plain_blocks(connection, query)]
        return np.concatenate(blocks) if blocks else np.zeros((0, 2), np.int32)

    def rows_with_path(self, pattern: str) -> Iterator[tuple[int, str]]:
        """Yield (row, path) of every file whose path fits a LIKE pattern, in which "!" escapes."""
        of_each = sa.select(IMAGES.c.row, PATHS.c.path).join(IMAGES, IMAGES.c.id == PATHS.c.image_id)
        with self._database.reading() as connection:
            for block in plain_blocks(connection, of_each.where(PATHS.c.path.ilike(pattern, escape="!"))):
                yield from block

    def text_figures(self, start: int, stop: int) -> FloatArray:
        """Return the probability of text on dark of rows [start, stop), (n,) float32 in [0, 1]; NaN if not measured yet."""
        figures = np.full(stop - start, np.nan, np.float32)
        row = TEXT_FIGURES.c.row
        with self._database.reading() as connection:
            found = plain(connection, sa.select(row, TEXT_FIGURES.c.figure).where(row >= start, row < stop))
        if found:
            known = np.array(found, np.float64)
            figures[known[:, 0].astype(np.int64) - start] = known[:, 1]
        return figures

    def set_text_figures(self, figures: Mapping[int, float]) -> None:
        """Store probabilities of text on dark by row."""
        with self._database.writing() as connection:
            values = [{"row": row, "figure": figure} for row, figure in figures.items()]
            replace(connection, TEXT_FIGURES, values)

    def words(self) -> dict[int, str]:
        """Return the words read in each image, by row."""
        with self._database.reading() as connection:
            return dict(connection.execute(sa.select(IMAGE_WORDS.c.row, IMAGE_WORDS.c.words)).all())

    def count_words(self) -> int:
        """Count the images that were read."""
        return self._database.count(IMAGE_WORDS)

    def set_words(self, row: int, words: str) -> None:
        """Store the words read in an image."""
        with self._database.writing() as connection:
            replace(connection, IMAGE_WORDS, [{"row": row, "words": words, "at": now()}])

    def searched_for_copies(self) -> dict[str, int]:
        """Return encoder -> number of rows already searched for near-duplicates."""
        with self._database.reading() as connection:
            return dict(connection.execute(sa.select(COPY_SEARCHES.c.encoder, COPY_SEARCHES.c.n_rows)).all())

    def sources(self) -> list[str]:
        """Return the folders that images were ingested from, oldest first."""
        with self._database.reading() as connection:
            return list(connection.scalars(sa.select(SOURCES.c.path).order_by(SOURCES.c.number)))

    def add_source(self, path: str) -> None:
        """Remember a folder that images were ingested from, unless it is known."""
        if path not in self.sources():
            with self._database.writing() as connection:
                connection.execute(sa.insert(SOURCES).values(path=path))

    def join_groups(self, joined: Mapping[int, int], halves: Mapping[int, bool], *, copies: Mapping[str, int]) -> None:
        """Change images' near-duplicate groups and groups' halves, and store how far the search got, all or none.

        Args:
            joined: row -> first row of its new group.
            halves: first row of a group -> whether the group is in the check half.
            copies: encoder -> number of rows searched.
        """
        with self._database.writing() as connection:
            firsts = sorted(set(joined.values()))
            ids = dict(_by_rows(connection, IMAGES.c.group, firsts))  # of an older image, if that was removed
            for row, first in joined.items():
                connection.execute(sa.update(IMAGES).where(IMAGES.c.row == row).values(group=ids[first]))
            for first, is_check in halves.items():
                connection.execute(sa.update(IMAGES).where(IMAGES.c.group == ids[first]).values(is_check=is_check))
            replace(connection, COPY_SEARCHES, [{"encoder": encoder, "n_rows": n} for encoder, n in copies.items()])
            if joined or halves:
                renew_version(connection)

    def record(self, row: int) -> ImageRow:
        """Return all columns of one image.

        Raises:
            WorkspaceError: if there is no such row.
        """
        with self._database.reading() as connection:
            found = connection.execute(sa.select(IMAGES).where(IMAGES.c.row == row)).mappings().first()
        if found is None:
            raise WorkspaceError(f"There is no image in row {row}; the workspace has {self.count()} images.")
        return cast(ImageRow, dict(found))

    def files_of(self, rows: Sequence[int]) -> list[ImageFiles]:
        """Return each image's files as they were last seen, its own path first."""
        found: dict[int, tuple[str, str, list[Visit]]] = {}
        columns = (IMAGES.c.row, IMAGES.c.id, IMAGES.c.path.label("own"), PATHS.c.path, PATHS.c.n_bytes, PATHS.c.mtime_ns)
        query = sa.select(*columns).outerjoin(PATHS, PATHS.c.image_id == IMAGES.c.id).order_by(PATHS.c.path)
        with self._database.reading() as connection:
            for row, image_id, own, path, n_bytes, mtime_ns in in_parts(connection, query, IMAGES.c.row, list(map(int, rows))):
                visits = found.setdefault(row, (image_id, own, []))[2]
                if path is not None:
                    visits.insert(0 if path == own else len(visits), Visit(path, n_bytes, mtime_ns))
        return [ImageFiles(image_id, own, tuple(visits)) for image_id, own, visits in (found[int(row)] for row in rows)]

    def frames(self, row: int) -> tuple[int, int]:
        """Return how many frames an image's file has and how many of them are shown; (1, 1) for a still image."""
        with self._database.reading() as connection:
            if not sa.inspect(connection).has_table(FRAMES.name):  # an older workspace, opened read-only
                return 1, 1
            found = connection.execute(sa.select(FRAMES.c.frames, FRAMES.c.shown).where(FRAMES.c.row == row)).first()
        return (1, 1) if found is None else (int(found[0]), int(found[1]))

    def known_ids(self, paths: Sequence[str]) -> dict[str, str]:
        """Return path -> image id, for those paths that held an image when last seen."""
        with self._database.reading() as connection:
            return dict(_image_ids(connection, paths))

    def rows_of_ids(self, ids: Sequence[str]) -> dict[str, int]:
        """Return image id -> row, for known ids."""
        with self._database.reading() as connection:
            return dict(in_parts(connection, sa.select(IMAGES.c.id, IMAGES.c.row).where(_IS_HERE), IMAGES.c.id, ids))

    def paths(self, start: int, stop: int) -> list[str]:
        """Return the path of each image in rows [start, stop)."""
        with self._database.reading() as connection:
            query = sa.select(IMAGES.c.path).where(IMAGES.c.row >= start, IMAGES.c.row < stop).order_by(IMAGES.c.row)
            return list(connection.scalars(query))

    def groups(self) -> list[str]:
        """Return the near-duplicate group of every image, in row order."""
        with self._database.reading() as connection:
            return list(connection.scalars(sa.select(IMAGES.c.group).order_by(IMAGES.c.row)))

    def row_of_id(self, image_id: str) -> int | None:
        """Return the row of an image id; None if there is no such image, or it was removed."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(IMAGES.c.row).where(IMAGES.c.id == image_id, _IS_HERE))

    def rows_by_name(self) -> dict[str, int]:
        """Map every id and every known file path to its row."""
        with self._database.reading() as connection:
            rows: dict[str, int] = dict(plain(connection, sa.select(IMAGES.c.id, IMAGES.c.row).where(_IS_HERE)))
            for path, image_id in plain(connection, sa.select(PATHS.c.path, PATHS.c.image_id)):
                rows[path] = rows[image_id]
        return rows

    def files(self) -> list[PathRecord]:
        """Return every file of every image, with its size and modification time when it was read."""
        with self._database.reading() as connection:
            query = sa.select(PATHS.c.path, PATHS.c.image_id, PATHS.c.n_bytes, PATHS.c.mtime_ns)
            return [PathRecord(*found) for found in plain(connection, query.order_by(PATHS.c.path))]

    def rejected(self) -> list[Rejected]:
        """Return the rejected files by path."""
        with self._database.reading() as connection:
            return [Rejected(**found) for found in connection.execute(sa.select(REJECTED).order_by(REJECTED.c.path)).mappings()]

    def reason_of(self, path: str) -> str | None:
        """Return why a file was rejected; None if it was not."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(REJECTED.c.reason).where(REJECTED.c.path == path)).scalar_one_or_none()
            return None if found is None else str(found)

    def gold_columns(self) -> list[str]:
        """Return the names of the gold columns."""
        with self._database.reading() as connection:
            return list(connection.scalars(sa.select(GOLD.c.column).distinct().order_by(GOLD.c.column)))

    def gold(self, column: str) -> tuple[IntArray, list[str]]:
        """Return (rows (K,), values) of one gold column, in row order."""
        with self._database.reading() as connection:
            query = sa.select(GOLD.c.row, GOLD.c.value).where(GOLD.c.column == column).order_by(GOLD.c.row)
            found = plain(connection, query)
        return np.fromiter((row for row, _ in found), np.int64, len(found)), [value for _, value in found]

    def gold_counts(self, column: str) -> dict[str, int]:
        """Return how many images have each value of one gold column, by value."""
        with self._database.reading() as connection:
            query = sa.select(GOLD.c.value, sa.func.count()).where(GOLD.c.column == column).group_by(GOLD.c.value)
            return dict(sorted(plain(connection, query)))

    def gold_most(self, column: str, most: int) -> tuple[dict[str, int], int, bool]:
        """Return a gold column's most frequent values with their images, how many values there are, and if all are numbers."""
        value, count = GOLD.c.value, sa.func.count()
        mine = GOLD.c.column == column
        is_number = sa.case((sa.func.json_valid(value) == 1, sa.func.json_type(value).in_(["integer", "real"])), else_=False)
        with self._database.reading() as connection:
            frequent = sa.select(value, count).where(mine).group_by(value).order_by(count.desc(), value).limit(most)
            query = sa.select(sa.func.count(sa.distinct(value)), count, sa.func.sum(sa.cast(is_number, sa.Integer))).where(mine)
            n_different, n, n_numbers = connection.execute(query).one()
            return dict(plain(connection, frequent)), n_different, n > 0 and n_numbers == n

    def gold_numbers(self, column: str) -> tuple[IntArray, FloatArray]:
        """Return (rows (K,), values (K,) float64) of a gold column of numbers, in no order."""
        value = sa.cast(GOLD.c.value, sa.Float)
        return self._numbers(sa.select(GOLD.c.row, value).where(GOLD.c.column == column))

    def with_gold(self, column: str) -> IntArray:
        """Return the rows (K,) that have a value of a gold column, in no order."""
        return self._numbers(sa.select(GOLD.c.row, GOLD.c.row.label("same")).where(GOLD.c.column == column))[0]

    def _numbers(self, query: sa.Select[Any]) -> tuple[IntArray, FloatArray]:
        """Return the rows and numbers of a query for the two, each written as one text by the database (see `gold_rows`)."""
        parts = query.subquery().columns
        joined = [sa.func.aggregate_strings(sa.cast(part, sa.Text), ",") for part in parts]
        with self._database.reading() as connection:
            rows, numbers = connection.execute(sa.select(joined[0], joined[1])).one()
        return np.fromstring(rows or "", np.int64, sep=","), np.fromstring(numbers or "", np.float64, sep=",")

    def gold_rows(self, column: str, values: Sequence[str], *, start: int = 0, stop: int | None = None) -> dict[str, IntArray]:
        """Return which of the rows [start, stop) have each of a few values of one gold column: value -> (K,) int64.

        The database writes each value's rows as one text: millions of them as Python's integers take ten times as long.
        """
        if not values:
            return {}
        row = sa.cast(GOLD.c.row, sa.Text)
        of_each = [sa.func.aggregate_strings(sa.case((GOLD.c.value == value, row)), ",") for value in values]
        with self._database.reading() as connection:
            mine = (GOLD.c.column == column) & (GOLD.c.row >= start)
            texts = connection.execute(sa.select(*of_each).where(mine if stop is None else mine & (GOLD.c.row < stop))).one()
        return {value: np.fromstring(text or "", np.int64, sep=",") for value, text in zip(values, texts, strict=True)}


def _note_addition(connection: sa.Connection, start: int, n: int, at: str) -> None:
    newest = connection.scalar(sa.select(ADDITIONS.c.at).order_by(ADDITIONS.c.first_row.desc()).limit(1))
    if n and newest != at:
        replace(connection, ADDITIONS, [{"first_row": start, "at": at}])


def renew_version(connection: sa.Connection) -> str:
    """Give the columns of images that are kept in memory another version, and return it."""
    version = secrets.token_hex(8)
    replace(connection, SETTINGS, [{"key": IMAGES_VERSION, "value": version}])
    return version


def _replace_gold(connection: sa.Connection, gold: Sequence[tuple[str, str, str]]) -> None:
    """Store gold values; of several for one image and column the last wins."""
    ids = sorted({image_id for image_id, _, _ in gold})
    rows = dict(in_parts(connection, sa.select(IMAGES.c.id, IMAGES.c.row), IMAGES.c.id, ids))
    values = [{"row": rows[image_id], "column": column, "value": value} for image_id, column, value in gold]
    replace(connection, GOLD, values)


def _replace_paths(connection: sa.Connection, paths: Sequence[PathRecord], rejected: Sequence[Rejected]) -> list[str]:
    """Store every file's newest verdict; an image whose own path now holds something else gets another path, or none.

    Returns:
        the ids of the images left without a path.
    """
    now_there = {record.path: record.image_id for record in paths}
    touched = [*now_there, *(record.path for record in rejected)]
    before = dict(_image_ids(connection, touched))
    for table in (PATHS, REJECTED):
        if touched:
            connection.execute(sa.delete(table).where(table.c.path == sa.bindparam("seen")), [{"seen": p} for p in touched])
    insert(connection, PATHS, [vars(record) for record in paths])
    insert(connection, REJECTED, [vars(record) for record in rejected])
    lost = []
    for path, image_id in before.items():
        if now_there.get(path) == image_id:
            continue
        others = sa.select(PATHS.c.path).where(PATHS.c.image_id == image_id).order_by(PATHS.c.path).limit(1)
        other = connection.scalar(others)
        mine = (IMAGES.c.id == image_id) & (IMAGES.c.path == path)
        connection.execute(sa.update(IMAGES).where(mine).values(path=other or ""))
        if other is None:
            lost.append(image_id)
    return lost


def _image_ids(connection: sa.Connection, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    return in_parts(connection, sa.select(PATHS.c.path, PATHS.c.image_id), PATHS.c.path, paths)


def _by_rows(connection: sa.Connection, column: Any, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
    for start in range(0, len(rows), 500):  # SQLite limits the number of parameters
        query = sa.select(IMAGES.c.row, column).where(IMAGES.c.row.in_(rows[start : start + 500]))
        yield from ((row, value) for row, value in connection.execute(query))
