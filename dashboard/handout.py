"""Which pictures are asked of which window now, so that two people are not asked for the same one. Safe from any thread."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable

LEASE_SECONDS = 90.0  # without an answer; then somebody else may be asked


class Handout:
    """Rows by the window that holds them; a lease ends by itself, so that a window that went away blocks nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[Hashable, tuple[float, frozenset[int]]] = {}  # window -> until, rows

    def hold(self, window: Hashable, rows: Iterable[int]) -> None:
        """Let a window hold these rows and no others, from now for one lease."""
        with self._lock:
            self._held[window] = (self._clock() + LEASE_SECONDS, frozenset(rows))

    def release(self, window: Hashable) -> None:
        """Let go of what a window holds."""
        with self._lock:
            self._held.pop(window, None)

    def elsewhere(self, window: Hashable) -> set[int]:
        """Return the rows that other windows hold."""
        with self._lock:
            now = self._clock()
            self._held = {holder: held for holder, held in self._held.items() if held[0] > now}
            return {row for holder, (_, rows) in self._held.items() if holder != window for row in rows}
