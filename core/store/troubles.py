"""Error messages for problems of the machine: full disks, missing permissions, ports in use, damaged files.

Any other error is a bug and is passed on unchanged, so that it reaches the log.
"""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from core.errors import WHAT_TO_DO, AppError, DamageError, ReadOnlyError, WorkspaceError
from core.store.sqlite import cannot_write

FULL = "The disk is full; free some space and run the same command again, which continues from where it stopped."
OS_SENTENCES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: "{name} is on a read-only file system; choose a path you can write to.",
    errno.EACCES: "{name} may not be read or written by this user; change its permissions, or choose another path.",
    errno.EPERM: "{name} may not be changed by this user; change its permissions, or choose another path.",
    errno.EISDIR: "{name} is a folder, but a file is needed; give the path of a file.",
    errno.ENOTDIR: "{name} is not a folder, or is inside something that is not; choose another path.",
    errno.EEXIST: "{name} exists already and is not a folder; choose another name.",
    errno.ENOENT: "There is no {name}; check the path.",
    errno.ENAMETOOLONG: "{name} is too long for a path; choose a shorter one.",
    errno.ELOOP: "{name} is a link that leads back to itself; choose another path.",
    errno.EMFILE: "Too many files are open; raise the limit with 'ulimit -n 4096' and try again.",
    errno.ENFILE: "Too many files are open on this machine; close other programs and try again.",
    errno.ENOMEM: "There is not enough memory; close other programs, or use fewer workers.",
    errno.EADDRINUSE: "The port is in use; choose another with --port, or 0 for any free one.",
    errno.EADDRNOTAVAIL: "This machine does not have that address; use --address 127.0.0.1, or 0.0.0.0 for all addresses.",
    errno.EIO: "{name} cannot be read or written (the disk reports an error); check the disk, or restore a copy.",
}
LITTLE = 2**20  # bytes free; with less SQLite cannot write its log
LONGEST_NAME = 200  # characters of a path in a message
SQLITE_SENTENCES = {  # by a part of SQLite's own message
    "disk is full": FULL,
    "is locked": "Another process is writing {where} and did not finish within ten seconds; try again.",
    "readonly database": "{where} cannot be written; copy the workspace to where you can write.",
    "unable to open": "{where} cannot be opened; check that you may read the file and its folder.",
}
DAMAGED = ("malformed", "not a database", "disk i/o error", "utf-8", "corrupt", "no such table", "no such column")


def sentence_of(error: BaseException) -> str | None:
    """Return the message for an expected error; None if the error is a bug."""
    if isinstance(error, AppError):
        return str(error)
    if isinstance(error, sa.exc.DBAPIError):
        error = error.orig or error
    if isinstance(error, sqlite3.Error):
        told = database_error(error, "A file of the workspace")
        return None if told is None else str(told)
    if isinstance(error, MemoryError):
        return OS_SENTENCES[errno.ENOMEM]
    if isinstance(error, OSError):
        return _os_sentence(error)
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # pathlib's, up to Python 3.12
        return OS_SENTENCES[errno.ELOOP].format(name=str(error).partition("from ")[2])
    if "No space left on device" in str(error):  # from libraries that write files of their own
        return FULL
    return None


def _os_sentence(error: OSError) -> str:
    name = str(error.filename) if error.filename is not None else "The file or folder"
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}…"
    if error.errno in OS_SENTENCES:
        return OS_SENTENCES[error.errno].format(name=name)
    if "written" in str(error):  # numpy: "1000 requested and 512 written"
        return FULL
    what = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return f"{name} cannot be used ({what}); check it, and try again."


def database_error(error: BaseException, where: str) -> WorkspaceError | None:
    """Return the error to raise for a problem with an SQLite file, None for a bug.

    Args:
        error: raised by SQLite.
        where: the file's name in the message.
    """
    words = str(error)
    if cannot_write(error):
        return WorkspaceError(
            FULL if _is_full(where) else f"{where} cannot be written ({words}); check the disk, then try again."
        )
    for part, sentence in SQLITE_SENTENCES.items():
        if part in words:
            kind = ReadOnlyError if "readonly" in part else WorkspaceError
            return kind(sentence.format(where=where))
    if isinstance(error, sqlite3.DatabaseError) and any(part in words.lower() for part in DAMAGED):
        what = "restore a copy, or choose another workspace" if "not a database" in words else WHAT_TO_DO
        return DamageError(f"{where} is damaged and cannot be read ({words}); {what}.")
    return None


def _is_full(where: str) -> bool:
    try:
        return shutil.disk_usage(os.path.dirname(where) or ".").free < LITTLE
    except OSError:
        return True


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Translate database errors into errors that a person can act on.

    Raises:
        DamageError: if the file is damaged.
        ReadOnlyError: if it cannot be written.
        WorkspaceError: if the disk is full, or another process keeps the file locked.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        told = database_error(error.orig, where) if error.orig is not None else None
        if told is None:
            raise
        raise told from error
    except sqlite3.Error as error:
        told = database_error(error, where)
        if told is None:
            raise
        raise told from error
    except json.JSONDecodeError as error:
        raise DamageError(f"{where} is damaged (a record is not JSON: {error}); {WHAT_TO_DO}.") from error


@contextmanager
def sound(where: str) -> Iterator[None]:
    """Translate errors from invalid values of a database into `DamageError`.

    Raises:
        DamageError: if the body raises such an error.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, OverflowError) as error:
        raise DamageError(f"{where} is damaged and cannot be read ({error}); {WHAT_TO_DO}.") from error
