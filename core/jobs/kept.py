"""Processes that one job leaves to the next: starting one that computes takes many times longer than a small batch."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.workers import NICE, Workers

IDLE_SECONDS = 120.0  # how long processes wait for another job; their memory is gone after it


class KeptProcesses:
    """Lends pools of niced processes, and keeps one that came back for a while. Safe to call from any thread."""

    def __init__(self, n: int = 1, *, idle: float = IDLE_SECONDS) -> None:
        """Lend pools of n processes; one that nobody wants for `idle` seconds ends."""
        self._n, self._idle = n, idle
        self._lock = threading.Lock()
        self._resting: Workers | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[Workers]:
        """Lend a pool without limits of time or memory; one whose processes were killed is not kept."""
        pool = self._taken() or Workers(self._n, seconds=None, memory=None, nice=NICE)
        try:
            yield pool
        except BaseException:
            pool.kill()
            raise
        finally:
            if (unwanted := self._rest(pool)) is not None:
                unwanted.end()

    def close(self) -> None:
        """End the processes that nobody has; those that are lent end when they come back."""
        with self._lock:
            self._closed = True
        if (resting := self._taken()) is not None:
            resting.end()

    def _taken(self) -> Workers | None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            pool, self._resting, self._timer = self._resting, None, None
        return pool

    def _rest(self, pool: Workers) -> Workers | None:
        """Keep a pool that came back; return the one that is not kept."""
        with self._lock:
            if self._closed or pool.is_killed or self._resting is not None:
                return pool
            self._resting = pool
            self._timer = threading.Timer(self._idle, self._retire, [pool])
            self._timer.daemon = True
            self._timer.start()
        return None

    def _retire(self, pool: Workers) -> None:
        with self._lock:
            if self._resting is not pool:  # lent again, in the moment in which its time was over
                return
            self._resting = self._timer = None
        pool.end()
