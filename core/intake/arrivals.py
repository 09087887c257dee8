"""What is in an inbox, and when a file has arrived whole. Standard library only; no file is opened."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

SETTLE_SECONDS = 2.0  # for which size and time of a file stay the same before it counts as whole
MOST_LOOKS = 2_000  # files looked at in one go, while others wait for this thread
BLOCK = 500  # the same in a walk
# Programs write under such names and rename a file once it is whole; so do they with names that begin with a dot.
PARTIAL = (".part", ".partial", ".crdownload", ".filepart", ".tmp")


class FileState(NamedTuple):
    """What tells whether a file is as it was."""

    n_bytes: int
    mtime_ns: int


def look_at(path: str) -> FileState | None:
    """Return the state of a file; None if there is none, or it is not a regular one (links are not followed)."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return FileState(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def is_arriving(name: str) -> bool:
    """Tell whether a file's name is one that programs give to files they are still writing."""
    return name.startswith(".") or name.lower().endswith(PARTIAL)


def may_hold(folder: Path, path: str) -> bool:
    """Tell whether a path below an inbox is one whose file is looked at."""
    parts = Path(path).relative_to(folder).parts
    return bool(parts) and not is_arriving(parts[-1]) and not any(part.startswith(".") for part in parts) and is_text(path)


def is_text(path: str) -> bool:
    """Tell whether a path is valid UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class Walk:
    """One look through an inbox, a block of files at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable: list[str] = []  # folders
        self.n_odd = 0  # files whose names are not valid UTF-8
        self._files = self._walk(folder)

    def __iter__(self) -> Iterator[dict[str, FileState]]:
        """Yield the state of files by path, up to `BLOCK` at a time."""
        block: dict[str, FileState] = {}
        for seen, path in enumerate(self._files, 1):
            if (state := look_at(path)) is not None:
                block[path] = state
            if seen % BLOCK == 0:
                yield block
                block = {}
        yield block

    def _walk(self, folder: Path) -> Iterator[str]:
        def note(error: OSError) -> None:
            self.unreadable.append(str(error.filename))

        for inside, folders, names in os.walk(folder, onerror=note):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if is_arriving(name):
                    continue
                path = os.path.join(inside, name)
                if is_text(path):
                    yield path
                else:
                    self.n_odd += 1


class _Seen(NamedTuple):
    state: FileState
    due: float  # when it is looked at again


class Arrivals:
    """The files of an inbox that are not ingested. Each is ready once it has stayed the same for `SETTLE_SECONDS`.

    Nothing is written and no file is opened: two looks at the same size and time, with those seconds in between, decide.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}  # those due soonest first
        self.ready: dict[str, FileState] = {}  # the longest ready first
        self.empty: set[str] = set()  # 0 bytes: they are waited for
        self.unreadable: set[str] = set()  # they wait for permission

    @property
    def n_growing(self) -> int:
        """Count the files that may still be growing."""
        return len(self._seen) - len(self.empty) - len(self.unreadable)

    @property
    def n_waiting(self) -> int:
        """Count the files that are looked at again, whatever they wait for."""
        return len(self._seen)

    def see(self, path: str, state: FileState | None) -> None:
        """Take note of a file as it is now; None if it is gone."""
        if state is None or self.ready.get(path, state) != state:
            self.ready.pop(path, None)
        if state is None:
            self._forget(path)
        elif path not in self.ready and (path not in self._seen or self._seen[path].state != state):
            self._await(path, state)

    def settle(self) -> None:
        """Look again at the files that are due."""
        now = self._clock()
        for path, seen in islice([*self._seen.items()], MOST_LOOKS):
            if seen.due > now:
                return
            state = look_at(path)
            if state is None:
                self._forget(path)
            elif state != seen.state or not state.n_bytes or not os.access(path, os.R_OK):
                self._await(path, state)
                if state == seen.state:
                    (self.unreadable if state.n_bytes else self.empty).add(path)
            else:
                self._forget(path)
                self.ready[path] = state

    def drop(self, path: str) -> None:
        """Forget a ready file: it has been handed on."""
        self.ready.pop(path, None)

    def _await(self, path: str, state: FileState) -> None:
        self._forget(path)
        self._seen[path] = _Seen(state, self._clock() + SETTLE_SECONDS)

    def _forget(self, path: str) -> None:
        self._seen.pop(path, None)
        self.empty.discard(path)
        self.unreadable.discard(path)
