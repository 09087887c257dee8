"""Atomic replacement of folders: readers, also after a kill, find the old one or the new one. Standard library only."""

import ctypes
import errno
import glob
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.store.files import fsync_folder

SUFFIX = ".part"
FORGOTTEN = 3_600  # seconds after which a temporary folder is taken to be left by a killed process
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; on success it replaces `folder`, on error it is removed.

    On Linux the two are exchanged in one step; elsewhere a kill between two renames leaves the old one beside `folder`, under
    a name with a leading dot.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_forgotten(folder)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=SUFFIX))
    try:
        yield aside
        for file in aside.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        fsync_folder(aside)
        aside.chmod(0o755)
        if folder.exists():
            _exchange(aside, folder)
        else:
            aside.rename(folder)
        fsync_folder(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # after an exchange this is the old folder


def _remove_forgotten(folder: Path) -> None:
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*{SUFFIX}"):
        with suppress(OSError):
            if left.is_dir() and time.time() - left.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(left, ignore_errors=True)


def _exchange(a: Path, b: Path) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "renameat2"):
            if libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0:
                return
            code = ctypes.get_errno()
            if code not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # not supported by this file system
                raise OSError(code, os.strerror(code), str(b))
    old = a.with_name(f"{a.name}.old")
    b.rename(old)
    try:
        a.rename(b)
    except OSError:
        old.rename(b)
        raise
    old.rename(a)
