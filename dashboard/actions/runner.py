"""Runs verbs off the event loop, and turns errors into messages."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from bokeh.document import Document

from core.errors import AppError, InputError
from core.intake.uploads import below
from core.store.troubles import sentence_of
from dashboard.documents import one_message, when_drawn
from dashboard.hub import Topic
from dashboard.state import SessionState

if TYPE_CHECKING:
    from dashboard.server import Server

LOG = logging.getLogger("lassoscope.actions")
T = TypeVar("T")


class Unsaved(NamedTuple):
    """What a failed action has not kept: words for the person, and rows of the images."""

    words: str = ""
    rows: tuple[int, ...] = ()


NOTHING_UNSAVED = Unsaved()


class Runner:
    """Runs verbs of one tab off the event loop and then updates the tab's own document; errors become messages."""

    def __init__(self, state: SessionState, server: "Server", document: Document) -> None:
        self.state, self.workspace = state, state.workspace
        self._server, self._document = server, document

    def run(
        self,
        verb: Callable[[], T],
        done: Callable[[T], None],
        *,
        on: ThreadPoolExecutor | None = None,
        failed: Callable[[], None] = lambda: None,
        unsaved: Unsaved = NOTHING_UNSAVED,
    ) -> None:
        """Run `verb` off the event loop, then `done(result)` on the document; an error becomes the tab's message.

        Args:
            on: executor; None for the thread of label actions, which keeps their order.
            failed: called on the document after an error.
            unsaved: what is lost by a failure, shown with the error.
        """

        def steadily() -> T:
            with self.workspace.steady():
                return verb()

        (on or self._server.pool).submit(steadily).add_done_callback(
            lambda future: self.soon(partial(self._finish, future, done, failed, unsaved))  # called on the worker thread
        )

    def _finish(self, future: "Future[T]", done: Callable[[T], None], failed: Callable[[], None], unsaved: Unsaved) -> None:
        if future.exception() is not None:
            failed()
        try:
            done(future.result())
        except Exception as error:
            said = sentence_of(error)  # for expected errors; anything else is a bug and must reach the log
            if said is None:
                LOG.exception("action failed")
            said = said or "That failed unexpectedly; nothing was lost. The server's log has the details."
            self.say(f"{unsaved.words} {said}".strip(), error=True, rows=unsaved.rows)

    @property
    def intake_root(self) -> str:
        """The folder on the server whose files may be named; "" if none may."""
        return str(self._server.settings.intake_root() or "")

    def fetch(self, read: Callable[[], T], show: Callable[[T], None], *, failed: Callable[[], None] = lambda: None) -> None:
        """Load in a thread what a view is about to show, then show it."""
        self.run(read, show, on=self._server.draw_pool, failed=failed)

    def look(self, read: Callable[[], T], show: Callable[[T], None]) -> None:
        """Find out what may take seconds about a picture on the screen, then show it."""
        self.run(read, show, on=self._server.look_pool)

    def make_download(self, read: Callable[[], str], send: Callable[[str], None], *, failed: Callable[[], None]) -> None:
        """Make a file for the browser in the thread of work that takes seconds, then send it."""
        self.run(read, send, on=self._server.slow_pool, failed=failed)

    def soon(self, draw: Callable[[], None]) -> None:
        """Call `draw` when the tab's document is next free, and send all its changes as one message."""

        def all_at_once() -> None:
            self.workspace.generations.catch_up()
            with one_message(self._document):
                draw()

        self._document.add_next_tick_callback(partial(when_drawn, self._document, all_at_once))

    def add_job(
        self, kind: str, arguments: Mapping[str, object] | None = None, *, failed: Callable[[], None] = lambda: None
    ) -> None:
        """Queue a job in this analyst's name; every window sees how far it is."""
        add = partial(self._server.jobs.add, kind, arguments or {}, self.state.analyst)
        self.run(add, lambda _: None, failed=failed)

    def set_inbox(self, folder: str, told: Callable[[str], None], *, watched: bool) -> None:
        """Queue the job that watches a folder below `intake_root`, or watches it no longer; say what comes of it.

        Args:
            folder: as a person wrote it, or one that is watched.
            told: called with a sentence: that it is being done, or why not.
        """

        def ask() -> str:
            root = self._server.settings.intake_root()
            if root is None:
                return "This server watches no folders that the page names; set LASSOSCOPE_INTAKE to the folder they are below."
            try:
                found = str(below(root, folder)) if watched else folder
                if watched and not os.path.isdir(found):
                    raise InputError(f"{folder} is not a folder; give the path of one.")
                job = self._server.jobs.add("inboxes", {"folder": found, "watched": watched}, self.state.analyst)
            except AppError as error:
                return str(error)
            return f"Job {job.number} begins to watch {folder}." if watched else f"Job {job.number} stops watching {folder}."

        failed = partial(told, "That failed unexpectedly; the server's log has the details.")
        self.run(ask, told, on=self._server.draw_pool, failed=failed)

    def cancel_job(self, number: int) -> None:
        """Cancel a job that waits or is at work."""
        self.run(partial(self._server.jobs.cancel, number), lambda _: None)

    def retry_job(self, number: int) -> None:
        """Queue a job again that failed or was cancelled."""
        self.run(partial(self._server.jobs.retry, number), lambda _: None)

    def say(self, sentence: str, *, error: bool = False, rows: Sequence[int] = ()) -> None:
        """Show one sentence in this tab, with the images it is about."""
        self.state.param.update(message=sentence, message_is_error=error, message_rows=tuple(rows))

    def forget_error(self) -> None:
        """Take back an error message that is about what is now another value."""
        if self.state.message_is_error:
            self.say("")

    def _changed(self, sentence: str) -> None:
        """Show the current labels: here at once, in other windows soon."""
        self.say(sentence)
        self.state.follow(labels=True)
        self._server.hub.publish(Topic.LABELS, but=self._document)
        self._server.refits.request(self._document)

    def _announce(self, sentence: str) -> None:
        if sentence:
            self.say(sentence)
        self._server.hub.publish(Topic.OPENINGS)

    def hold(self, rows: list[int]) -> None:
        """Reserve these rows for this window; an empty list releases its rows."""
        if rows:
            self._server.handout.hold(self._document, rows)
        else:
            self._server.handout.release(self._document)
