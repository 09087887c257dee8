"""Collects exposure reports of windows and saves them in batches, off the thread of label actions."""

import logging
import threading
from collections.abc import Callable

from core.wellbeing.store import Glance, add_exposures
from core.workspace import Workspace
from dashboard.hub import Topic

LOG = logging.getLogger("lassoscope.exposures")
GATHER_SECONDS = 0.5  # reports that arrive within this time are one transaction


class ExposureKeeper:
    """Saves exposure reports on its own thread, and publishes each analyst's day."""

    def __init__(self, workspace: Workspace, publish: Callable[[tuple[Topic, str], object], None]) -> None:
        self._workspace, self._publish = workspace, publish
        self._lock = threading.Lock()
        self._waiting: dict[str, Glance] = {}
        self._wanted, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="exposures", daemon=True)
        self._thread.start()

    def add(self, analyst: str, glance: Glance) -> None:
        """Add a report."""
        with self._lock:
            before = self._waiting.get(analyst)
            self._waiting[analyst] = glance if before is None else before + glance
        self._wanted.set()

    def stop(self) -> None:
        """Save what was reported and stop the thread."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._stopping.wait(GATHER_SECONDS)
            self._wanted.clear()
            with self._lock:
                glances, self._waiting = self._waiting, {}
            try:
                for analyst, day in add_exposures(self._workspace, glances).items():
                    self._publish((Topic.EXPOSURE, analyst), day)
            except Exception:  # the thread must survive a failed write; the log has the traceback
                LOG.exception("exposures were not saved")
