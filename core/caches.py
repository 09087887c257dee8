"""A cache folder for libraries where the usual one cannot be written: in containers, for users without a home.

Standard library only. Called before numba is imported, because numba reads its setting once.
"""

import contextlib
import os
import sysconfig
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

VARIABLES = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")  # Hugging Face and torch use the first, too


def provide_caches(environment: MutableMapping[str, str] = os.environ) -> None:
    """Point libraries to a private temporary folder if the user's cache folder cannot be written; else change nothing."""
    usual = Path(environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"))
    if all(environment.get(name) for name in VARIABLES) or _can_be_made(usual):
        return
    place = ""
    for name in VARIABLES:
        is_usual = name == "XDG_CACHE_HOME" or not environment.get(name)
        if is_usual and not (name == "NUMBA_CACHE_DIR" and _can_be_made(_packages())):
            place = place or _private_folder()
            environment[name] = os.path.join(place, name.lower())


def _packages() -> Path:
    return Path(sysconfig.get_path("purelib"))


def _can_be_made(folder: Path) -> bool:
    """Tell whether files can be written to a folder once it and its parents are created."""
    for place in (folder, *folder.parents):
        if place.exists():
            return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return False


def _private_folder() -> str:
    """Return this user's temporary folder, or a fresh one if other users could write to it: caches contain code."""
    shared = Path(tempfile.gettempdir()) / f"lassoscope-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    with contextlib.suppress(OSError):
        shared.mkdir(mode=0o700, exist_ok=True)
        found = shared.lstat()
        is_mine = not shared.is_symlink() and (not hasattr(os, "getuid") or found.st_uid == os.getuid())
        if is_mine and not found.st_mode & 0o077:
            return str(shared)
    return tempfile.mkdtemp(prefix="lassoscope-")
