"""The catalog: what a workspace knows, in one SQLite file (or any database SQLAlchemy reaches). Holds no matrices.

Every method is one transaction. Label actions are append-only: undo is an action too.
"""

import datetime as dt
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.arrays import BoolArray, FloatArray, IntArray
from core.errors import WHAT_TO_DO, DamageError, ReadOnlyError, WorkspaceError
from core.images.visits import ImageFiles, Visit
from core.maths.halves import check_order, in_check_half
from core.store.schema import (
    ACTION_IMAGES,
    ACTIONS,
    CLASSES,
    ENCODERS,
    EXPOSURES,
    FRAMES,
    GOLD,
    IMAGE_WORDS,
    IMAGES,
    METADATA,
    OPERATING_POINTS,
    PARTS,
    PATHS,
    PROBES,
    PROJECTIONS,
    REJECTED,
    REVEALS,
    SCHEMA_VERSION,
    SECOND_READINGS,
    SETTING_TYPES,
    SETTINGS,
    TEXT_FIGURES,
)
from core.store.sqlite import SqliteFile, read_only_sentence
from core.store.troubles import sound, translated


@dataclass(frozen=True)
class ImageRecord:
    """One image as ingest found it."""

    id: str
    path: str
    width: int  # pixels, after EXIF rotation
    height: int
    n_bytes: int
    format: str
    hash: str  # hex of the perceptual hash
    group: str  # id of the first image of its near-duplicate group
    gold: Mapping[str, str] = field(default_factory=dict)  # manifest columns, for the experiment only
    text: float | None = None  # figure of text on dark, in [0, 1]; None = not known yet
    frames: int = 1  # of a moving or many-page picture, as far as they were counted
    frames_shown: int = 1
    all_frames_seen: bool = True


@dataclass(frozen=True)
class PathRecord:
    """One file that holds a known image."""

    path: str
    image_id: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Rejected:
    """One file that is not an image we can take."""

    path: str
    reason: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageClass:
    """A class an analyst can give."""

    name: str
    colour: str  # "#rrggbb"
    key: str  # one character
    flagged: bool  # images of this class are what the operating point must catch


@dataclass(frozen=True)
class Action:
    """One thing an analyst did: `label` (class None clears), `undo` or `redo` of one, `look` at images of a bulk label."""

    seq: int
    id: str
    kind: str
    class_name: str | None
    analyst: str
    at: str  # ISO 8601, UTC
    source: str  # single | lasso | cluster | check | import
    criterion: Any  # polygon [[x, y], ...] in map units, or what else chose the images; None for single labels
    guideline: str
    target: int | None  # for undo and redo: the seq of the label action
    rows: IntArray  # (K,) int64, empty for undo and redo


@dataclass(frozen=True)
class ActionDraft:
    """An action before the catalog gave it a number; the fields mean what they mean in `Action`."""

    kind: str
    analyst: str
    source: str
    rows: IntArray
    class_name: str | None = None
    criterion: Any = None
    guideline: str = "v1"
    target: int | None = None
    at: str | None = None  # None = the moment of the commit


@dataclass(frozen=True)
class ImageColumns:
    """The columns of all N images that the server keeps in memory, in row order."""

    ids: np.ndarray[tuple[int], np.dtype[np.bytes_]]  # (N,) S32
    is_check: BoolArray  # (N,)
    check_order: FloatArray  # (N,) in [0, 1)
    groups: IntArray  # (N,) int64: the row of the first image of its near-duplicate group, its own where it is alone


ACTION_COLUMNS = ("seq", "id", "kind", "class_name", "analyst", "at", "source", "criterion", "guideline", "target")


def now() -> str:
    """Return the present moment as ISO 8601 UTC with microseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


class Catalog:
    """Typed verbs over the catalog's tables; safe to call from several threads."""

    def __init__(self, engine: sa.Engine, *, where: str, read_only: bool = False, file: SqliteFile | None = None) -> None:
        """Take a database that SQLAlchemy reaches; `in_folder` opens a workspace's own.

        Args:
            where: how errors name it.
            read_only: nothing is written, not even tables that are missing; those are empty.
            file: closed with the catalog.
        Raises:
            DamageError: if it cannot be read.
            WorkspaceError: if it has another schema.
        """
        self.engine, self.where, self._read_only, self._file = engine, where, read_only, file
        self.refusal = read_only_sentence(Path(where).parent)  # what to say to who wants to write where nothing can be written
        if not read_only:
            with translated(where):
                METADATA.create_all(engine)
        found = self.setting("schema", SCHEMA_VERSION)
        if found != SCHEMA_VERSION:
            raise WorkspaceError(
                f"The catalog has schema {found}, this program reads {SCHEMA_VERSION}; use the matching version."
            )

    @classmethod
    def in_folder(cls, folder: Path, *, read_only: bool = False) -> "Catalog":
        """Open (or for writing create) `catalog.sqlite` inside a workspace folder."""
        return cls.of_file(folder / "catalog.sqlite", read_only=read_only)

    @classmethod
    def of_file(cls, path: Path, *, read_only: bool = False) -> "Catalog":
        """Open (or for writing create) an SQLite file; its name may hold any character."""
        file = SqliteFile(path, read_only=read_only)
        engine = sa.create_engine("sqlite://", creator=file.connect, poolclass=sa.QueuePool)
        if read_only:
            sa.event.listen(engine, "connect", _fill_in_tables)
        try:
            return cls(engine, where=str(path), read_only=read_only, file=file)
        except WorkspaceError:
            engine.dispose()
            file.close()
            raise

    def initialise(self, settings: Mapping[str, Any], classes: Sequence[ImageClass]) -> None:
        """Write the first settings and classes of a new workspace, all or none."""
        values = [{"key": key, "value": value} for key, value in {"schema": SCHEMA_VERSION, **settings}.items()]
        with self._write() as connection:
            connection.execute(sa.delete(SETTINGS).where(SETTINGS.c.key.in_([value["key"] for value in values])))
            _insert(connection, SETTINGS, values)
            _replace_classes(connection, classes)

    def close(self) -> None:
        """Close all connections; SQLite folds its write-ahead log into the file."""
        self.engine.dispose()
        if self._file is not None:
            self._file.close()

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with translated(self.where), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        if self._read_only:
            raise ReadOnlyError(self.refusal)
        with translated(self.where), self.engine.begin() as connection:
            yield connection

    # -- settings --

    def setting(self, key: str, default: Any = None) -> Any:
        """Return a stored setting, or `default`.

        Raises:
            DamageError: if it is not what such a setting holds.
        """
        with self._read() as connection:
            found = connection.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.key == key)).first()
        if found is None:
            return default
        if not isinstance(found[0], SETTING_TYPES.get(key, object)):
            raise DamageError(f"{self.where} is damaged (the setting '{key}' is {found[0]!r}); {WHAT_TO_DO}.")
        return found[0]

    def set_setting(self, key: str, value: Any) -> None:
        """Store a JSON value under `key`."""
        with self._write() as connection:
            connection.execute(sa.delete(SETTINGS).where(SETTINGS.c.key == key))
            connection.execute(sa.insert(SETTINGS).values(key=key, value=value))

    def drop_setting(self, key: str) -> None:
        """Forget a setting."""
        with self._write() as connection:
            connection.execute(sa.delete(SETTINGS).where(SETTINGS.c.key == key))

    # -- images --

    def n_images(self) -> int:
        """Count the images."""
        return self._count(IMAGES)

    def n_rejected(self) -> int:
        """Count the rejected files."""
        return self._count(REJECTED)

    def n_paths(self) -> int:
        """Count the files that hold a known image (at least one per image)."""
        return self._count(PATHS)

    def _count(self, table: sa.Table) -> int:
        with self._read() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)

    def known_paths(self) -> dict[str, tuple[int, int]]:
        """Return path -> (bytes, mtime in ns) of every file seen before, taken or rejected."""
        with self._read() as connection:
            found = {}
            for table in (PATHS, REJECTED):
                found.update(
                    {
                        path: (n, t)
                        for path, n, t in connection.execute(sa.select(table.c.path, table.c.n_bytes, table.c.mtime_ns))
                    }
                )
        return found

    def known_hashes(self) -> list[tuple[str, str, str]]:
        """Return (id, perceptual hash, group) of every image in row order."""
        with self._read() as connection:
            query = sa.select(IMAGES.c.id, IMAGES.c.hash, IMAGES.c.group).order_by(IMAGES.c.row)
            return [(a, b, c) for a, b, c in connection.execute(query)]

    def add_batch(
        self,
        images: Sequence[ImageRecord],
        paths: Sequence[PathRecord],
        rejected: Sequence[Rejected],
        *,
        gold: Sequence[tuple[str, str, str]] = (),
        moved: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Add images (they get the next rows, in order), their files and the rejected files, all or none.

        Args:
            gold: (image id, column, value), replacing what is kept.
            moved: image id -> path of known images whose own file is not there any more.
        Returns:
            the ids of known images that have no file any more, because something else lies at its path now.
        """
        salt = self.setting("salt", "")
        start = self.n_images()
        ids, groups = [image.id for image in images], [image.group for image in images]
        check, order = in_check_half(groups, salt=salt), check_order(ids, salt=salt)
        with self._write() as connection:
            query = sa.select(IMAGES.c.group, IMAGES.c.is_check).where(IMAGES.c.group.in_(set(groups)))
            known = dict(connection.execute(query).all())  # a joined group may have changed it
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
            _insert(connection, IMAGES, rows)
            moving = [
                {"row": start + i, "frames": image.frames, "shown": image.frames_shown, "all_seen": image.all_frames_seen}
                for i, image in enumerate(images)
                if image.frames > 1
            ]
            _insert(connection, FRAMES, moving)
            figures = [{"row": start + i, "figure": image.text} for i, image in enumerate(images) if image.text is not None]
            _insert(connection, TEXT_FIGURES, figures)
            _replace_gold(connection, [(i.id, column, value) for i in images for column, value in i.gold.items()])
            _replace_gold(connection, gold)
            lost = _replace_paths(connection, paths, rejected)
            for image_id, path in (moved or {}).items():
                connection.execute(sa.update(IMAGES).where(IMAGES.c.id == image_id).values(path=path))
        return lost

    def image_columns(self) -> ImageColumns:
        """Return the in-memory columns of all images, in row order.

        Raises:
            DamageError: if a row is missing, or holds what it cannot.
        """
        with self._read() as connection, sound(self.where):
            query = sa.select(IMAGES.c.id, IMAGES.c.is_check, IMAGES.c.check_order, IMAGES.c.row).order_by(IMAGES.c.row)
            found = _plain(connection, query)
            several = sa.select(IMAGES.c.group).group_by(IMAGES.c.group).having(sa.func.count() > 1)
            query = sa.select(IMAGES.c.group, IMAGES.c.row).where(IMAGES.c.group.in_(several)).order_by(IMAGES.c.row)
            grouped: Sequence[Any] = connection.execute(query).fetchall()
            ids, check, order, rows = zip(*found, strict=True) if found else ((), (), (), ())
            if found and (rows[0], rows[-1]) != (0, len(found) - 1):
                raise ValueError("images are missing")
            groups = np.arange(len(ids))
            first: dict[str, int] = {}
            for name, row in grouped:
                groups[row] = first.setdefault(name, row)
            return ImageColumns(np.array(ids, "S32"), np.array(check, bool), np.array(order, np.float64), groups)

    def add_exposures(self, day: str, seen: Mapping[str, tuple[Mapping[str, int], Mapping[str, float]]]) -> None:
        """Add to what analysts saw on a day, {analyst: (views by level, seconds by level)}, all or none."""
        with self._write() as connection:
            for analyst, (views, seconds) in sorted(seen.items()):
                for level in sorted({*views, *seconds}):
                    mine = (EXPOSURES.c.analyst == analyst) & (EXPOSURES.c.day == day) & (EXPOSURES.c.level == level)
                    more = {"views": views.get(level, 0), "seconds": seconds.get(level, 0.0)}
                    added = {key: EXPOSURES.c[key] + value for key, value in more.items()}
                    if not connection.execute(sa.update(EXPOSURES).where(mine).values(added)).rowcount:
                        connection.execute(sa.insert(EXPOSURES).values(analyst=analyst, day=day, level=level, **more))

    def exposures(self) -> list[dict[str, Any]]:
        """Return what was seen, the newest day first: dicts of analyst, day, level, views, seconds."""
        with self._read() as connection:
            query = sa.select(EXPOSURES).order_by(EXPOSURES.c.day.desc(), EXPOSURES.c.analyst, EXPOSURES.c.level)
            return [dict(found) for found in connection.execute(query).mappings()]

    def text_figures(self, n_images: int) -> FloatArray:
        """Return the figure of text on dark of every image, (N,) float32 in [0, 1]; NaN where it is not known yet."""
        figures = np.full(n_images, np.nan, np.float32)
        with self._read() as connection:
            found = _plain(connection, sa.select(TEXT_FIGURES.c.row, TEXT_FIGURES.c.figure))
        if found:
            known = np.array(found, np.float64)
            figures[known[:, 0].astype(np.int64)] = known[:, 1]
        return figures

    def set_text_figures(self, figures: Mapping[int, float]) -> None:
        """Keep figures of text on dark by row."""
        with self._write() as connection:
            values = [{"row": row, "figure": figure} for row, figure in figures.items()]
            connection.execute(sa.insert(TEXT_FIGURES).prefix_with("OR REPLACE"), values)

    def words(self) -> dict[int, str]:
        """Return the words of every image that was read, by row."""
        with self._read() as connection:
            return dict(connection.execute(sa.select(IMAGE_WORDS.c.row, IMAGE_WORDS.c.words)).all())

    def set_words(self, row: int, words: str) -> None:
        """Keep what was read in an image."""
        with self._write() as connection:
            connection.execute(sa.insert(IMAGE_WORDS).prefix_with("OR REPLACE"), [{"row": row, "words": words, "at": now()}])

    def join_groups(self, joined: Mapping[int, int], halves: Mapping[int, bool], *, copies: Mapping[str, int]) -> None:
        """Give images another near-duplicate group and whole groups a half, and keep how far the search came, all or none."""
        with self._write() as connection:
            firsts = sorted(set(joined.values()))
            ids = dict(_by_rows(connection, IMAGES.c.id, firsts))
            for row, first in joined.items():
                connection.execute(sa.update(IMAGES).where(IMAGES.c.row == row).values(group=ids[first]))
            for first, is_check in halves.items():
                connection.execute(sa.update(IMAGES).where(IMAGES.c.group == ids[first]).values(is_check=is_check))
            connection.execute(sa.delete(SETTINGS).where(SETTINGS.c.key == "copies"))
            connection.execute(sa.insert(SETTINGS).values(key="copies", value=dict(copies)))

    def image(self, row: int) -> dict[str, Any]:
        """Return all columns of one image.

        Raises:
            WorkspaceError: if there is no such row.
        """
        with self._read() as connection:
            found = connection.execute(sa.select(IMAGES).where(IMAGES.c.row == row)).mappings().first()
        if found is None:
            raise WorkspaceError(f"There is no image in row {row}; the workspace has {self.n_images()} images.")
        return dict(found)

    def image_files(self, rows: Sequence[int]) -> list[ImageFiles]:
        """Return of each image the files that held it when they were last seen, its own path first."""
        found: dict[int, tuple[str, str, list[Visit]]] = {}
        columns = (IMAGES.c.row, IMAGES.c.id, IMAGES.c.path.label("own"), PATHS.c.path, PATHS.c.n_bytes, PATHS.c.mtime_ns)
        query = sa.select(*columns).outerjoin(PATHS, PATHS.c.image_id == IMAGES.c.id).order_by(PATHS.c.path)
        with self._read() as connection:
            for row, image_id, own, path, n_bytes, mtime_ns in _in_parts(connection, query, IMAGES.c.row, list(map(int, rows))):
                visits = found.setdefault(row, (image_id, own, []))[2]
                if path is not None:
                    visits.insert(0 if path == own else len(visits), Visit(path, n_bytes, mtime_ns))
        return [ImageFiles(image_id, own, tuple(visits)) for image_id, own, visits in (found[int(row)] for row in rows)]

    def frames(self, row: int) -> tuple[int, int]:
        """Return how many frames an image's file has and how many of them are shown, (1, 1) for a still."""
        with self._read() as connection:
            if not sa.inspect(connection).has_table(FRAMES.name):  # an older workspace that may not be written
                return 1, 1
            found = connection.execute(sa.select(FRAMES.c.frames, FRAMES.c.shown).where(FRAMES.c.row == row)).first()
        return (1, 1) if found is None else (int(found[0]), int(found[1]))

    def known_ids(self, paths: Sequence[str]) -> dict[str, str]:
        """Return path -> image id of those of these files that held an image when they were last seen."""
        with self._read() as connection:
            return dict(_image_ids(connection, paths))

    def rows_of_ids(self, ids: Sequence[str]) -> dict[str, int]:
        """Return image id -> row of those that are known."""
        with self._read() as connection:
            return dict(_in_parts(connection, sa.select(IMAGES.c.id, IMAGES.c.row), IMAGES.c.id, ids))

    def image_paths(self, start: int, stop: int) -> list[str]:
        """Return the path of each image in rows [start, stop)."""
        with self._read() as connection:
            query = sa.select(IMAGES.c.path).where(IMAGES.c.row >= start, IMAGES.c.row < stop).order_by(IMAGES.c.row)
            return list(connection.scalars(query))

    def groups(self) -> list[str]:
        """Return the near-duplicate group of every image, in row order."""
        with self._read() as connection:
            return list(connection.scalars(sa.select(IMAGES.c.group).order_by(IMAGES.c.row)))

    def row_of_id(self, image_id: str) -> int | None:
        """Return the row of an image id, or None."""
        with self._read() as connection:
            return connection.scalar(sa.select(IMAGES.c.row).where(IMAGES.c.id == image_id))

    def rows_by_name(self) -> dict[str, int]:
        """Map every id and every known file path to its row."""
        with self._read() as connection:
            rows: dict[str, int] = dict(_plain(connection, sa.select(IMAGES.c.id, IMAGES.c.row)))
            for path, image_id in _plain(connection, sa.select(PATHS.c.path, PATHS.c.image_id)):
                rows[path] = rows[image_id]
        return rows

    def files(self) -> list[PathRecord]:
        """Return every file that held a known image, with its size and time when it was read."""
        with self._read() as connection:
            query = sa.select(PATHS.c.path, PATHS.c.image_id, PATHS.c.n_bytes, PATHS.c.mtime_ns)
            return [PathRecord(*found) for found in _plain(connection, query.order_by(PATHS.c.path))]

    def rejected(self) -> list[Rejected]:
        """Return the rejected files by path."""
        with self._read() as connection:
            return [Rejected(**found) for found in connection.execute(sa.select(REJECTED).order_by(REJECTED.c.path)).mappings()]

    def gold_columns(self) -> list[str]:
        """Return the names of the manifest columns kept as gold labels."""
        with self._read() as connection:
            return list(connection.scalars(sa.select(GOLD.c.column).distinct().order_by(GOLD.c.column)))

    def gold(self, column: str) -> tuple[IntArray, list[str]]:
        """Return (rows (K,), values) of one gold column, in row order."""
        with self._read() as connection:
            query = sa.select(GOLD.c.row, GOLD.c.value).where(GOLD.c.column == column).order_by(GOLD.c.row)
            found = connection.execute(query).fetchall()
        return np.array([row for row, _ in found], np.int64), [value for _, value in found]

    # -- classes --

    def classes(self) -> list[ImageClass]:
        """Return the classes in their order; a label code is a position in this list."""
        with self._read() as connection:
            query = sa.select(CLASSES).order_by(CLASSES.c.position)
            return [ImageClass(c["name"], c["colour"], c["key"], c["flagged"]) for c in connection.execute(query).mappings()]

    def set_classes(self, classes: Sequence[ImageClass]) -> None:
        """Replace the class list."""
        with self._write() as connection:
            _replace_classes(connection, classes)

    # -- actions --

    def append_actions(self, drafts: Sequence[ActionDraft]) -> list[Action]:
        """Append actions and their images, all or none; when this returns, they are on disk."""
        with self._write() as connection:
            first = 1 + int(connection.scalar(sa.select(sa.func.max(ACTIONS.c.seq))) or 0)  # one process writes
            values = [
                {**vars(draft), "seq": seq, "id": uuid.uuid4().hex, "at": draft.at or now()}
                for seq, draft in enumerate(drafts, start=first)
            ]
            rows = [np.asarray(value.pop("rows"), np.int64) for value in values]
            _insert(connection, ACTIONS, values)
            pairs = [{"action": v["seq"], "row": row} for v, mine in zip(values, rows, strict=True) for row in mine.tolist()]
            _insert(connection, ACTION_IMAGES, pairs)
        return [Action(**value, rows=mine) for value, mine in zip(values, rows, strict=True)]

    def actions(self, *, n_images: int | None = None) -> list[Action]:
        """Return every action in the order it was taken.

        Raises:
            DamageError: if one names a row that none of the `n_images` has.
        """
        columns = [ACTIONS.c[name] for name in ACTION_COLUMNS]
        with self._read() as connection, sound(self.where):
            found = _plain(connection, sa.select(*columns).order_by(ACTIONS.c.seq))
            query = sa.select(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row)
            pairs = _integers(_plain(connection, query.order_by(ACTION_IMAGES.c.action, ACTION_IMAGES.c.row)), 2)
            if n_images is not None and len(pairs) and not 0 <= pairs[:, 1].min() <= pairs[:, 1].max() < n_images:
                raise ValueError("labels name images that are missing")
            seqs = np.fromiter((values[0] for values in found), np.int64, len(found))
            starts = np.searchsorted(pairs[:, 0], seqs, side="left").tolist()
            stops = np.searchsorted(pairs[:, 0], seqs, side="right").tolist()
            rows = np.ascontiguousarray(pairs[:, 1])
            return [
                Action(seq, id_, kind, name, analyst, at, source, _json(criterion), guideline, target, rows[i:j])
                for (seq, id_, kind, name, analyst, at, source, criterion, guideline, target), i, j in zip(
                    found, starts, stops, strict=True
                )
            ]

    # -- encoders, projections, probes --

    def add_encoder(self, name: str, dim: int, record: Mapping[str, Any]) -> None:
        """Remember an encoder (once)."""
        with self._write() as connection:
            if connection.execute(sa.select(ENCODERS.c.name).where(ENCODERS.c.name == name)).first() is None:
                connection.execute(sa.insert(ENCODERS).values(name=name, dim=dim, record=dict(record), at=now()))

    def encoders(self) -> list[dict[str, Any]]:
        """Return what is known of every encoder, oldest first: name, dim, record, at."""
        with self._read() as connection:
            return [dict(found) for found in connection.execute(sa.select(ENCODERS).order_by(ENCODERS.c.at)).mappings()]

    def add_part(self, encoder: str, position: int, start: int, stop: int, file: str) -> None:
        """Commit one embedding part; a part that is not named here does not exist."""
        with self._write() as connection:
            connection.execute(sa.insert(PARTS).values(encoder=encoder, position=position, start=start, stop=stop, file=file))

    def parts(self, encoder: str) -> list[tuple[int, int, str]]:
        """Return (start, stop, file) of an encoder's parts in row order."""
        with self._read() as connection:
            query = sa.select(PARTS.c.start, PARTS.c.stop, PARTS.c.file).where(PARTS.c.encoder == encoder)
            return [(a, b, c) for a, b, c in connection.execute(query.order_by(PARTS.c.position))]

    def add_projection(self, encoder: str, n_rows: int, file: str, record: Mapping[str, Any]) -> int:
        """Commit a projection and return its version."""
        with self._write() as connection:
            values = {"encoder": encoder, "n_rows": n_rows, "file": file, "record": dict(record), "at": now()}
            return _inserted_key(connection, sa.insert(PROJECTIONS).values(**values))

    def latest_projection(self, encoder: str) -> dict[str, Any] | None:
        """Return the newest projection of an encoder: version, n_rows, file, record, at."""
        return self._latest(PROJECTIONS, encoder)

    def add_probe(self, encoder: str, through_action: int, record: Mapping[str, Any], weights: bytes) -> int:
        """Commit a probe and return its version."""
        with self._write() as connection:
            values = {"encoder": encoder, "through_action": through_action, "record": dict(record), "weights": weights}
            return _inserted_key(connection, sa.insert(PROBES).values(**values, at=now()))

    def latest_probe(self, encoder: str) -> dict[str, Any] | None:
        """Return the newest probe of an encoder: version, through_action, record, weights, at."""
        return self._latest(PROBES, encoder)

    def probe_records(self, encoder: str) -> list[tuple[int, dict[str, Any]]]:
        """Return (version, record) of every probe of an encoder, oldest first; one whose record is damaged is left out."""
        with self._read() as connection:
            query = sa.select(PROBES.c.version, PROBES.c.record).where(PROBES.c.encoder == encoder).order_by(PROBES.c.version)
            found = [(int(version), _json_or_none(record)) for version, record in _plain(connection, query)]
        return [(version, record) for version, record in found if isinstance(record, dict)]

    def probe_record(self, version: int) -> dict[str, Any]:
        """Return the record of a probe."""
        with self._read() as connection:
            return dict(self._of_probe(connection, PROBES.c.record, version))

    def probe_weights(self, version: int) -> bytes:
        """Return the weights of a probe, as `Probe.to_bytes` made them."""
        with self._read() as connection:
            return bytes(self._of_probe(connection, PROBES.c.weights, version))

    def _of_probe(self, connection: sa.Connection, column: sa.Column[Any], version: int) -> Any:
        found = connection.execute(sa.select(column).where(PROBES.c.version == version)).scalar()
        if found is None:
            raise DamageError(f"The model {version} is lost: {self.where} was damaged; restore a copy to see what it gave.")
        return found

    # -- the check half: openings, second readings, operating points --

    def checking_mark(self) -> tuple[Any, ...]:
        """Return what changes whenever an opening, a second reading, a point, the point in force or a focus draw is added."""
        counts = (self._count(table) for table in (REVEALS, SECOND_READINGS, OPERATING_POINTS))
        return (*counts, str(self.setting("in_force")), len(self.setting("focus", [])))

    def add_reveal(self, check_set: int, look: int, key: str, probe: int, analyst: str, record: Mapping[str, Any]) -> int:
        """Commit an opening of a check set and return its number."""
        values = {"check_set": check_set, "look": look, "key": key, "probe": probe, "analyst": analyst, "record": dict(record)}
        with self._write() as connection:
            return _inserted_key(connection, sa.insert(REVEALS).values(**values, at=now()))

    def reveals(self) -> list[dict[str, Any]]:
        """Return all openings, newest first: number, check_set, look, key, probe, analyst, at, record."""
        return self._rows(sa.select(REVEALS).order_by(REVEALS.c.number.desc()))

    def add_second_reading(self, row: int, class_name: str, analyst: str, guideline: str) -> None:
        """Commit a second analyst's reading of a check image (one an image)."""
        values = {"row": row, "class_name": class_name, "analyst": analyst, "guideline": guideline, "at": now()}
        with self._write() as connection:
            connection.execute(sa.insert(SECOND_READINGS).values(**values))

    def second_readings(self) -> list[dict[str, Any]]:
        """Return all second readings by row: row, class_name, analyst, at, guideline."""
        return self._rows(sa.select(SECOND_READINGS).order_by(SECOND_READINGS.c.row))

    def add_point(self, name: str, reveal: int, threshold: float, analyst: str) -> None:
        """Commit an operating point."""
        values = {"name": name, "reveal": reveal, "threshold": threshold, "analyst": analyst, "at": now()}
        with self._write() as connection:
            connection.execute(sa.insert(OPERATING_POINTS).values(**values))

    def points(self) -> list[dict[str, Any]]:
        """Return all operating points, oldest first: name, reveal, threshold, analyst, at."""
        return self._rows(sa.select(OPERATING_POINTS).order_by(OPERATING_POINTS.c.at))

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._read() as connection:
            return [dict(found) for found in connection.execute(query).mappings()]

    def _latest(self, table: sa.Table, encoder: str) -> dict[str, Any] | None:
        with self._read() as connection:
            query = sa.select(table).where(table.c.encoder == encoder).order_by(table.c.version.desc()).limit(1)
            found = connection.execute(query).mappings().first()
        return dict(found) if found else None


def _plain(connection: sa.Connection, query: sa.Select[Any]) -> list[Any]:
    """Return rows as the driver gives them: for hundreds of thousands, SQLAlchemy's own rows cost most of the time."""
    cursor = connection.execute(query).cursor
    assert cursor is not None  # noqa: S101  a select returns rows
    return list(cursor.fetchall())


def _integers(found: list[Any], width: int) -> IntArray:
    """Return rows of integers as (K, width) int64."""
    return np.fromiter(chain.from_iterable(found), np.int64, width * len(found)).reshape(-1, width)


def _json(value: Any) -> Any:
    """Read a JSON column as the driver gives it: text in SQLite, ready values in databases that know JSON."""
    return None if value in (None, "null") else json.loads(value) if isinstance(value, str) else value


def _json_or_none(value: Any) -> Any:
    try:
        return _json(value)
    except ValueError:
        return None


def _fill_in_tables(connection: Any, _record: object) -> None:
    """Stand in for the tables that a catalog made by an older version lacks, for this connection alone, and write nothing."""
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in METADATA.sorted_tables:
        if table.name not in known:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            connection.execute(f'CREATE TEMP TABLE "{table.name}" ({columns})')
    connection.execute("PRAGMA query_only=ON")


def _replace_classes(connection: sa.Connection, classes: Sequence[ImageClass]) -> None:
    connection.execute(sa.delete(CLASSES))
    _insert(connection, CLASSES, [{"position": i, **vars(c)} for i, c in enumerate(classes)])


def _in_parts(connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Sequence[Any]) -> Iterator[Any]:
    for start in range(0, len(values), 500):  # SQLite takes a limited number of parameters
        yield from connection.execute(query.where(column.in_(values[start : start + 500])))


def _image_ids(connection: sa.Connection, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    return _in_parts(connection, sa.select(PATHS.c.path, PATHS.c.image_id), PATHS.c.path, paths)


def _replace_gold(connection: sa.Connection, gold: Sequence[tuple[str, str, str]]) -> None:
    """Keep gold values of images, the last of several for one."""
    ids = sorted({image_id for image_id, _, _ in gold})
    rows = dict(_in_parts(connection, sa.select(IMAGES.c.id, IMAGES.c.row), IMAGES.c.id, ids))
    values = [{"row": rows[image_id], "column": column, "value": value} for image_id, column, value in gold]
    if values:
        connection.execute(sa.insert(GOLD).prefix_with("OR REPLACE"), values)


def _replace_paths(connection: sa.Connection, paths: Sequence[PathRecord], rejected: Sequence[Rejected]) -> list[str]:
    """Give every file its newest verdict; an image whose own path holds something else now gets another path, or none.

    Returns:
        the ids of the images that have none.
    """
    now_there = {record.path: record.image_id for record in paths}
    touched = [*now_there, *(record.path for record in rejected)]
    before = dict(_image_ids(connection, touched))
    for table in (PATHS, REJECTED):
        if touched:
            connection.execute(sa.delete(table).where(table.c.path == sa.bindparam("seen")), [{"seen": p} for p in touched])
    _insert(connection, PATHS, [vars(record) for record in paths])
    _insert(connection, REJECTED, [vars(record) for record in rejected])
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


def _by_rows(connection: sa.Connection, column: Any, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
    for start in range(0, len(rows), 500):  # SQLite takes a limited number of parameters
        query = sa.select(IMAGES.c.row, column).where(IMAGES.c.row.in_(rows[start : start + 500]))
        yield from ((row, value) for row, value in connection.execute(query))


def _insert(connection: sa.Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    if values:
        connection.execute(sa.insert(table), values)


def _inserted_key(connection: sa.Connection, statement: sa.Insert) -> int:
    key = connection.execute(statement).inserted_primary_key
    assert key is not None  # noqa: S101  every table this is used with has an integer key
    return int(key[0])
