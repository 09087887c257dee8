"""Shared by all tabs of a server: workspace, hub, workers and threads. One per process."""

import ctypes
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from core.devices import pick_device
from core.intake.remove import is_unfinished
from core.jobs.inboxes import InboxWatcher
from core.jobs.runner import JobRunner
from core.map.raster import warm
from core.study.run import BrokenRun, Experiment, experiment_folders, read_study
from core.training.runs import METRICS, SILENT_SECONDS, RunRecord, read_run, training_folders
from core.triage.review import Review
from core.workspace import Workspace
from dashboard import charts
from dashboard.changes import Changes
from dashboard.exposures import ExposureKeeper
from dashboard.followed import Followed
from dashboard.handout import Handout
from dashboard.handover import Handover
from dashboard.hub import Hub, Topic
from dashboard.jobs import RefitWorker
from dashboard.openings import Openings
from dashboard.settings import Settings
from dashboard.shared import Shared
from dashboard.webhook import Webhook

LOG = logging.getLogger("lassoscope")
LOOKS = 6  # large pictures that are read at once
M_ARENA_MAX = -8  # of glibc's mallopt
TIDY_SECONDS = 5.0


class Tidier:
    """Gives memory back some time after it was freed: by tabs that have closed, whose models form cycles, and by jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._collects = False

    def request(self, *, collects: bool = True) -> None:
        """Request it; several requests before it is done lead to one.

        Args:
            collects: look for cycles, too: that holds all Python code up, tenths of a second where there is much of it.
        """
        with self._lock:
            self._collects |= collects
            if self._timer is None:
                self._timer = threading.Timer(TIDY_SECONDS, self._tidy)
                self._timer.daemon = True
                self._timer.start()

    def stop(self) -> None:
        """Cancel what was requested."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _tidy(self) -> None:
        with self._lock:
            self._timer, collects, self._collects = None, self._collects, False
        if collects:
            gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # otherwise glibc keeps freed memory
        except (AttributeError, OSError, TypeError):
            LOG.debug("malloc_trim is not available")


@dataclass(frozen=True)
class Server:
    """Everything that all tabs share."""

    settings: Settings
    workspace: Workspace
    hub: Hub
    refits: RefitWorker
    pool: ThreadPoolExecutor  # one thread: label actions keep their order
    asks: ThreadPoolExecutor  # one thread: next images of queues; no label waits for it
    slow_pool: ThreadPoolExecutor  # one thread: work that takes seconds
    opening_pool: ThreadPoolExecutor  # one thread: what the Operating point page shows; it waits for no other slow work
    draw_pool: ThreadPoolExecutor
    look_pool: ThreadPoolExecutor  # large pictures, which may have to be fetched
    shared: Shared
    exposures: ExposureKeeper
    changes: Changes
    jobs: JobRunner
    inboxes: InboxWatcher
    handover: Handover | None  # None where nothing can be written
    openings: Openings
    webhook: Webhook | None  # None where no receiver is named, or nothing can be written
    training: Followed[RunRecord]
    studies: Followed[Experiment | BrokenRun]
    handout: Handout
    tidier: Tidier
    device: str


def start(settings: Settings) -> Server:
    """Open the workspace and start the threads beside the event loop."""
    _share_memory_between_threads()
    workspace = Workspace.open(settings.workspace, device=settings.device)
    for said in workspace.notes():
        LOG.warning("%s", said)
    device = str(pick_device(settings.device))
    hub, shared = Hub(), Shared(workspace)
    refits = RefitWorker(workspace, shared, hub.publish, hub.hasten)
    tidier = Tidier()
    changes = Changes(shared, hub.publish, refits.request, partial(tidier.request, collects=False))
    jobs = JobRunner(workspace, n=settings.jobs, on_job=changes.on_job, on_change=changes.on_change, on_done=changes.on_done)
    if workspace.writable and is_unfinished(workspace):
        jobs.add("remove", {}, "")  # goes on with what a command that was killed has left
    changes.know(jobs.newest())
    openings = Openings(workspace)
    charts.warm()
    server = Server(
        settings=settings,
        workspace=workspace,
        hub=hub,
        refits=refits,
        pool=ThreadPoolExecutor(1, thread_name_prefix="labels"),
        asks=ThreadPoolExecutor(1, thread_name_prefix="asks"),
        slow_pool=ThreadPoolExecutor(1, thread_name_prefix="slow"),
        opening_pool=ThreadPoolExecutor(1, thread_name_prefix="opening"),
        draw_pool=ThreadPoolExecutor(2, thread_name_prefix="draw"),
        look_pool=ThreadPoolExecutor(LOOKS, thread_name_prefix="look"),
        shared=shared,
        exposures=ExposureKeeper(workspace, hub.publish),
        changes=changes,
        jobs=jobs,
        inboxes=InboxWatcher(workspace, jobs, lambda states: hub.publish(Topic.INBOXES, list(states))),
        handover=Handover(workspace.folder, jobs) if workspace.writable else None,
        openings=openings,
        webhook=_webhook(settings, openings.review, hub),
        training=Followed(
            partial(hub.publish, Topic.TRAINING),
            name="training",
            folders=partial(training_folders, workspace),
            files=("run.json", METRICS),
            read=read_run,
            rests_after=SILENT_SECONDS,
        ),
        studies=Followed(
            partial(hub.publish, Topic.STUDIES),
            name="studies",
            folders=partial(experiment_folders, workspace),
            files=("run.json", "results.jsonl"),
            read=read_study,
        ),
        handout=Handout(),
        tidier=tidier,
        device=device,
    )
    known = (shared.encoders, shared.gold_columns, shared.colour_columns)
    for read in (shared.grid, *known, shared.refresh_curves):  # here, so that no event loop does
        read()
    server.draw_pool.submit(warm)  # takes seconds; what is drawn meanwhile waits for the same kernels
    server.refits.request()
    server.slow_pool.submit(_standardise, workspace)
    gc.collect()
    gc.freeze()  # libraries and workspace stay: no collection after a closed tab need walk them
    return server


def _webhook(settings: Settings, review: Review, hub: Hub) -> Webhook | None:
    def say(sentence: str, is_error: bool) -> None:
        hub.publish(Topic.MESSAGE if is_error else Topic.SAID, sentence)

    if not settings.webhook or not review.workspace.writable:
        return None
    told = partial(hub.publish, Topic.WEBHOOK)
    return Webhook(review.workspace, review.answers, settings.webhook, settings.webhook_secret, say, told)


def _standardise(workspace: Workspace) -> None:
    """Work out what the first fit or spot check needs of the embeddings: it reads all of them."""
    if workspace.current.matrix is not None:
        _ = workspace.current.standardisation


def stop(server: Server) -> None:
    """Stop the workers and close the workspace; everything acknowledged is already on disk."""
    server.hub.close()
    server.tidier.stop()
    if server.webhook is not None:
        server.webhook.stop()
    if server.handover is not None:
        server.handover.close()
    server.inboxes.stop()
    server.jobs.stop()
    server.pool.shutdown(wait=True)
    for pool in (server.asks, server.slow_pool, server.opening_pool, server.draw_pool, server.look_pool):
        pool.shutdown(wait=True, cancel_futures=True)
    server.refits.stop()
    server.training.stop()
    server.studies.stop()
    server.exposures.stop()
    server.workspace.close()


def _share_memory_between_threads() -> None:
    """Let glibc keep two heaps instead of one per thread: what closed tabs leave free is used again, not kept by each."""
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
    except (AttributeError, OSError, TypeError):  # another C library
        LOG.debug("mallopt is not available")
