"""Background work: one refit worker per workspace. The newest labels win; older requests are dropped."""

import logging
import os
import threading
from collections.abc import Callable

from core.errors import AppError, InputError
from core.experiment import ExperimentConfig, run_experiment
from core.learning import LearningCurve
from core.workspace import Workspace
from dashboard.report import write_report

LOG = logging.getLogger("lassoscope.jobs")
GATHER_SECONDS = 0.05  # labels that arrive within this time are fitted together

Publish = Callable[[str, object], None]


class RefitWorker:
    """Refits the probe after label actions, off the event loop, and publishes what changed."""

    def __init__(self, workspace: Workspace, publish: Publish, *, device: str) -> None:
        self._workspace, self._publish, self._device = workspace, publish, device
        self.learning: LearningCurve | None = None  # the newest, for windows that open later
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
            self._judge()

    def _judge(self) -> None:
        """Draw the learning curve again; after the scores, which people wait for."""
        try:
            self.learning = self._workspace.learning()
            self._publish("learning", self.learning)
        except Exception:
            LOG.exception("learning curve failed")


class ExperimentJob:
    """Runs one study at a time in processes of its own; its files tell every window how far it is."""

    def __init__(self, workspace: Workspace, publish: Publish) -> None:
        self._workspace, self._publish = workspace, publish
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Tell whether a study is under way in this server."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, config: ExperimentConfig) -> None:
        """Start a study, or go on with the unfinished one of the same settings.

        Raises:
            InputError: if one is running.
        """
        if self.running:
            raise InputError("A study is running already; wait for it, or start yours with 'lassoscope experiment'.")
        self._thread = threading.Thread(target=self._run, args=(config,), name="experiment", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the study; what is done is kept, and started again it goes on from there."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, config: ExperimentConfig) -> None:
        try:
            workers = max(1, (os.cpu_count() or 1) - 1)  # one core stays with the page
            reached = run_experiment(self._workspace, config, workers=workers, stop=self._stopping.is_set)
            if reached.finished:
                write_report(reached)
        except AppError as error:
            self._publish("message", str(error))
        except Exception:  # the server goes on; the log has the trace and the page says it stopped
            LOG.exception("experiment failed")
            self._publish("message", "The study failed; what is done is kept. The server's log has the details.")
