"""What windows are told of jobs: how far each is, and what it has changed of the workspace. On the threads of the jobs."""

import logging
import threading
from collections.abc import Callable, Hashable
from pathlib import Path

from core.catalog.jobs import JobRecord, JobState
from core.jobs.runner import SHOWN
from core.jobs.work import Change, Outcome
from core.study.run import read_experiment
from dashboard.hub import Topic
from dashboard.report import write_report
from dashboard.shared import Shared

LOG = logging.getLogger("lassoscope.jobs")
Publish = Callable[[Hashable, object], None]


def progress_words(job: JobRecord) -> str:
    """Say how far a running job is."""
    if not job.total:
        return f"{job.stage}…" if job.stage else ""
    return f"{job.stage}: {job.done:,} of {job.total:,}…"


class Changes:
    """Keeps the newest record of every job that is shown, and tells all windows."""

    def __init__(self, shared: Shared, publish: Publish, refit_soon: Callable[[], None], tidy_soon: Callable[[], None]) -> None:
        self._shared, self._publish, self._refit_soon, self._tidy_soon = shared, publish, refit_soon, tidy_soon
        self._lock = threading.Lock()
        self._jobs: dict[int, JobRecord] = {}

    @property
    def jobs(self) -> list[JobRecord]:
        """Return the jobs, newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: -job.number)

    def know(self, jobs: list[JobRecord]) -> None:
        """Take the jobs that there were before this server."""
        with self._lock:
            self._jobs = {job.number: job for job in jobs} | self._jobs

    def on_job(self, job: JobRecord) -> None:
        """Tell of a job that is another now."""
        with self._lock:
            before = self._jobs.get(job.number)
            self._jobs[job.number] = job
            if len(self._jobs) > SHOWN:
                over = [number for number, known in sorted(self._jobs.items()) if not known.is_open]
                for number in over[: len(self._jobs) - SHOWN]:
                    del self._jobs[number]
        self._publish(Topic.JOBS, self.jobs)
        ended = before is not None and before.is_open
        if ended and not job.is_open:
            self._tidy_soon()  # an ingest into a million images frees hundreds of MB
        if ended and job.state == JobState.DONE:
            self._publish(Topic.SAID, job.message)
        elif ended and job.state == JobState.FAILED:
            self._publish(Topic.MESSAGE, job.message)

    @staticmethod
    def on_done(kind: str, outcome: Outcome) -> None:
        """Write the report of a study before its job is done."""
        if kind != "experiment":
            return
        try:
            write_report(read_experiment(Path(outcome.result["folder"])))
        except Exception:  # the page offers to make it again
            LOG.exception("the report of a study could not be written")

    def on_change(self, change: Change) -> None:
        """Work out what windows show of a change, off their event loop, and tell them."""
        shared = self._shared
        try:
            if change == Change.IMAGES:
                shared.take_images()
                shared.colours()
                shared.grid()
                self._publish(Topic.IMAGES, None)
            elif change == Change.COLUMNS:
                shared.take_columns()
                shared.colours()
                shared.colour_columns()
                self._publish(Topic.IMAGES, None)
                self._refit_soon()  # and so the curves of columns
            elif change == Change.MAP:
                for work_out in (shared.grid, shared.encoders, shared.refresh_curves):
                    work_out()
                self._publish(Topic.ENCODER, None)
                self._refit_soon()
            elif change == Change.CLUSTERS:
                self._publish(Topic.CLUSTERS, None)
            elif change == Change.LABELS:
                self._publish(Topic.LABELS, None)
                self._refit_soon()
            elif change == Change.CLASSES:
                self._publish(Topic.CLASSES, None)
                self._publish(Topic.LABELS, None)
                self._refit_soon()
            elif change == Change.EVIDENCE:
                self._publish(Topic.OPENINGS, None)
        except Exception:  # the job goes on; windows see it at their next message
            LOG.exception("windows could not be told of %s", change)
