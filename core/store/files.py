"""Atomic file writes: to a temporary file, flushed to disk, then renamed. Imports numpy and core.errors only."""

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

USUAL_FILES = 1_024  # open in a process; the limit of most systems
NAME_KEPT = 40  # characters of a file's name in that of its temporary file
# Control characters, line and paragraph separators, marks that change the writing direction, lone surrogates.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`, on error removed.

    Readers, and this program after a kill -9, see the old file or the new one, never a part. Symbolic links are followed.

    Raises:
        InputError: if `path` is not a regular file, for example a folder or a device.
    """
    path = Path(os.path.realpath(path))
    need_file_place(path)
    # Only the beginning of a long name: with a suffix, the whole one could exceed the system's limit.
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


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that its owner alone can read, at no moment anybody else."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # which makes it with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
        fsync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def need_file_place(path: Path) -> None:
    """Check that a file can be written and create its folder; call this before the work whose result goes there.

    Raises:
        InputError: if `path` is not a regular file, for example a folder or a device.
        OSError: if its folder cannot be created or written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, but a file is to be written; give the path of a file.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file and is not overwritten; give another path.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))


def allow_files(n: int) -> None:
    """Let this process have n files open beside a thousand others, where the system's limit is softer than that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = n + USUAL_FILES if hard == resource.RLIM_INFINITY else min(n + USUAL_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def fsync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut (no effect where folders cannot be opened, as on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def shown(text: str) -> str:
    """Return text as one line that is safe to print on a terminal: control characters are escaped."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def write_json_atomic(path: Path, content: Any) -> None:
    """Write `plain(content)` as indented JSON, atomically."""
    with atomic_path(path) as aside:
        aside.write_text(json.dumps(plain(content), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Return a JSON-serialisable copy: arrays become lists, NaN and infinity None, unknown types text."""
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
    """Read a .npy file that can be rebuilt; None if it is missing, damaged, or of another shape or type.

    Args:
        shape: expected; None for any length.
        kind: numpy's letter for the expected type, "f" or "i".
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    if not isinstance(found, np.ndarray) or found.dtype.kind != kind or found.ndim != len(shape):
        return None
    fits = all(wanted in (None, length) for wanted, length in zip(shape, found.shape, strict=True))
    return found if fits else None
