"""Files that are either whole or absent: written aside, flushed to disk, then renamed. Imports numpy only."""

import contextlib
import errno
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError

NAME_KEPT = 40  # characters
# Control characters, line and paragraph separators, marks that turn the direction of writing, lone surrogates.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`, on error removed.

    A reader, or the same program after a kill -9, sees the old file or the new one and never a part. A link is followed.

    Raises:
        InputError: if something is there that is no file: a folder, a device.
    """
    path = Path(os.path.realpath(path))
    need_file_place(path)
    # Of a long name only the beginning: the whole one may be as long as a name can be.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:NAME_KEPT]}.", suffix=".part")
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.chmod(0o644)
        os.replace(aside, path)
        fsync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def need_file_place(path: Path) -> None:
    """Make sure that a file can be written, making its folder: before the work whose result it takes, not after.

    Raises:
        InputError: if something is there that is no file: a folder, a device.
        OSError: if its folder cannot be made or written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, and a file is to be written; name a file.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no regular file and is left as it is; name another file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))


def fsync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut (no effect where folders cannot be opened, as on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def shown(text: str) -> str:
    """Return text as one line that a terminal only shows: what would steer it is escaped."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def write_json_atomic(path: Path, content: Any) -> None:
    """Write `content` (`plain` of it) as indented JSON, whole or not at all."""
    with atomic_path(path) as aside:
        aside.write_text(json.dumps(plain(content), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Return what JSON can say of a value: arrays as lists, NaN and infinity as None, anything else as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def read_array(path: Path, *, shape: tuple[int | None, ...], kind: str) -> "np.ndarray[Any, Any] | None":
    """Read a .npy file that can be made again; None if it is missing, damaged, or not what it should be.

    Args:
        shape: wanted; None for any length.
        kind: numpy's letter, "f" or "i".
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    if not isinstance(found, np.ndarray) or found.dtype.kind != kind or found.ndim != len(shape):
        return None
    fits = all(wanted in (None, length) for wanted, length in zip(shape, found.shape, strict=True))
    return found if fits else None
