"""Thumbnails by image id in one SQLite file: 50 random ones of 1,000,000 are read in under a millisecond when warm.

They can be rebuilt from the images, so a missing or damaged file is treated as an empty store.
"""

import mmap
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.errors import WHAT_TO_DO, DamageError, ReadOnlyError
from core.store.salvage import salvage_thumbnails
from core.store.sqlite import SqliteFile, read_only_sentence
from core.store.troubles import translated

MARK = b"RIFF"  # every WebP begins with it
PIECE = 60  # bytes after it by which a thumbnail is known again: its length and the beginning of its picture
PAGE_BYTES = 32_768  # 7% file overhead for 4 KB blobs where 8 KB pages cost 37%


class ThumbnailStore:
    """id -> WebP bytes; one connection per thread."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open a store; for writing, create it if it is missing. A damaged file is not changed; `damage` describes it."""
        self.path, self._read_only = path, read_only
        self._file = SqliteFile(path, read_only=read_only, page_bytes=PAGE_BYTES)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self.damage = ""  # "" = none found so far
        self._is_missing = read_only and not path.exists()
        if not self._is_missing:
            self._try_out()

    def _try_out(self) -> None:
        if self.path.is_dir():
            self.damage = f"{self.path} is a folder instead of the thumbnails file; {WHAT_TO_DO}."
            return
        try:
            with translated(str(self.path)):
                connection = self._connection()
                if not self._read_only:
                    with connection:
                        connection.execute("CREATE TABLE IF NOT EXISTS thumbnails (id TEXT PRIMARY KEY, webp BLOB NOT NULL)")
                connection.execute("SELECT id FROM thumbnails LIMIT 1").fetchone()
        except DamageError as error:
            self.damage = str(error)

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            # Used by its own thread only, but closed by whichever thread calls `close`.
            connection = self._file.connect()
            with self._lock:
                self._connections.append(connection)
            self._local.connection = connection
        return self._local.connection

    def _need_writable(self) -> None:
        """Check that pictures can be written: raises what `put_many` and `erase` say."""
        if self._read_only:
            raise ReadOnlyError(read_only_sentence(self.path.parent))
        if self.damage:
            raise DamageError(self.damage)

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Store thumbnails, all or none, replacing existing ones.

        Raises:
            DamageError: if the file is damaged.
            ReadOnlyError: if it was opened read-only or cannot be written.
        """
        self._need_writable()
        with translated(str(self.path)):
            connection = self._connection()
            with connection:
                connection.executemany("INSERT OR REPLACE INTO thumbnails VALUES (?, ?)", items)

    def erase(self, ids: Sequence[str]) -> None:
        """Remove thumbnails so that no byte of them is left in the file or its log.

        Raises:
            DamageError: if the file is damaged.
            ReadOnlyError: if it was opened read-only or cannot be written.
        """
        self._need_writable()
        with translated(str(self.path)):
            connection = self._connection()
            gone = set()
            for image_id in ids:
                for (webp,) in connection.execute("SELECT webp FROM thumbnails WHERE id = ?", (image_id,)):
                    gone.add(webp[: len(MARK) + PIECE])
            with connection:
                connection.executemany("DELETE FROM thumbnails WHERE id = ?", ((image_id,) for image_id in ids))
            self._file.empty_log()
            if self._is_in_file(gone):  # a page that was split keeps a copy
                self._file.compact()

    def _is_in_file(self, beginnings: set[bytes]) -> bool:
        """Tell whether the file holds one of these beginnings of thumbnails."""
        if not beginnings:
            return False
        length = len(next(iter(beginnings)))
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(MARK)
            while place >= 0:
                if content[place : place + length] in beginnings:
                    return True
                place = content.find(MARK, place + 1)
        return False

    def get(self, image_id: str) -> bytes | None:
        """Return an image's thumbnail as WebP, None if there is none or it cannot be read."""
        found = self._query("SELECT webp FROM thumbnails WHERE id = ?", image_id)
        return bytes(found[0][0]) if found else None

    def count(self) -> int:
        """Count the thumbnails."""
        found = self._query("SELECT count(*) FROM thumbnails")
        return int(found[0][0]) if found else 0

    def ids(self) -> set[str]:
        """Return the ids of all images that have a thumbnail."""
        return {name for (name,) in self._query("SELECT id FROM thumbnails")}

    def _query(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        if self.damage or self._is_missing:
            return []
        try:
            with translated(str(self.path)):
                return self._connection().execute(query, values).fetchall()
        except DamageError as error:
            self.damage = str(error)  # the page shows grey tiles, `Workspace.notes` and doctor say why
            return []

    def renew(self) -> int:
        """Replace a damaged file by a new one with its readable thumbnails, and return their number; the old file is kept.

        No other thread may use the store during this call.
        """
        self.close()
        readable = salvage_thumbnails(self.path)
        self._local, self.damage = threading.local(), ""
        self._try_out()
        self.put_many(readable)
        return len(readable)

    def close(self) -> None:
        """Close all connections; no thread may use the store afterwards."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._file.close()
