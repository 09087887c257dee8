"""Run only the newest request: work runs off the event loop, one at a time, and a newer request replaces a waiting one."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

LOG = logging.getLogger("lassoscope.coalesce")
Request = TypeVar("Request")
Result = TypeVar("Result")


class Coalesce(Generic[Request, Result]):
    """A slot for the newest request. `work` runs in the pool, never twice at once; `deliver` gets every result."""

    def __init__(self, pool: Executor, work: Callable[[Request], Result], deliver: Callable[[Result], Any]) -> None:
        self._pool, self._work, self._deliver = pool, work, deliver
        self._lock = threading.Lock()
        self._next: Request | None = None
        self._busy = self._closed = False

    def __call__(self, request: Request) -> None:
        """Request work; a waiting request is dropped."""
        with self._lock:
            if self._closed:
                return
            self._next = request
            if self._busy:
                return
            self._busy = True
        self._pool.submit(self._run)

    def close(self) -> None:
        """Drop the waiting request and accept no more."""
        with self._lock:
            self._closed, self._next = True, None

    def _run(self) -> None:
        while True:
            with self._lock:
                request, self._next = self._next, None
                if request is None:
                    self._busy = False
                    return
            try:
                result = self._work(request)
                if not self._closed:
                    self._deliver(result)
            except Exception:  # one failed frame must not stop drawing; the log has the traceback
                LOG.exception("drawing failed")
