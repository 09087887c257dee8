"""Worker processes with limits of memory and time per call; they end with their parent process."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from core.errors import AppError, StoppedError

Tell = Callable[[str, int, int], None]
"""Called with (stage, done, total) while work is in progress."""

SECONDS = 60.0  # limit per call; the slowest picture of 100 megapixels takes 5
START_SECONDS = 300.0  # limit for starting a process, on a busy machine with a cold disk
STARTS = 3  # attempts
READY = "ready"
NICE = 15  # of processes whose work nobody waits for: they take what others leave of the cores
MEMORY = 1_300  # MB per call beyond what the process uses when it starts: `core.images.decode.MOST_MEMORY` and some more


class TookTooLongError(AppError):
    """A call exceeded its time limit; its process was killed."""


class StartError(AppError):
    """A worker process does not start; the call it was meant for is not to blame."""


class CrashedError(AppError):
    """A call ended its process, twice."""


def end_with_parent() -> None:
    """End this process when its parent ends for any reason; otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def be_nice(nice: int) -> None:
    """Take less of a busy core from now on, where the system supports it."""
    if nice and hasattr(os, "nice"):
        os.nice(nice)


def bound_memory(megabytes: int) -> None:
    """Limit the memory this process may allocate from now on, where the system supports it (Linux); else do nothing."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/status", encoding="ascii") as status:
            now = next(int(line.split()[1]) * 1_024 for line in status if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (now + megabytes * 2**20, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class Told:
    """How far a call is."""

    stage: str
    done: int
    total: int


def _serve(calls: Connection, memory: int | None, nice: int, prepare: Callable[[], object]) -> None:
    """Answer calls until the other end is closed."""
    end_with_parent()
    be_nice(nice)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller, who ends this process
    prepare()
    if memory is not None:
        bound_memory(memory)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries print warnings about files; the answer has what matters
    calls.send(READY)
    while True:
        try:
            function, arguments, tells = calls.recv()
        except (EOFError, OSError):
            return
        tell = (lambda stage, done, total: calls.send(Told(stage, done, total)),) if tells else ()
        try:
            answer: Any = (function(*arguments, *tell), None)
        except BaseException as error:  # raised again in the caller
            answer = (None, error)
        calls.send(answer)


class _Process:
    """One worker process and the pipe to it."""

    def __init__(self, memory: int | None, nice: int, prepare: Callable[[], object]) -> None:
        """Start it and wait until it is ready.

        Raises:
            StartError: if it does not start.
        """
        context = multiprocessing.get_context("spawn")  # not fork: the caller may be a server with threads
        self._calls, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, memory, nice, prepare), daemon=True)
        try:
            self._process.start()
        except OSError as error:
            raise StartError(f"A worker process cannot be started ({error.strerror or error}); try fewer --workers.") from None
        there.close()
        if not self._is_ready():
            self.end()
            raise StartError("A worker process ended while starting, perhaps for lack of memory; try fewer --workers.")

    def _is_ready(self) -> bool:
        try:
            return self._calls.poll(START_SECONDS) and self._calls.recv() == READY
        except (EOFError, OSError):
            return False

    def call(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float | None, on_told: Tell | None
    ) -> Any:
        """Run a function in the process.

        Raises:
            TookTooLongError: after `seconds` in which it said nothing.
            EOFError, OSError: if the process ends before it answers.
        """
        self._calls.send((function, arguments, on_told is not None))
        while True:
            if not self._calls.poll(seconds):
                raise TookTooLongError(f"took more than {seconds:.0f} seconds")
            answer = self._calls.recv()
            if not isinstance(answer, Told):
                break
            if on_told is not None:
                on_told(answer.stage, answer.done, answer.total)
        answer, error = answer
        if error is not None:
            raise error
        return answer

    def kill(self) -> None:
        """Kill the process; a thread waiting for its answer gets `EOFError`."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and release its resources; no thread may be waiting for its answer."""
        self._calls.close()
        self._process.kill()
        self._process.join()
        self._process.close()


class Workers:
    """A pool that survives crashing calls: each call has a process to itself, with limits of memory and time.

    A call that ends its process is retried once in another, because the process may have been killed from outside.
    """

    def __init__(
        self,
        n: int | None = None,
        *,
        prepare: Callable[[], object] = int,
        seconds: float | None = SECONDS,
        memory: int | None = MEMORY,
        nice: int = 0,
    ) -> None:
        """Create a pool for n calls at a time, one per core if None; processes start with the first calls.

        Args:
            prepare: a module-level function that each process calls first; its memory does not count towards a call's.
            seconds: time limit per call, or of what a call is silent where it tells how far it is; None for none.
            memory: MB a call may use beyond what the prepared process uses; None for no limit.
            nice: how much less of a busy core the processes get; `NICE` where nobody waits for them.
        """
        self._start = partial(_Process, memory, nice, prepare)
        self._seconds, self._closing = seconds, False
        self._threads = ThreadPoolExecutor(n or os.cpu_count() or 1, thread_name_prefix="worker")
        self._mine = threading.local()
        self._all: set[_Process] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:  # nobody needs the running calls' results
            self.kill()
        self.end()

    def end(self) -> None:
        """End the processes, once the calls that run have ended."""
        with self._lock:
            self._closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._all:
            process.end()
        self._all.clear()

    @property
    def is_killed(self) -> bool:
        """Tell whether it takes nothing more."""
        return self._closing

    def kill(self) -> None:
        """End what runs now, and take nothing more: calls raise `CrashedError`."""
        with self._lock:
            self._closing = True
            for process in self._all:
                process.kill()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run a module-level function in a worker process.

        Returns:
            a future; its `result` raises `TookTooLongError`, `CrashedError`, `StartError`, or what the function raises.
        """
        return self._threads.submit(self._call, function, arguments, None)

    def submit_telling(self, function: Callable[..., Any], *arguments: Any, on_told: Tell) -> Future[Any]:
        """Run a module-level function whose last argument is a function that takes (stage, done, total).

        Args:
            on_told: called with what the function tells, on a thread of this pool; its `StoppedError` ends call and process.
        """
        return self._threads.submit(self._call, function, arguments, on_told)

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...], on_told: Tell | None) -> Any:
        for _ in range(2):
            process = self._process()
            try:
                return process.call(function, arguments, self._seconds, on_told)
            except (EOFError, ConnectionError):
                self._forget(process)
            except TookTooLongError:
                self._forget(process)
                raise
            except StoppedError:  # of `on_told`; an answer of the process would be read as that of the next call
                self._forget(process)
                raise
        raise CrashedError("ended its process")

    def _process(self) -> _Process:
        if getattr(self._mine, "process", None) is None:
            if self._closing:
                raise CrashedError("the pool is closed")
            process = self._started()  # takes seconds, so it is outside the lock
            self._mine.process = process
            with self._lock:
                self._all.add(process)
                if self._closing:
                    process.kill()
        mine: _Process = self._mine.process
        return mine

    def _started(self) -> _Process:
        """Start a process, with retries: one that does not start may have been killed from outside."""
        for _ in range(STARTS - 1):
            with contextlib.suppress(StartError):
                return self._start()
        return self._start()

    def _forget(self, process: _Process) -> None:
        self._mine.process = None
        with self._lock:
            self._all.discard(process)
        process.end()
