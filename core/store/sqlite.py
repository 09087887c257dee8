"""Open SQLite files: for writing, for reading, and for reading where nothing can be written.

Reading never changes a file. A name may contain any character: it is quoted before it becomes part of a URI.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import urllib.parse
from pathlib import Path

from core.errors import ReadOnlyError

WAIT_SECONDS = 10.0  # for another process's commit
# FULL: an acknowledged label survives a power cut, not only a kill.
# secure_delete: what is deleted is overwritten.
WRITING = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
# SQLite's names for errors when reading from disk.
READING = ("SQLITE_IOERR", "SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA")


def is_writable(folder: Path) -> bool:
    """Tell whether files can be created in an existing folder; on a read-only file system not even root can."""
    return os.access(folder, os.W_OK | os.X_OK)


def need_writable(folder: Path) -> None:
    """Check that a workspace folder can be written to.

    Raises:
        ReadOnlyError: if it cannot.
    """
    if not is_writable(folder):
        raise ReadOnlyError(read_only_sentence(folder))


def read_only_sentence(folder: Path) -> str:
    """Return the error message for a workspace that cannot be written to."""
    return f"The workspace in {folder} is read-only here; copy the folder to where you can write, and work on the copy."


class SqliteFile:
    """One SQLite file and how to connect to it, which is decided at the first connection.

    With `damaged`, SQLite reads on even if the file's length and header disagree.
    """

    def __init__(self, path: Path, *, read_only: bool, page_bytes: int | None = None, damaged: bool = False) -> None:
        self.path, self.read_only = path, read_only
        self._pragmas = ("temp_store=MEMORY", "writable_schema=ON") if damaged else ("temp_store=MEMORY",)
        self._page_bytes = page_bytes  # of a new file
        self._uri = ""
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def connect(self) -> sqlite3.Connection:
        """Open a connection that any thread may use, one at a time.

        Raises:
            sqlite3.Error: if the file is missing (for reading) or not a database.
        """
        return self._read() if self.read_only else self._write()

    def compact(self) -> None:
        """Rewrite the file, so that nothing that was deleted is left in it: pages that were split may hold copies.

        Raises:
            sqlite3.Error: if it cannot be written, or somebody has read in it for `WAIT_SECONDS`.
        """
        with contextlib.closing(self._write()) as connection:
            connection.isolation_level = None
            connection.execute("VACUUM")
        self.empty_log()

    def empty_log(self) -> None:
        """Merge the write-ahead log into the file and cut it to nothing: it holds what was written before it was deleted.

        Raises:
            sqlite3.Error: if somebody has read in it for `WAIT_SECONDS`.
        """
        with contextlib.closing(self._write()) as connection:
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError(f"the log of {self.path.name} is being read; try again")

    def close(self) -> None:
        """Remove the temporary copy, if there is one; close all connections before."""
        if self._copy is not None:
            self._copy.cleanup()
            self._copy, self._uri = None, ""

    def _write(self) -> sqlite3.Connection:
        connection = _open(_uri(self.path, "rwc"))
        if self._page_bytes is not None:
            connection.execute(f"PRAGMA page_size={self._page_bytes}")
        _set(connection, WRITING)
        return connection

    def _read(self) -> sqlite3.Connection:
        if self._uri:
            return self._reader(self._uri)
        has_wal = has_log(self.path)
        writable = is_writable(self.path.parent) and os.access(self.path, os.W_OK)
        if writable or has_wal:
            # If SQLite may write, it creates lock files and removes them again, so that a writer may start beside this
            # reader. An existing log is not changed.
            self._uri = _uri(self.path, "ro" if has_wal else "rw")
            try:
                return self._reader(self._uri)
            except sqlite3.OperationalError as error:
                if writable and not cannot_write(error):
                    raise
        # Nothing can be written here, or the disk is full: open the file as immutable, or if it has a log, whose index would
        # have to be written, a copy.
        self._uri = _uri(self._copied(), "rw") if has_wal else _uri(self.path, "ro", "immutable=1")
        return self._reader(self._uri)

    def copied(self) -> "SqliteFile":
        """Return a writable copy; `close` of this file removes it."""
        return SqliteFile(self._copied(), read_only=False)

    def _copied(self) -> Path:
        if self._copy is None:
            self._copy = tempfile.TemporaryDirectory(prefix="lassoscope-")
        copy = Path(self._copy.name) / "copy.sqlite"
        shutil.copyfile(self.path, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(_beside(self.path, "-wal"), _beside(copy, "-wal"))
        return copy

    def _reader(self, uri: str) -> sqlite3.Connection:
        connection = _open(uri)
        _set(connection, self._pragmas)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the file, so errors surface here
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def cannot_write(error: BaseException) -> bool:
    """Tell whether SQLite failed to write rather than to read; most often the disk is full."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and name not in READING)


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, check_same_thread=False)


def _set(connection: sqlite3.Connection, pragmas: tuple[str, ...]) -> None:
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise


def _uri(path: Path, mode: str, *more: str) -> str:
    quoted = urllib.parse.quote(os.fsencode(path.absolute()))
    return f"file:{quoted}?{'&'.join((f'mode={mode}', *more))}"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def remove_database(path: Path) -> None:
    """Remove an SQLite file, then its log: a log without its file is never read."""
    for suffix in ("", "-wal", "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """Return a free path beside a damaged file to keep it under."""
    number = 1
    while (kept := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    return kept


def set_aside(path: Path) -> Path:
    """Rename a damaged SQLite file and its log, so that nothing is lost, and return the new path."""
    kept = free_name(path)
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(_beside(path, suffix), _beside(kept, suffix))
    return kept


def has_log(path: Path) -> bool:
    """Tell whether an SQLite file has a non-empty write-ahead log."""
    wal = _beside(path, "-wal")
    return wal.is_file() and wal.stat().st_size > 0
