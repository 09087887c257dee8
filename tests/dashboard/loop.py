"""A server and its tabs without a browser: one thread is the event loop, and what happens on it can be watched."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import sqlalchemy as sa
from bokeh.document import Document
from panel.io.state import set_curdoc

from dashboard.app import open_tab
from dashboard.server import Server

ROOT = Path(__file__).resolve().parents[2]
HERE = f"{ROOT}/"
CORE = f"{ROOT}/core/"
LONGEST = 0.020  # s of the loop thread's CPU that one call into core may take
FILE_EVENTS = ("open", "os.scandir", "os.listdir", "sqlite3.connect")


class LoopDocument(Document):
    """A document whose callbacks run on the loop's thread, as those of an open tab do."""

    def __init__(self, loop: ThreadPoolExecutor) -> None:
        super().__init__()
        self._loop = loop
        self._timers: list[threading.Timer] = []

    def add_next_tick_callback(self, callback: Callable[[], Any]) -> Any:
        return self._loop.submit(self._run, callback)

    def add_timeout_callback(self, callback: Callable[[], Any], timeout_milliseconds: int) -> Any:
        timer = threading.Timer(timeout_milliseconds / 1_000, self.add_next_tick_callback, [callback])
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _run(self, callback: Callable[[], Any]) -> Any:
        with set_curdoc(self):
            return callback()


class EventLoop:
    """One thread on which tabs are built and drawn."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="loop")
        self.thread = self.pool.submit(threading.current_thread).result()

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


class Tab:
    """A page as one visitor has it open."""

    def __init__(self, loop: EventLoop, server: Server) -> None:
        self.document, self._server = LoopDocument(loop.pool), server
        self.page = self.do(lambda: open_tab(server))
        self.state = self.page.state
        self.do(lambda: self.page.template.server_doc(self.document))

    def do(self, action: Callable[[], Any]) -> Any:
        """Do what a browser's message would have done, on the loop, and return what comes of it."""
        return self.document.add_next_tick_callback(action).result()

    def pane(self, kind: type) -> Any:
        """Return the one pane of a kind that has been built."""
        desk, further = self.page._desk, (room for name, room in self.page._pages.items() if name != "map")
        rooms = [*desk._panes.values(), *desk._cards, *further]
        return next(room.pane for room in rooms if isinstance(room.pane, kind))

    def settle(self) -> None:
        """Wait until the server's threads have done what they were asked for, and the loop has drawn it."""
        for _ in range(3):  # what is drawn may ask for more
            self.do(lambda: None)
            server = self._server
            for pool in (server.pool, server.asks, server.slow_pool, server.opening_pool, server.draw_pool):
                idle = threading.Barrier(pool._max_workers)
                wait([pool.submit(idle.wait) for _ in range(pool._max_workers)])  # every thread of it has come this far
        self.do(lambda: None)

    def close(self) -> None:
        for callback in self.document.session_destroyed_callbacks:
            self.do(lambda callback=callback: callback(SimpleNamespace(id="tab", _document=self.document)))
        self.document.stop_timers()


class Watch:
    """What happened on the loop's thread and should not have: queries, files, long calls into core."""

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread
        self.found: list[str] = []

    def note(self, what: str) -> None:
        """Keep what happened and who asked for it, with the lines of ours that led there."""
        frames = ((frame.f_code, line) for frame, line in traceback.walk_stack(None))
        ours = [f"{code.co_filename.removeprefix(HERE)}:{line}" for code, line in frames if _is_ours(code.co_filename)]
        self.found.append(f"{what} <- {' < '.join(ours[:6])}")

    def query(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Take a statement that SQLAlchemy is about to execute."""
        if threading.current_thread() is self._thread:
            self.note(f"query: {' '.join(statement.split())[:90]}")

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of Python's audit hooks."""
        if event in FILE_EVENTS and threading.current_thread() is self._thread and not _is_of_the_program(arguments[0]):
            self.note(f"{event}: {arguments[0]}")

    def tracer(self) -> Callable[..., Any]:
        """Return a trace function that times the outermost calls into core in the thread's CPU seconds.

        A busy machine does not stretch them. It is called for Python's calls only: half the cost of `sys.setprofile`.
        """
        outer: FrameType | None = None
        since = 0.0

        def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
            nonlocal outer, since
            if outer is not None or not frame.f_code.co_filename.startswith(CORE):
                return None
            frame.f_trace_lines = False
            outer, since = frame, time.thread_time()
            return leave

        def leave(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal outer
            if event == "return":
                took, outer = time.thread_time() - since, None
                if took > LONGEST:
                    where = frame.f_code.co_filename.removeprefix(CORE)
                    self.note(f"{took * 1_000:.0f} ms in {where} {frame.f_code.co_qualname}")
            return leave

        return enter


def _is_ours(file: str) -> bool:
    return file.startswith((CORE, f"{ROOT}/dashboard/"))


PROGRAM = tuple(map(os.path.realpath, (sys.prefix, sys.base_prefix, ROOT, "/usr")))


def _is_of_the_program(path: Any) -> bool:
    """Tell whether a file came with the program or a library: code, templates, styles."""
    if not isinstance(path, str | bytes | os.PathLike):
        return True  # a descriptor that is open already
    return os.path.realpath(os.fsdecode(path)).startswith((*PROGRAM, "/etc", "/proc"))


_WATCHES: list[Watch] = []  # an audit hook cannot be taken away again
_HOOKED = threading.Event()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in _WATCHES:
        watch.audit(event, arguments)


@contextmanager
def watching(loop: EventLoop) -> Iterator[Watch]:
    """Watch the loop's thread meanwhile."""
    watch = Watch(loop.thread)
    if not _HOOKED.is_set():
        sys.addaudithook(_audit)
        _HOOKED.set()
    _WATCHES.append(watch)
    sa.event.listen(sa.Engine, "before_cursor_execute", watch.query)
    loop.pool.submit(sys.settrace, watch.tracer()).result()
    try:
        yield watch
    finally:
        loop.pool.submit(sys.settrace, None).result()
        sa.event.remove(sa.Engine, "before_cursor_execute", watch.query)
        _WATCHES.remove(watch)
