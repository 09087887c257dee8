"""Runs that other processes write: read once for all windows when their files have changed, while somebody watches."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

LOG = logging.getLogger("lassoscope.followed")
POLL_SECONDS = 2.0
Run = TypeVar("Run")


class Followed(Generic[Run]):
    """The runs below one folder, newest first."""

    def __init__(
        self,
        publish: Callable[[list[Run]], None],
        *,
        name: str,
        folders: Callable[[], Sequence[Path]],
        files: Sequence[str],
        read: Callable[[Path], Run | None],
        rests_after: float = float("inf"),
    ) -> None:
        """Start the thread.

        Args:
            publish: told all runs, whenever one of them has changed; on this thread.
            folders: the runs there are, newest first.
            files: their names in a run's folder; what makes it another when it grows.
            read: reads a run; None where there is none yet.
            rests_after: seconds; a run whose files have been still for so long is read once more.
        """
        self._publish, self._folders, self._files, self._read, self._rests_after = publish, folders, files, read, rests_after
        self._marks: dict[Path, Hashable] = {}
        self._runs: dict[Path, Run | None] = {}
        self._changed = threading.Condition()
        self._watchers: set[Hashable] = set()
        self._asked = self._stopping = False
        self.newest: list[Run] | None = None  # as last read; None before the first time
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def watch(self, who: Hashable) -> None:
        """Read now, and again and again until they leave."""
        with self._changed:
            self._watchers.add(who)
            self._asked = True
            self._changed.notify()

    def leave(self, who: Hashable) -> None:
        """Read no longer for them."""
        with self._changed:
            self._watchers.discard(who)

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._stopping, timeout=POLL_SECONDS if self._watchers else None)
                if self._stopping:
                    return
                self._asked = False
            try:
                self._refresh()
            except Exception:  # the next refresh may do better; the log has the trace
                LOG.exception("runs could not be read")

    def _refresh(self) -> None:
        marks = {folder: self._mark(folder) for folder in self._folders()}
        if self.newest is not None and marks == self._marks:
            return
        same = {folder for folder, mark in marks.items() if self._marks.get(folder) == mark}
        self._runs = {folder: self._runs[folder] if folder in same else self._read(folder) for folder in marks}
        self._marks = marks
        self.newest = [run for run in self._runs.values() if run is not None]
        self._publish(self.newest)

    def _mark(self, folder: Path) -> Hashable:
        """Return what changes when a run's files do."""
        found = []
        for name in self._files:
            with suppress(OSError):
                told = (folder / name).stat()
                found.append((name, told.st_size, told.st_mtime_ns))
        rests = bool(found) and time.time() - max(changed for *_, changed in found) / 1e9 > self._rests_after
        return (*found, rests)
