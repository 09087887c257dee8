"""Runs a workspace's jobs on threads of the process that has it open for writing; the catalog has their records."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from core.catalog.jobs import JobRecord, JobState
from core.errors import InputError
from core.jobs.kept import KeptProcesses
from core.jobs.kinds import KINDS, Kind, Pace
from core.jobs.work import Arguments, Change, Outcome, Stage, Work
from core.store.troubles import sentence_of
from core.workers import CrashedError, StartError
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.jobs")
MOST_STARTS = 3  # of a job that never ends: it may be what ends its process, or the server
REST_SECONDS, LONGEST_REST = 10.0, 120.0  # before a job goes on that was running at so many ends of the server; it doubles
PAUSE_SECONDS = 5.0  # after a job could not be begun
NOTE_SECONDS = 2.0  # between two times that the catalog is told how far a job is
SHOWN = 50  # jobs in a list: those that are open, and the newest


def checked(kind: str, arguments: Mapping[str, object]) -> Arguments:
    """Return the arguments of a job.

    Raises:
        InputError: if there is no such kind, or its arguments are others.
    """
    if kind not in KINDS:
        raise InputError(f"There is no job '{kind}'; there are {', '.join(KINDS)}.")
    try:
        return KINDS[kind].arguments.model_validate(dict(arguments))
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"])) or "the whole"
        raise InputError(f"The job '{kind}' cannot be added: {name}: {wrong['msg']}.") from None


class JobRunner:
    """The jobs of one workspace. Safe to call from any thread."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        n: int = 1,
        on_job: Callable[[JobRecord], None] = lambda _: None,
        on_change: Callable[[Change], None] = lambda _: None,
        on_done: Callable[[str, Outcome], None] = lambda _kind, _outcome: None,
    ) -> None:
        """Queue what was running when the last process ended, and begin.

        Args:
            n: jobs of the usual pace at once, and processes of each job.
            on_job: called with each job whenever it is another; on any thread.
            on_change: called with what a job has changed of the workspace.
            on_done: called with kind and outcome before a job's record says that it is done.
        """
        self._workspace, self._n = workspace, n
        self._kept = KeptProcesses(n)
        self._on_job, self._on_change, self._on_done = on_job, on_change, on_done
        self._jobs = workspace.catalog.jobs
        self._changed = threading.Condition()
        self._at_work: dict[int, tuple[Kind, Work[Any]]] = {}
        self._stages: dict[int, Stage] = {}
        self._cancelled: set[int] = set()
        self._rests: dict[int, float] = {}  # job -> when it may begin, by the monotonic clock
        self._stopping = False
        self._threads: list[threading.Thread] = []
        if workspace.writable:
            self._recover()
            for i, pace in enumerate([*[Pace.USUAL] * (n - 1), *Pace]):
                self._threads.append(threading.Thread(target=self._run, args=(pace,), name=f"job {i}", daemon=True))
        for thread in self._threads:
            thread.start()

    # -- what people do --

    def add(self, kind: str, arguments: Mapping[str, object], analyst: str, *, request: str = "") -> JobRecord:
        """Add a job; an equal one that is not done counts as this one, and so does any that the same request has added.

        Raises:
            InputError: if there is no such kind, or its arguments are others.
            ReadOnlyError: if nothing can be written to the workspace.
        """
        kept = checked(kind, arguments).model_dump(mode="json")
        self._workspace.need_writable()
        job, is_new = self._jobs.add(kind, kept, analyst, unless=KINDS[kind].unless, request=request)
        if is_new:
            self._tell(job)
        return self._live(job)

    def cancel(self, number: int) -> JobRecord:
        """Cancel a job that waits, or stop one that is at work: what it has done stays.

        Raises:
            InputError: if there is no such job, or it has ended.
        """
        with self._changed:
            job = self._jobs.get(number)
            if number in self._at_work and job.state == JobState.RUNNING:  # one that has just ended is still at work a moment
                self._cancelled.add(number)
                self._at_work[number][1].stop()
                return self._live(self._jobs.get(number))
            if job.state != JobState.QUEUED or (moved := self._jobs.move(number, JobState.CANCELLED)) is None:
                raise InputError(f"Job {number} has ended already ({job.state}).")
        self._tell(moved)
        return moved

    def retry(self, number: int) -> JobRecord:
        """Queue a job again that failed or was cancelled.

        Raises:
            InputError: if there is no such job, it did neither, or it is of a kind that only commands ask for.
        """
        job = self._jobs.get(number)
        checked(job.kind, job.arguments)
        if not KINDS[job.kind].again:
            raise InputError(f"Job {number} ({KINDS[job.kind].title}) is not tried again from here; give its command again.")
        moved = self._jobs.move(number, JobState.QUEUED) if not job.is_open else None
        if moved is None:
            raise InputError(f"Job {number} is {job.state}; only jobs that failed or were cancelled can be tried again.")
        self._tell(moved)
        return moved

    def get(self, number: int) -> JobRecord:
        """Return a job as it is now.

        Raises:
            InputError: if there is no such job.
        """
        return self._live(self._jobs.get(number))

    def newest(self) -> list[JobRecord]:
        """Return the jobs that are open, and the newest others; newest first."""
        return [self._live(job) for job in self._jobs.newest(SHOWN)]

    def stop(self) -> None:
        """End all jobs as they are: they are queued, and go on at the next start."""
        with self._changed:
            self._stopping = True
            for _, work in self._at_work.values():
                work.stop()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._kept.close()

    # -- the threads --

    def _recover(self) -> None:
        """Queue the jobs that were at work when the process before this one ended.

        One that was running at several ends may be what ended it, so that people get time to look and to cancel it.
        """
        for job in self._jobs.in_states([JobState.QUEUED, JobState.RUNNING]):
            said = ""
            if job.starts >= MOST_STARTS:
                rest = min(REST_SECONDS * 2 ** (job.starts - MOST_STARTS), LONGEST_REST)
                self._rests[job.number] = time.monotonic() + rest
                said = f"The server ended {job.starts} times during this job; it goes on {rest:.0f} seconds after the start."
                LOG.error("job %d (%s) was running when the server ended %d times", job.number, job.kind, job.starts)
            if job.state == JobState.RUNNING:
                self._jobs.move(job.number, JobState.QUEUED, message=said)

    def _run(self, pace: Pace) -> None:
        while (taken := self._next(pace)) is not None:
            job, work = taken
            try:
                self._do(job, work)
            except Exception:  # the thread must survive; the catalog may be full
                LOG.exception("the end of job %d could not be kept", job.number)
            finally:
                with self._changed:
                    for known in (self._at_work, self._stages):
                        known.pop(job.number, None)
                    self._cancelled.discard(job.number)
                    self._changed.notify_all()

    def _next(self, pace: Pace) -> tuple[JobRecord, Work[Any]] | None:
        """Wait for a job whose lane is free, and begin it; None once the server ends."""
        with self._changed:
            while not self._stopping:
                try:
                    taken = self._begin(pace)
                except Exception:  # the disk may be full; it is tried again
                    LOG.exception("no job could be begun")
                    self._changed.wait(PAUSE_SECONDS)
                    continue
                if taken is not None:
                    return taken
                self._changed.wait(self._rest())
        return None

    def _rest(self) -> float | None:
        """Return the seconds until the next job that rests may begin; None if none rests."""
        now = time.monotonic()
        self._rests = {number: until for number, until in self._rests.items() if until > now}
        return min(self._rests.values()) - now if self._rests else None

    def _begin(self, pace: Pace) -> tuple[JobRecord, Work[Any]] | None:
        """Begin the oldest job of a pace whose lane is free; None if there is none."""
        busy = {kind.lane for kind, _ in self._at_work.values()}
        for job in self._jobs.in_states([JobState.QUEUED]):
            kind = KINDS.get(job.kind)
            if kind is None:  # of a newer program
                continue
            if kind.lane in busy or self._rests.get(job.number, 0.0) > time.monotonic():  # others may overtake one that rests
                continue
            if kind.pace != pace:
                if pace != Pace.QUICK:  # which waits only for what is at work; others overtake nothing in their lane
                    busy.add(kind.lane)
                continue
            try:
                arguments = checked(job.kind, job.arguments)
            except InputError as error:  # of another version of the program
                if (moved := self._jobs.move(job.number, JobState.FAILED, message=str(error))) is not None:
                    self._on_job(moved)
                continue
            if (begun := self._jobs.move(job.number, JobState.RUNNING)) is not None:
                return begun, self._work(begun, kind, arguments)
            busy.add(kind.lane)
        return None

    def _work(self, job: JobRecord, kind: Kind, arguments: Arguments) -> Work[Any]:
        noted_at = time.monotonic()

        def on_stage(stage: Stage) -> None:
            nonlocal noted_at
            self._stages[job.number] = stage
            if time.monotonic() - noted_at >= NOTE_SECONDS:
                noted_at = time.monotonic()
                self._jobs.note(job.number, stage=stage.name, done=stage.done, total=stage.total, rate=stage.rate)
            self._on_job(self._live(job))

        work: Work[Any] = Work(
            self._workspace,
            arguments,
            number=job.number,
            n_processes=self._n,
            kept=self._kept,
            on_stage=on_stage,
            on_change=self._on_change,
        )
        self._at_work[job.number] = kind, work
        return work

    def _do(self, job: JobRecord, work: Work[Any]) -> None:
        """Do a job, and keep what came of it."""
        self._tell(job)
        outcome, to, said = Outcome(""), JobState.DONE, ""
        try:
            outcome = KINDS[job.kind].run(work)
            said = outcome.sentence
            self._on_done(job.kind, outcome)
        except Exception as error:
            to, said = self._ended_by(error, job, work)
        self._keep(job, to, said, outcome)

    def _keep(self, job: JobRecord, to: JobState, said: str, outcome: Outcome) -> None:
        """Keep what came of a job, and queue what follows from it; while the catalog cannot be written, it is tried again."""
        while True:
            try:
                for kind, arguments in outcome.then:  # first: a kill in between must not lose them, and repeats count once
                    self.add(kind, arguments, job.analyst)
                # A server that ends as it should has nothing to do with the job.
                anew = to == JobState.QUEUED and self._stopping
                moved = self._jobs.move(job.number, to, message=said, result=outcome.result, anew=anew)
                break
            except (SQLAlchemyError, OSError):  # the disk may be full
                LOG.exception("the end of job %d could not be kept yet", job.number)
                with self._changed:
                    if self._changed.wait_for(lambda: self._stopping, PAUSE_SECONDS):
                        return  # it is begun again at the next start, and has nothing left to do
        if moved is not None:
            self._tell(moved)

    def _ended_by(self, error: Exception, job: JobRecord, work: Work[Any]) -> tuple[JobState, str]:
        """Return the state that a job has come to by an error, and the sentence about it."""
        if job.number in self._cancelled:
            return JobState.CANCELLED, "Cancelled; what was done stays, and a retry goes on from there."
        if self._stopping and work.is_stopping:
            return JobState.QUEUED, ""
        if isinstance(error, CrashedError | StartError) and job.starts < MOST_STARTS:
            LOG.warning("job %d goes on after its process ended: %s", job.number, error)
            return JobState.QUEUED, ""
        said = sentence_of(error)
        if said is None:
            LOG.error("job %d (%s) failed", job.number, job.kind, exc_info=error)
        return JobState.FAILED, said or "It failed unexpectedly; what was done stays. The server's log has the details."

    def _live(self, job: JobRecord) -> JobRecord:
        """Return a job with how far it is at this moment."""
        stage = self._stages.get(job.number)
        if stage is None or job.state != JobState.RUNNING:
            return job
        return replace(job, stage=stage.name, done=stage.done, total=stage.total, rate=stage.rate)

    def _tell(self, job: JobRecord) -> None:
        self._on_job(self._live(job))
        with self._changed:
            self._changed.notify_all()
