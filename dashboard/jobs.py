"""Background work: one refit worker per workspace. The newest labels win; older requests are dropped."""

import logging
import threading
from collections.abc import Callable

from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.jobs")
GATHER_SECONDS = 0.05  # labels that arrive within this time are fitted together

Publish = Callable[[str, object], None]


class RefitWorker:
    """Refits the probe after label actions, off the event loop, and publishes what changed."""

    def __init__(self, workspace: Workspace, publish: Publish, *, device: str) -> None:
        self._workspace, self._publish, self._device = workspace, publish, device
        self._wanted, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="refit", daemon=True)
        self._thread.start()

    def request(self) -> None:
        """Ask for a refit with the labels as they stand when it starts."""
        self._wanted.set()

    def stop(self) -> None:
        """End the worker after the fit in progress."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopping.wait(GATHER_SECONDS):
                return
            self._wanted.clear()
            self._publish("fitting", True)
            try:
                self._workspace.refit(device=self._device)
            except Exception:  # the worker must outlive one bad fit; the log has the trace and the page says it stopped
                LOG.exception("refit failed")
                self._publish("message", "The refit failed; the labels are safe. The server's log has the details.")
            self._publish("fitting", False)
            self._publish("fitted", None)
