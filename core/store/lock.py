"""Who writes to a workspace: one process, the holder of its lock."""

from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import BusyError, ReadOnlyError
from core.store.sqlite import need_writable, read_only_sentence


def locked(folder: Path) -> FileLock:
    """Return a workspace's lock, taken: its holder is the one process that writes.

    Raises:
        ReadOnlyError: if the folder cannot be written.
        BusyError: if another process holds it.
    """
    need_writable(folder)
    lock = FileLock(folder / "workspace.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"Another process has {folder} open for writing (a server?); stop it first.") from None
    except PermissionError:
        raise ReadOnlyError(read_only_sentence(folder)) from None
    return lock
