"""The webhook: decisions of Review are posted to a receiver, signed, one batch after the other, until it has taken each.

The log of actions is the outbox, and the catalog keeps how far the receiver has taken it: a restart goes on from there. A
thread of its own posts, so no label waits for a receiver.
"""

import hashlib
import hmac
import http.client
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.catalog.rows import after_seconds, now
from core.triage.answers import Answers
from core.triage.decisions import Page, decisions_after, keep_posted, posted_through
from core.wording import counted
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.webhook")
BATCH = 100  # decisions of a post
LOOK_SECONDS = 0.5  # between two looks whether there is something new
FIRST_SECONDS, MOST_SECONDS = 1.0, 300.0  # of waiting after a failure; doubled each time
KEEP_AFTER = 1_000  # actions without a decision, until it is noted that there is none among them
PATIENCE = 10.0  # s for an answer
MOST_COUNTED = 10_000  # decisions that wait
COUNT_SECONDS = 1.0  # of counting them after a failure; the next one counts on
Said = Callable[[str, bool], None]


@dataclass(frozen=True)
class Trouble:
    """Why the receiver has taken nothing, since when, and how it goes on."""

    receiver: str  # host and port
    since: str  # ISO 8601, UTC
    reason: str  # of the newest failure
    again: str  # ISO 8601, UTC: when it is tried next
    waiting: int  # decisions, as far as they are counted
    more_wait: bool = False  # perhaps: they are not all counted


Told = Callable[[Trouble | None], None]


class RefusedError(Exception):
    """The receiver has not taken a batch."""


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the header that proves who sent a body, and when: HMAC-SHA256 over "TIME.BODY"."""
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"


def post(url: str, secret: str, body: bytes) -> None:
    """Post a batch; redirects are not followed, and no proxy is asked.

    Raises:
        RefusedError: with the reason, if the receiver does not answer with 200 to 299.
    """
    to, at = urlsplit(url), int(time.time())
    kind = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(to.hostname), to.port, timeout=PATIENCE)
    headers = {"Content-Type": "application/json", "Lassoscope-Signature": signature(secret, at, body)}
    try:
        connection.request("POST", f"{to.path or '/'}{f'?{to.query}' if to.query else ''}", body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise RefusedError(f"it cannot be reached ({error or type(error).__name__})") from None
    finally:
        connection.close()
    if 300 <= status < 400:
        raise RefusedError(f"it answers with {status}, and redirects are not followed: name the place itself")
    if not 200 <= status < 300:
        raise RefusedError(f"it answers with {status}")


class Webhook:
    """Posts decisions from a thread."""

    def __init__(
        self,
        workspace: Workspace,
        answers: Answers,
        url: str,
        secret: str,
        said: Said,
        on_trouble: Told = lambda _: None,
    ) -> None:
        """Start the thread; a receiver that is named for the first time hears of decisions from now on.

        Args:
            said: told what windows should say, and whether it is about a failure.
            on_trouble: told of every failure, and with None that it is over.
        """
        self._workspace, self._answers, self._url, self._secret, self._said = workspace, answers, url, secret, said
        self._stopping = threading.Event()
        self._through = self._kept = posted_through(workspace)
        self._counted = (self._through, self._through, 0)  # where counting began, how far it is, decisions on the way
        self._failures = 0
        self.trouble: Trouble | None = None  # while deliveries fail
        self._on_trouble = on_trouble
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is not taken yet is posted after the next start."""
        self._stopping.set()
        self._thread.join(PATIENCE + 1)

    def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._stopping.wait(pause):
            reason = ""
            try:
                self._deliver()
                if self._failures:  # nothing is left to post; the place of what was taken may not be kept yet
                    self._keep()
                    self._end_trouble()
            except RefusedError as refused:
                reason = str(refused)
                self._on_failure(reason)
            except Exception:  # the disk may be full; nothing is lost, as nothing is noted as taken
                LOG.exception("decisions could not be posted yet")
                self._failures += 1
                reason = "this server cannot read or note what is posted; its log has the details"
            pause = self._pause()
            if reason and not self._stopping.is_set():
                self._tell(reason, pause)

    def _tell(self, reason: str, pause: float) -> None:
        """Tell of a failure."""
        try:
            more_wait = self._count()
        except Exception:  # the catalog may not be readable now
            LOG.exception("the decisions that wait could not be counted")
            more_wait = True
        self.trouble = Trouble(
            receiver=urlsplit(self._url).netloc.rpartition("@")[2],
            since=now() if self.trouble is None else self.trouble.since,
            reason=reason,
            again=after_seconds(pause),
            waiting=min(self._counted[2], MOST_COUNTED),
            more_wait=more_wait,
        )
        self._on_trouble(self.trouble)

    def _end_trouble(self) -> None:
        self._failures = 0
        if self.trouble is not None:
            self.trouble = None
            self._on_trouble(None)

    def _count(self) -> bool:
        """Count on what waits, for a moment; tell whether there may be more."""
        if self._counted[0] != self._through:
            self._counted = (self._through, self._through, 0)
        start, place, n = self._counted
        end = time.monotonic() + COUNT_SECONDS
        while place < self._workspace.book.version and n < MOST_COUNTED:
            if self._stopping.is_set() or time.monotonic() > end:
                return True
            page = decisions_after(self._workspace, self._answers, place, most=BATCH)
            place, n = page.through, n + len(page.decisions)
            self._counted = (start, place, n)
        return n >= MOST_COUNTED

    def _pause(self) -> float:
        if not self._failures:
            return LOOK_SECONDS
        most = min(FIRST_SECONDS * 2.0 ** min(self._failures - 1, 30), MOST_SECONDS)
        return most * random.uniform(0.75, 1.0)  # so that many servers do not come at once

    def _deliver(self) -> None:
        """Post what is new, batch after batch."""
        while self._workspace.book.version > self._through and not self._stopping.is_set():
            page = decisions_after(self._workspace, self._answers, self._through, most=BATCH)
            if page.decisions:
                self._post(page)
                self._on_success(page)
            elif page.through == self._through:
                return
            self._through = page.through
            if page.decisions or self._through - self._kept > KEEP_AFTER:
                self._keep()

    def _keep(self) -> None:
        keep_posted(self._workspace, self._through)
        self._kept = self._through

    def _post(self, page: Page) -> None:
        content = {"decisions": [decision.record() for decision in page.decisions], "next": page.through}
        post(self._url, self._secret, json.dumps(content, allow_nan=False).encode())

    def _on_success(self, page: Page) -> None:
        if self._failures:
            said = f"The webhook takes decisions again; {counted(len(page.decisions), 'decision')} posted so far."
            LOG.warning("%s", said)
            self._said(said, False)
        self._end_trouble()

    def _on_failure(self, reason: str) -> None:
        self._failures += 1
        where = urlsplit(self._url).netloc
        wait = min(FIRST_SECONDS * 2.0 ** min(self._failures - 1, 30), MOST_SECONDS)
        said = (
            f"The webhook at {where} did not take decisions: {reason}. They are kept, and posted again in {wait:.0f} s "
            "or less; labels go on as usual."
        )
        LOG.warning("%s", said)
        if self._failures == 1:
            self._said(said, True)
