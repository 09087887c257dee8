"""What a job is given to work with: the workspace, its arguments, processes, and how it tells how far it is."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from core.arrays import JsonObject, Progress
from core.errors import StoppedError
from core.jobs.kept import KeptProcesses
from core.workers import NICE, Workers
from core.workspace import Workspace

TELL_SECONDS = 0.25  # between two reports of how far a stage is
LEAST_SECONDS = 1.0  # of a stage until its rate says something


class Change(StrEnum):
    """What a job has changed that windows show."""

    IMAGES = "images"  # more of them, or what came with them
    MAP = "map"  # embeddings or the map
    CLUSTERS = "clusters"
    COLUMNS = "columns"  # score columns
    LABELS = "labels"
    CLASSES = "classes"
    EVIDENCE = "evidence"  # check sets, their terms and openings, and policies


class Arguments(BaseModel):
    """The arguments of a kind of job: checked when it is added, and when it begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)


A = TypeVar("A", bound=Arguments, covariant=True)


@dataclass(frozen=True)
class Outcome:
    """What came of a job."""

    sentence: str
    result: JsonObject = field(default_factory=dict)  # what its command prints with --json
    then: tuple[tuple[str, JsonObject], ...] = ()  # kind and arguments of jobs that follow from it


@dataclass(frozen=True)
class Stage:
    """How far a running job is."""

    name: str = ""
    done: int = 0
    total: int = 0
    rate: float | None = None  # per second, since the stage began


class Work(Generic[A]):
    """One run of a job. Its thread works; any thread may stop it."""

    def __init__(
        self,
        workspace: Workspace,
        arguments: A,
        *,
        kept: KeptProcesses,
        number: int = 0,
        n_processes: int = 1,
        on_stage: Callable[[Stage], None] = lambda _: None,
        on_change: Callable[[Change], None] = lambda _: None,
    ) -> None:
        self.workspace, self.arguments, self.number, self.n_processes = workspace, arguments, number, n_processes
        self.nice = NICE
        self._kept, self._on_stage, self._on_change = kept, on_stage, on_change
        self._stopping = threading.Event()
        self._pools: list[Workers] = []
        self._lock = threading.Lock()
        self._stage, self._began, self._first, self._told_at = Stage(), 0.0, 0, -TELL_SECONDS

    @property
    def is_stopping(self) -> bool:
        """Tell whether it is to end: it was cancelled, or the server ends."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Make it end at its next report; processes that work for it are killed."""
        with self._lock:
            self._stopping.set()
            for pool in self._pools:
                pool.kill()

    def go_on(self) -> None:
        """Return if it may go on.

        Raises:
            StoppedError: if it is to end.
        """
        if self.is_stopping:
            raise StoppedError("The job was cancelled; what it had done stays.")

    def changed(self, what: Change) -> None:
        """Tell windows what is another now."""
        self._on_change(what)

    def tell(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Tell how far it is.

        Raises:
            StoppedError: if it is to end.
        """
        self.go_on()
        now = time.monotonic()
        if stage != self._stage.name:
            self._began, self._first, self._told_at = now, done, -TELL_SECONDS
        since = now - self._began
        rate = (done - self._first) / since if since >= LEAST_SECONDS and done > self._first else None
        self._stage = Stage(stage, done, total, rate)
        if now - self._told_at >= TELL_SECONDS or done == total:
            self._told_at = now
            self._on_stage(self._stage)

    def telling(self, stage: str) -> Progress:
        """Return a function of (done, total) that tells how far a stage is."""
        return lambda done, total: self.tell(stage, done, total)

    @contextmanager
    def processes(self) -> Iterator[Workers]:
        """Lend processes for what is heavy, with no limit of time or memory; they get what others leave of the cores."""
        with self._kept.lent() as pool:
            with self._lock:
                self.go_on()
                self._pools.append(pool)
            try:
                yield pool
            finally:
                with self._lock:
                    self._pools.remove(pool)
