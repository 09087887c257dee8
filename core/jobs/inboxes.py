"""Watches a workspace's inboxes, and adds a job once files have arrived whole. A thread of the process that has it open."""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from core.catalog.jobs import JobRecord, JobState
from core.errors import InputError
from core.intake.arrivals import Arrivals, FileState, Walk, look_at, may_hold
from core.intake.inboxes import inboxes
from core.jobs.runner import MOST_STARTS, JobRunner
from core.store.troubles import sentence_of
from core.wording import counted, verb
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.inboxes")
KIND, ANALYST = "inbox", "inbox"
MOST = 1_024  # files of a job: few enough that the first are on the map while the last are read
LOOK_SECONDS = 0.5  # between two looks at what is under way
IDLE_SECONDS = 2.0  # between two looks at which folders are watched
GATHER_SECONDS = 3.0  # for which files that are whole wait for others that still arrive
WALK_SECONDS = 60.0  # between two walks through an inbox: the system's events can be lost, and not every disk has them
WALK_SHARE = 20  # a walk that takes a minute is done every twenty
REST = 3  # times as long as a block of a walk took, the thread rests: a walk leaves the interpreter to others
RETRY_SECONDS, LONGEST_RETRY = 15.0, 300.0  # between a failure and the next try: doubled each time
EVENTS_SECONDS = 1  # in which the system has begun to tell of a folder
STOP_SECONDS = 10.0  # a disk that does not answer must not hold up the end of the server
ROOM = 16 * 2**20  # bytes: with so much more of free disk a job that failed is tried again at once


@dataclass(frozen=True)
class InboxState:
    """An inbox, as windows show it."""

    folder: str
    is_here: bool = True
    n_growing: int = 0
    n_ready: int = 0
    n_empty: int = 0
    n_unreadable: int = 0  # files and folders
    n_odd: int = 0  # files whose names are not valid UTF-8
    problem: str = ""

    @property
    def sentence(self) -> str:
        """Say what happens to its files."""
        said = [self._standing()]
        if self.n_empty:
            n, it = counted(self.n_empty, "file"), verb(self.n_empty, "it grows", "they grow")
            said.append(f"{n} {verb(self.n_empty)} empty (0 bytes) and {verb(self.n_empty, 'waits', 'wait')} until {it}.")
        if self.n_unreadable:
            n, it = (
                counted(self.n_unreadable, "file or folder", "files or folders"),
                verb(self.n_unreadable, "it is", "they are"),
            )
            said.append(f"The server may not read {n}: change the permissions, and {it} read.")
        if self.n_odd:
            n, has = counted(self.n_odd, "file"), verb(self.n_odd, "has a name that is", "have names that are")
            said.append(f"{n} {has} not valid UTF-8: rename {verb(self.n_odd, 'it', 'them')}.")
        return " ".join([*said, self.problem]).strip()

    def _standing(self) -> str:
        if not self.is_here:
            return "The folder is not there; it is watched again once it is back."
        under_way = []
        if self.n_growing:
            under_way.append(f"{counted(self.n_growing, 'file')} {verb(self.n_growing)} still arriving")
        if self.n_ready:
            under_way.append(f"{counted(self.n_ready, 'file')} {verb(self.n_ready, 'waits', 'wait')} to be read")
        return f"Watched: {' and '.join(under_way)}." if under_way else "Watched: images that arrive are added."


class InboxWatcher:
    """Follows the inboxes of a workspace until it is stopped. Nothing in them is moved, changed or deleted.

    What is ready is worked out from the disk and the catalog, so a restart loses and doubles nothing.
    """

    def __init__(self, workspace: Workspace, jobs: JobRunner, on_states: Callable[[Sequence[InboxState]], None]) -> None:
        """Begin to watch, if the workspace can be written.

        Args:
            on_states: called with all inboxes whenever the state of one is another; on the watcher's thread.
        """
        self._workspace, self._jobs, self._on_states = workspace, jobs, on_states
        self._inboxes: dict[Path, _Inbox] = {}
        self._events = _Events()
        self._given = _Given(workspace, jobs)
        self._gathers_until: float | None = None
        self._trouble = ""  # of the watch itself
        self._stopping = threading.Event()
        self.states: tuple[InboxState, ...] = ()
        self._thread = threading.Thread(target=self._run, name="inboxes", daemon=True)
        if workspace.writable:
            self._thread.start()

    def stop(self) -> None:
        """End the watch; files that wait are found at the next start."""
        self._stopping.set()
        self._events.wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._events.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause, self._trouble = self._step(), ""
            except Exception as error:  # the thread must survive: the catalog may be on a full disk
                said = sentence_of(error)
                if said is None or said != self._trouble:
                    LOG.exception("the inboxes cannot be followed")
                pause = RETRY_SECONDS
                self._trouble = said or "The watch failed and is tried again; the server's log has the details."
            self._tell()
            self._events.wake.wait(pause)
            self._events.wake.clear()

    def _step(self) -> float:
        """Look once at everything; return how many seconds can pass before the next look."""
        self._follow_settings()
        self._take_events()
        began = time.monotonic()
        walking = False
        for inbox in self._inboxes.values():
            walking |= self._walk_on(inbox)
        rest = REST * (time.monotonic() - began)
        for inbox in self._inboxes.values():
            inbox.arrivals.settle()
        self._given.follow()
        self._give()
        if walking:
            return rest
        under_way = self._given.is_open or any(inbox.is_busy for inbox in self._inboxes.values())
        return LOOK_SECONDS if under_way else IDLE_SECONDS

    def _follow_settings(self) -> None:
        """Watch the folders that are named, as far as they are there."""
        wanted = inboxes(self._workspace)
        changed = list(self._inboxes) != wanted
        self._inboxes = {folder: self._inboxes.get(folder) or _Inbox(folder) for folder in wanted}
        for inbox in self._inboxes.values():
            changed |= inbox.find()
        if changed:
            self._events.watch([inbox.folder for inbox in self._inboxes.values() if inbox.is_here])

    def _take_events(self) -> None:
        for path in self._events.take():
            for folder, inbox in self._inboxes.items():
                if path == str(folder):
                    inbox.look_through(folder)
                elif Path(path).is_relative_to(folder) and may_hold(folder, path):
                    inbox.arrivals.see(path, look_at(path))
                    if os.path.isdir(path) and not os.path.islink(path):
                        inbox.look_through(Path(path))  # files may have been in it before the system told of it

    def _walk_on(self, inbox: "_Inbox") -> bool:
        """Look at the next files of an inbox; True if there are more."""
        block = inbox.next_block()
        known = self._workspace.catalog.images.known_states(list(block or ()))
        for path, state in (block or {}).items():
            if known.get(path) != state:
                inbox.arrivals.see(path, state)
        return block is not None

    def _give(self) -> None:
        """Add a job for files that are ready, once the one before has ended."""
        ready = [inbox for inbox in self._inboxes.values() if inbox.is_here and inbox.arrivals.ready]
        if not ready or self._given.is_open:
            self._gathers_until = None
            return
        now = time.monotonic()
        self._gathers_until = self._gathers_until or now + GATHER_SECONDS
        if now < self._gathers_until and any(inbox.arrivals.n_growing for inbox in ready):
            return
        for inbox in ready:
            if paths := self._wanted(inbox.arrivals):
                self._given.add(inbox.folder, paths)
                for path in paths:
                    inbox.arrivals.drop(path)
                return

    def _wanted(self, arrivals: Arrivals) -> list[str]:
        """Return ready files that are as they were, unknown, and not held back; forget the others."""
        held = self._given.held()
        found: list[str] = []
        while arrivals.ready and not found:
            asked = list(islice(arrivals.ready.items(), MOST))
            known = self._workspace.catalog.images.known_states([path for path, _ in asked])
            for path, state in asked:
                if (there := look_at(path)) != state:
                    arrivals.see(path, there)
                elif known.get(path) == state or _is_held(path, held.get(path)):
                    arrivals.drop(path)
                else:
                    found.append(path)
        return found

    def _tell(self) -> None:
        problem = self._trouble or self._given.problem
        states = tuple(inbox.state(problem) for inbox in self._inboxes.values())
        if states != self.states:
            self.states = states
            self._on_states(states)


class _Inbox:
    """One watched folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.arrivals = folder, Arrivals()
        self._place: tuple[int, int] | None = None  # device and number of the folder; None while it is not there
        self._to_walk: dict[Path, None] = {}  # folders in it that are to be looked through
        self._walk: Walk | None = None
        self._blocks: Iterator[dict[str, FileState]] = iter(())
        self._next_at, self._spent = 0.0, 0.0
        self._n_unreadable = self._n_odd = 0

    @property
    def is_here(self) -> bool:
        """Tell whether the folder is there."""
        return self._place is not None

    @property
    def is_busy(self) -> bool:
        """Tell whether files are under way."""
        return bool(self.arrivals.ready or self.arrivals.n_waiting)

    def find(self) -> bool:
        """Look for the folder; True if it is another than before, as when a disk was mounted, or there again, or gone."""
        before = self._place
        try:
            found = os.stat(self.folder)
            self._place = (found.st_dev, found.st_ino)
            if before is None:
                os.listdir(self.folder)  # of a share that does not answer there is only the name
        except OSError:
            self._place, self._walk, self._to_walk = None, None, {}
        if self._place not in (before, None):
            self._next_at = 0.0
        return self._place != before

    def look_through(self, folder: Path) -> None:
        """Look soon at all files in a folder of the inbox."""
        self._to_walk[folder] = None

    def next_block(self) -> dict[str, FileState] | None:
        """Return the next files of a walk by path; None if no walk is due."""
        now = time.monotonic()
        if self._walk is None:
            if self.is_here and now >= self._next_at:
                self._to_walk = {self.folder: None}  # and all in it
            if not self._to_walk:
                return None
            self._walk = Walk(next(iter(self._to_walk)))
            self._blocks, self._spent = iter(self._walk), 0.0
        block = next(self._blocks, None)
        self._spent += time.monotonic() - now
        if block is None:
            self._end_walk(self._walk)
        return block if block is not None else {}

    def _end_walk(self, walk: Walk) -> None:
        self._to_walk.pop(walk.folder, None)
        if walk.folder == self.folder:
            self._n_unreadable, self._n_odd = len(walk.unreadable), walk.n_odd
            self._next_at = time.monotonic() + max(WALK_SECONDS, WALK_SHARE * self._spent)
        self._walk = None

    def state(self, problem: str) -> InboxState:
        """Return it as windows show it."""
        found = self.arrivals
        return InboxState(
            str(self.folder),
            self.is_here,
            found.n_growing,
            len(found.ready),
            len(found.empty),
            len(found.unreadable) + self._n_unreadable,
            self._n_odd,
            problem,
        )


class _Given:
    """The job that reads files of inboxes: one at a time, so that what arrives meanwhile is read together.

    A job that failed is tried again until it succeeds. One that somebody cancelled, or that was under way at three deaths of
    the server, is left to people: its files are read once they change, or somebody tries it again.
    """

    def __init__(self, workspace: Workspace, jobs: JobRunner) -> None:
        self._workspace, self._jobs = workspace, jobs
        mine = self._mine(JobState.QUEUED, JobState.RUNNING, JobState.FAILED)
        self._number = next((job.number for job in reversed(mine) if job.is_open or not _is_left(job)), None)
        self._failed_at: str | None = None  # the failure that is known
        self._retry_at, self._pause, self._free = 0.0, RETRY_SECONDS, 0
        self.problem = ""

    @property
    def is_open(self) -> bool:
        """Tell whether a job waits, is at work, or is to be tried again."""
        return self._number is not None

    def add(self, folder: Path, paths: Sequence[str]) -> None:
        """Add a job for files of an inbox."""
        names = [os.path.relpath(path, folder) for path in paths]
        self._number = self._jobs.add(KIND, {"folder": str(folder), "names": names}, ANALYST).number

    def follow(self) -> None:
        """Look how far the job is; try it again if it failed and time or free disk allow."""
        if self._number is None:
            return
        job = self._jobs.get(self._number)
        if job.is_open:
            return
        if _is_left(job) or job.state == JobState.DONE:
            self._number, self._failed_at, self._pause, self.problem = None, None, RETRY_SECONDS, ""
            return
        now = time.monotonic()
        if job.ended_at != self._failed_at:
            self._failed_at, self._retry_at, self._free = job.ended_at, now + self._pause, self._free_bytes()
            self._pause = min(2 * self._pause, LONGEST_RETRY)
            self.problem = f"Job {job.number} failed and is tried again by itself: {job.message}"
        if now >= self._retry_at or self._free_bytes() >= self._free + ROOM:
            with contextlib.suppress(InputError):  # somebody was quicker
                self._jobs.retry(job.number)

    def held(self) -> dict[str, int]:
        """Return the files of jobs that are left to people, with the time in ns at which each job ended."""
        found: dict[str, int] = {}
        for job in filter(_is_left, self._mine(JobState.CANCELLED, JobState.FAILED)):
            ended = int(datetime.fromisoformat(job.ended_at or job.created_at).timestamp() * 1e9)
            found |= {os.path.join(job.arguments["folder"], name): ended for name in job.arguments["names"]}
        return found

    def _mine(self, *states: JobState) -> list[JobRecord]:
        """Return the jobs of inboxes in some states, oldest first."""
        return [job for job in self._workspace.catalog.jobs.in_states(states) if job.kind == KIND]

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._workspace.folder).free


def _is_left(job: JobRecord) -> bool:
    """Tell whether a job that has ended goes on only if people want it to."""
    return job.state == JobState.CANCELLED or (job.state == JobState.FAILED and job.starts >= MOST_STARTS)


def _is_held(path: str, since_ns: int | None) -> bool:
    """Tell whether a file is of a job that is left to people, and nothing of it has changed since."""
    if since_ns is None:
        return False
    try:
        return os.lstat(path).st_ctime_ns <= since_ns
    except OSError:
        return True


class _Events:
    """What the system tells of changes in folders, collected by a thread. A hint only: walks find what it does not tell."""

    def __init__(self) -> None:
        self.wake = threading.Event()  # set when there is something to take
        self._lock = threading.Lock()
        self._paths: dict[str, None] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, folders: Sequence[Path]) -> None:
        """Watch these folders with all in them, instead of those before."""
        self.stop()
        if folders:
            self._end = threading.Event()
            self._thread = threading.Thread(target=self._follow, args=(folders, self._end), name="inbox events", daemon=True)
            self._thread.start()

    def take(self) -> list[str]:
        """Return the paths that have changed since it was asked last."""
        with self._lock:
            found, self._paths = self._paths, {}
        return list(found)

    def stop(self) -> None:
        """Watch nothing."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def _follow(self, folders: Sequence[Path], end: threading.Event) -> None:
        try:
            from watchfiles import watch

            told = watch(
                *folders,
                watch_filter=None,
                debounce=1_000,
                step=200,
                stop_event=end,
                rust_timeout=EVENTS_SECONDS * 1_000,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            )
            first = [str(folder) for folder in folders]  # what came before the system listened
            for changes in told:
                if paths := [*first, *sorted(path for _, path in changes)]:
                    with self._lock:
                        self._paths |= dict.fromkeys(paths)
                    self.wake.set()
                first = []
        except Exception:  # no more watches, a file system without events, a folder that went: walks go on
            LOG.warning("the system does not tell of changes in %s; they are looked for now and then", folders, exc_info=True)
