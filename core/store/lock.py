"""Locks, whose holder is the only process that writes: of a workspace, and of a single file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import BusyError, ReadOnlyError
from core.store.sqlite import need_writable, read_only_sentence


def locked(folder: Path) -> FileLock:
    """Acquire a workspace's lock.

    Raises:
        ReadOnlyError: if the folder cannot be written to.
        BusyError: if another process holds the lock.
    """
    need_writable(folder)
    lock = FileLock(folder / "workspace.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"Another process, perhaps a server, has {folder} open for writing; wait until it is done, or stop it."
        ) from None
    except PermissionError:
        raise ReadOnlyError(read_only_sentence(folder)) from None
    return lock


@contextmanager
def alone(file: Path, *, busy: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock `file`, which any folder may have; it ends with the process.

    Args:
        busy: what the error says.
        seconds: how long to wait for it.
    Raises:
        BusyError: if another process holds it.
    """
    lock = FileLock(file)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise BusyError(busy) from None
    try:
        yield
    finally:
        lock.release()
