"""Where commands hand their jobs to the server that has a workspace open: both ends. Standard library and core only.

The server listens on a loopback port in a thread of its own, beside the page and its event loop. The file `server.json` in the
workspace, which its owner alone can read, says where; who can read it could write the workspace anyway.
"""

import contextlib
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hmac import compare_digest
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from core.arrays import JsonObject
from core.catalog.jobs import JobRecord, JobState
from core.errors import AppError, BusyError, InputError, WorkspaceError
from core.store.files import write_private

LOG = logging.getLogger("lassoscope.handover")
FILE = "server.json"
HERE = "127.0.0.1"
LARGEST = 1_000_000  # bytes of a request
DROPPED = 100 * LARGEST  # bytes of a longer one that are read before it is refused
LARGEST_ANSWER = 256_000_000  # bytes; a job names every file that it refused
ANSWER_SECONDS = 30.0
ASK_SECONDS = 0.3  # between two looks at a job
GONE_SECONDS = 90.0  # how long a server that does not answer is waited for: it may start again


class Jobs(Protocol):
    """What the server does with jobs."""

    def add(self, kind: str, arguments: Mapping[str, object], analyst: str, *, request: str = "") -> JobRecord:
        """Add a job; the same request, made again, gets the same one."""

    def get(self, number: int) -> JobRecord:
        """Return a job."""


# -- the server's end --


class Handover:
    """Listens until it is closed."""

    def __init__(self, workspace: Path, jobs: Jobs) -> None:
        """Begin to listen, and write where."""
        self._file = workspace / FILE
        self._server = _Server(jobs, secrets.token_urlsafe(32))
        place = {"port": self._server.server_address[1], "token": self._server.token, "pid": os.getpid()}
        write_private(self._file, json.dumps(place))
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="handover", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._file.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, jobs: Jobs, token: str) -> None:
        self.jobs, self.token = jobs, token
        super().__init__((HERE, 0), _Answer)

    def server_bind(self) -> None:
        """Bind, without the look-up of the machine's name that HTTPServer does here: it can take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a command that goes away is no fault of the server."""


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    timeout = ANSWER_SECONDS

    def do_GET(self) -> None:
        """Answer how far a job is: /jobs/NUMBER."""
        number = self.path.removeprefix("/jobs/")
        self._answer(lambda: self.server.jobs.get(int(number)) if number.isascii() and number.isdecimal() else None)

    def do_POST(self) -> None:
        """Add a job: /jobs with kind, arguments, analyst and a name of the request."""
        body = self._body()
        if not self._is_known() or self.path != "/jobs":
            self._answer(lambda: None)
            return
        if body is None:
            self._send(HTTPStatus.BAD_REQUEST, {"error": f"A job of up to {LARGEST:,} bytes is needed."})
            return
        try:
            asked = json.loads(body)
            kind, arguments, analyst = asked["kind"], dict(asked["arguments"]), asked["analyst"]
            request = asked.get("request", "")
            if not all(isinstance(text, str) for text in (kind, analyst, request)):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            self._send(HTTPStatus.BAD_REQUEST, {"error": "A job needs a kind, arguments and an analyst."})
            return
        self._answer(lambda: self.server.jobs.add(kind, arguments, analyst, request=request))

    def _body(self) -> bytes | None:
        """Read what was sent; None if it is too long, and dropped: one who still sends would not hear the answer."""
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) <= LARGEST:
            return self.rfile.read(int(length))
        left = min(int(length), DROPPED) if length.isdecimal() else 0
        while left > 0 and (piece := self.rfile.read(min(left, LARGEST))):
            left -= len(piece)
        return None

    def _is_known(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return compare_digest(given.encode(), self.server.token.encode())

    def _answer(self, find: Callable[[], JobRecord | None]) -> None:
        if not self._is_known():
            self._send(HTTPStatus.FORBIDDEN, {"error": "The token of this server is needed."})
            return
        try:
            found = find()
        except AppError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        except Exception:
            LOG.exception("a command could not be answered")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "The server failed; its log has the details."})
            return
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, {"error": "There is nothing here."})
        else:
            self._send(HTTPStatus.OK, asdict(found))

    def _send(self, status: HTTPStatus, content: JsonObject) -> None:
        body = json.dumps(content).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log no request."""


# -- the command's end --


@dataclass(frozen=True)
class Place:
    """Where a workspace's server listens."""

    port: int
    token: str


class UnreachedError(HTTPException):
    """The server does not listen there."""


OnStage = Callable[[str, int, int], None]


def place_of(workspace: Path) -> Place | None:
    """Return where a workspace's server listens; None if none has said so.

    Raises:
        WorkspaceError: if the server belongs to another user.
    """
    try:
        told = json.loads((workspace / FILE).read_text(encoding="utf-8"))
        return Place(int(told["port"]), str(told["token"]))
    except PermissionError:
        raise WorkspaceError(
            f"{workspace} is served by another user, whose {FILE} only they can read; ask them to run this, or use the page."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hand_over(
    workspace: Path, kind: str, arguments: Mapping[str, object], analyst: str, *, on_stage: OnStage, busy: BusyError
) -> JobRecord:
    """Let the server that has a workspace open do a job, follow it, and return it once it is done.

    Args:
        on_stage: called with (stage, done, total).
        busy: raised if no server listens, so that nothing was sent: another command has the workspace open.
    Raises:
        InputError: if the job is refused.
        WorkspaceError: if it fails, is cancelled, or its server is gone.
    """
    place = place_of(workspace)
    if place is None:
        raise busy
    request = secrets.token_hex(16)  # made again because an answer was lost, it is still this one
    asked: JsonObject = {"kind": kind, "arguments": dict(arguments), "analyst": analyst, "request": request}
    try:
        job = _ask(place, "POST", "/jobs", asked)
    except UnreachedError:
        raise busy from None
    except (OSError, HTTPException):
        on_stage("waiting for the server, which does not answer", 0, 0)
        unsure = (
            f"The server of {workspace} did not say whether it has taken this job; look under Jobs on its page, or start it "
            "with 'lassoscope serve' if it has ended, before you run this again."
        )
        job = _ask_until_answered(workspace, "POST", "/jobs", asked, otherwise=unsure)
    number = int(job["number"])
    gone = f"The server of {workspace} no longer answers; start it with 'lassoscope serve', and job {number} goes on."
    while job["state"] in (JobState.QUEUED, JobState.RUNNING):
        on_stage(str(job["stage"]) or f"waiting for the server (job {number})", int(job["done"]), int(job["total"]))
        time.sleep(ASK_SECONDS)
        job = _ask_until_answered(workspace, "GET", f"/jobs/{number}", otherwise=gone)
    found = JobRecord(**{**job, "state": JobState(job["state"])})
    if found.state != JobState.DONE:
        raise WorkspaceError(found.message or f"Job {number} was {found.state} in the server.")
    return found


def _ask_until_answered(
    workspace: Path, method: str, path: str, content: JsonObject | None = None, *, otherwise: str
) -> JsonObject:
    """Ask the server, or the one that has started again meanwhile; if none answers for long, `otherwise` is the error."""
    end = time.monotonic() + GONE_SECONDS
    while True:
        with contextlib.suppress(OSError, HTTPException):
            if (place := place_of(workspace)) is not None:
                return _ask(place, method, path, content)
        if time.monotonic() > end:
            raise WorkspaceError(otherwise)
        time.sleep(ASK_SECONDS)


def _ask(place: Place, method: str, path: str, content: JsonObject | None = None) -> JsonObject:
    connection = HTTPConnection(HERE, place.port, timeout=ANSWER_SECONDS)
    try:
        connection.connect()
    except OSError as error:
        raise UnreachedError(str(error)) from None
    try:
        body = None if content is None else json.dumps(content)
        connection.request(method, path, body, {"Authorization": f"Bearer {place.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read(LARGEST_ANSWER)
    finally:
        connection.close()
    try:
        found = json.loads(text)
        if answer.status == HTTPStatus.OK:
            return dict(found)
        said = str(found["error"])
    except (ValueError, KeyError, TypeError):
        if len(text) < int(answer.headers.get("Content-Length", 0)):  # it ended in the middle, perhaps after the job was taken
            raise HTTPException("the answer was cut") from None
        raise UnreachedError("not our server") from None
    if answer.status == HTTPStatus.FORBIDDEN:
        raise UnreachedError(said)  # another program has the port now
    raise InputError(said)
