"""Reserves pictures for windows, so that two analysts are not asked for the same one. Safe from any thread."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable

LEASE_SECONDS = 90.0  # s without an answer, after which another window may be asked


class Handout:
    """Rows by the window that holds them; leases expire, so that a closed window blocks nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[Hashable, tuple[float, frozenset[int]]] = {}  # window -> until, rows

    def hold(self, window: Hashable, rows: Iterable[int]) -> None:
        """Reserve these rows, and only these, for a window for one lease."""
        with self._lock:
            self._held[window] = (self._clock() + LEASE_SECONDS, frozenset(rows))

    def release(self, window: Hashable) -> None:
        """Release the rows of a window."""
        with self._lock:
            self._held.pop(window, None)

    def elsewhere(self, window: Hashable) -> set[int]:
        """Return the rows that other windows hold."""
        with self._lock:
            now = self._clock()
            self._held = {holder: held for holder, held in self._held.items() if held[0] > now}
            return {row for holder, (_, rows) in self._held.items() if holder != window for row in rows}
