"""The API for programs: post pictures, ask about images and jobs. Answers are JSON; an error is {"error": a sentence}.

A picture counts as taken once the answer 202 is sent: by then its file, the note of its batch and the job are on disk.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from tornado.httputil import HTTPFile, parse_body_arguments
from tornado.web import MissingArgumentError, RequestHandler, stream_request_body

from core.arrays import JsonObject
from core.catalog.jobs import JobRecord
from core.errors import AppError, InputError, ReadOnlyError
from core.evidence.decisions import LEAVE, REVIEW, decisions_about
from core.images.visits import content_id
from core.intake.archives import keep_piece, whole_archive
from core.intake.sources import job_of
from core.intake.uploads import LARGEST, add_batch, file_below, keep_manifest, keep_picture, picture_reason, standing
from core.overview import describe
from core.store.troubles import sentence_of
from core.triage.decisions import decisions_after
from core.workspace import Workspace
from dashboard.callers import Callers
from dashboard.routes import ID, Route

if TYPE_CHECKING:
    from dashboard.server import Server

LOG = logging.getLogger("lassoscope.api")
API, IMAGES, SOURCES, MANIFESTS, ARCHIVES = "/api/", "/api/images", "/api/sources", "/api/manifests", "/api/archives"
POSTED = re.compile(rf"{IMAGES}|{SOURCES}|{MANIFESTS}|{ARCHIVES}/{ID}")
READ_ON = 1024 * 1024 * 1024  # bytes that are read and dropped, so that whoever sends too much can read why it is refused
BODY_SECONDS = 600.0
MOST_AT_ONCE = 4  # requests with pictures, each in memory
MOST_PATHS = 10_000
DIGITS = 15  # of a number in an address
ASKED = (("since", 0, 0, 10**DIGITS - 1), ("limit", 500, 1, 5_000))  # of decisions: name, usual, smallest and largest value
NO_PATHS = "This server takes no paths; set LASSOSCOPE_INTAKE to the folder whose files may be named."
DECIDED = {REVIEW: "review", LEAVE: "leave"}
TELLS_PATHS = ("train", "export")
PATHS: TypeAdapter[list[str]] = TypeAdapter(list[str])
NAMED: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


Answer = tuple[HTTPStatus, Mapping[str, Any]]


class Refusal(Exception):  # noqa: N818  an answer, not a fault
    """A request that is answered with a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Picture:
    """What is posted under one name."""

    name: str
    id: str = ""
    file: Path | None = None  # where it is; None if it is refused
    error: str = ""

    def answer(self) -> JsonObject:
        """Return it as JSON."""
        return (
            {"name": self.name, "error": self.error} if self.error else {"name": self.name, "id": self.id, "state": "waiting"}
        )


# -- what is done, on a thread --


def take_pictures(workspace: Workspace, files: Sequence[HTTPFile]) -> list[Picture]:
    """Keep posted pictures, each on disk when this returns."""
    found = []
    for file in files:
        name = file["filename"]
        if reason := picture_reason(file["body"]):
            found.append(Picture(name, error=f"{name} is not taken: {reason}."))
            continue
        image_id, kept = keep_picture(workspace.folder, file["body"], name)
        found.append(Picture(name, image_id, kept))
    return found


def take_paths(root: Path | None, paths: Sequence[str]) -> list[Picture]:
    """Look at files that a request names; they stay where they are."""
    if root is None:
        raise Refusal(HTTPStatus.FORBIDDEN, NO_PATHS)
    found = []
    for path in paths:
        try:
            file = file_below(root, path)
            content = file.read_bytes()
        except (InputError, OSError) as error:
            found.append(Picture(path, error=sentence_of(error) or f"{path} cannot be read."))
            continue
        if reason := picture_reason(content):
            found.append(Picture(path, error=f"{path} is not taken: {reason}."))
        else:
            found.append(Picture(path, content_id(content), file))
    return found


def image_now(workspace: Workspace, image_id: str) -> JsonObject | None:
    """Return what is known of an image; None if nothing is."""
    with workspace.steady():
        found = standing(workspace, image_id)
        if found is None:
            return None
        if found.reason:
            return {"id": image_id, "state": "rejected", "error": f"It cannot be used: {found.reason}."}
        if found.row is None:
            return {"id": image_id, "state": "waiting"}
        facts, decisions = describe(workspace, found.row), decisions_about(workspace, found.row)
    return {
        "id": image_id,
        "state": "known",
        "label": facts["label"],
        "score": facts["score"],
        "decisions": [
            {"policy": made.policy, "point": made.point, "score": made.score, "decision": DECIDED.get(made.decided)}
            for made in decisions
        ],
    }


def job_now(job: JobRecord) -> JsonObject:
    """Return how far a job is; what may name the owner's files stays here: arguments, and what train and export say."""
    shown = ("number", "kind", "analyst", "stage", "done", "total", "rate", "created_at", "started_at", "ended_at", "message")
    told = {name: getattr(job, name) for name in shown} | ({"message": ""} if job.kind in TELLS_PATHS else {})
    return {**told, "state": str(job.state), "remaining": job.remaining}


# -- routes --


class Room:
    """How many requests with pictures are read at once."""

    def __init__(self) -> None:
        self.n = 0


class ApiHandler(RequestHandler):
    """Answers in JSON."""

    def initialize(self, server: "Server", callers: Callers, room: Room) -> None:
        """Set what all requests share."""
        self.server, self.callers, self.room = server, callers, room

    def answer(self, status: HTTPStatus, content: Mapping[str, Any]) -> None:
        """Send an answer."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(content, allow_nan=False) + "\n")

    async def answer_with(self, find: Callable[[], Answer]) -> None:
        """Answer with what a function finds on a thread; its errors become sentences."""
        try:
            status, content = await asyncio.get_running_loop().run_in_executor(None, find)
        except Refusal as refusal:
            status, content = refusal.status, {"error": str(refusal)}
        except ReadOnlyError as error:
            status, content = HTTPStatus.FORBIDDEN, {"error": str(error)}
        except AppError as error:
            status, content = HTTPStatus.BAD_REQUEST, {"error": str(error)}
        except Exception as error:
            if (said := sentence_of(error)) is None:
                LOG.exception("a request could not be answered")
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            content = {"error": said or "The server failed; its log has the details."}
        self.answer(status, content)


class ImageHandler(ApiHandler):
    """Tells what is known of an image."""

    async def get(self, image_id: str) -> None:
        """Answer with state, label, score and decisions."""

        def find() -> Answer:
            found = image_now(self.server.workspace, image_id)
            if found is None:
                raise Refusal(HTTPStatus.NOT_FOUND, f"There is no image {image_id}.")
            return HTTPStatus.OK, found

        await self.answer_with(find)


class JobHandler(ApiHandler):
    """Tells how far a job is."""

    async def get(self, number: str) -> None:
        """Answer with its record."""

        def find() -> Answer:
            try:
                return HTTPStatus.OK, job_now(self.server.jobs.get(int(number)))
            except InputError as error:
                raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from None

        await self.answer_with(find)


class DecisionsHandler(ApiHandler):
    """Tells what people have decided in Review."""

    async def get(self) -> None:
        """Answer with the decisions after a place, and the place behind them."""

        def find() -> Answer:
            since, most = (self._number(*asked) for asked in ASKED)
            server = self.server
            page = decisions_after(server.workspace, server.openings.review.answers, since, most=most)
            decisions = [decision.record() for decision in page.decisions]
            return HTTPStatus.OK, {"decisions": decisions, "next": page.through, "more": not page.is_last}

        await self.answer_with(find)

    def _number(self, name: str, usual: int, least: int, largest: int) -> int:
        given = self.request.query_arguments.get(name, [str(usual).encode()])[-1]
        if not (given.isdigit() and len(given) <= DIGITS and least <= int(given) <= largest):
            shown = given[:40].decode(errors="replace")
            said = (
                f"The parameter '{name}' is a whole number from {least} to {largest:,}, got {shown!r}; "
                "take 'next' of the answer before."
            )
            raise Refusal(HTTPStatus.BAD_REQUEST, said)
        return int(given)


@stream_request_body
class Receiver(ApiHandler):
    """Reads the bodies of a few requests at a time, and answers with what `take` finds on a thread."""

    def initialize(self, server: "Server", callers: Callers, room: Room) -> None:
        """Set what all requests share."""
        super().initialize(server, callers, room)
        self._is_inside, self._size = False, 0
        self._parts: list[bytes] = []

    def prepare(self) -> None:
        """Read the body while there is room; what is too much is read on, and dropped."""
        connection: Any = self.request.connection
        connection.set_max_body_size(READ_ON)
        connection.set_body_timeout(BODY_SECONDS)
        if self.room.n < MOST_AT_ONCE:
            self.room.n += 1
            self._is_inside = True

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the body."""
        self._size += len(chunk)
        if self._size > LARGEST or not self._is_inside:
            self._parts.clear()
        else:
            self._parts.append(chunk)

    def on_finish(self) -> None:
        """Make room."""
        self._leave()

    def on_connection_close(self) -> None:
        """Make room, too, if the sender is gone."""
        self._leave()

    def _leave(self) -> None:
        if self._is_inside:
            self._is_inside = False
            self.room.n -= 1
            self._parts = []

    async def post(self, *named: str) -> None:
        """Answer once all is on disk."""
        if not self._is_inside:
            self.set_header("Retry-After", "1")
            self.answer(
                HTTPStatus.SERVICE_UNAVAILABLE, {"error": "Too many pictures arrive at once; post these again in a second."}
            )
            return
        if self._size > LARGEST:
            said = f"A request of up to {LARGEST // 2**20} MB is needed; post fewer pictures at a time."
            self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": said})
            return
        await self.answer_with(partial(self._take, b"".join(self._parts), *named))

    def _take(self, body: bytes, *named: str) -> Answer:
        self.server.workspace.need_writable()
        return self.take(body, *named)

    def take(self, body: bytes, *named: str) -> Answer:
        """Take a body; called on a thread.

        Args:
            named: what the route's pattern found in the path.
        """
        raise NotImplementedError

    def add_job(self, kind: str, arguments: JsonObject) -> int:
        """Add a job in the name of who sends the request; return its number."""
        return self.server.jobs.add(kind, arguments, self.callers.name_of(self.request) or "").number


class ImagesHandler(Receiver):
    """Takes pictures: 202 with ids and the number of the job."""

    def take(self, body: bytes, *_named: str) -> Answer:
        """Keep pictures, or look at files that are named."""
        space, kind = self.server.workspace, self.request.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            pictures = take_pictures(space, _form_of(kind, body)[0])
        elif kind.startswith("application/json"):
            pictures = take_paths(self.server.settings.intake_root(), _paths_of(body))
        else:
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Post multipart/form-data with pictures, or application/json with paths."
            )
        files = [picture.file for picture in pictures if picture.file is not None]
        if not files:
            said = f"Nothing is taken; the first: {pictures[0].error}"
            return HTTPStatus.UNPROCESSABLE_ENTITY, {"error": said, "images": [found.answer() for found in pictures]}
        add_batch(space.folder, files)
        return HTTPStatus.ACCEPTED, {"job": self.add_job("uploads", {}), "images": [found.answer() for found in pictures]}


class SourceHandler(Receiver):
    """Takes a folder, a manifest, an archive or a picture on the server's disk: 202 with the number of the job."""

    def take(self, body: bytes, *_named: str) -> Answer:
        """Add the job that ingests it."""
        try:
            path = NAMED.validate_json(body, strict=True)["path"]
        except (ValidationError, KeyError):
            raise Refusal(HTTPStatus.BAD_REQUEST, 'A path is needed, such as {"path": "/pictures/june"}.') from None
        root = self.server.settings.intake_root()
        if root is None:
            raise Refusal(HTTPStatus.FORBIDDEN, NO_PATHS)
        return HTTPStatus.ACCEPTED, {"job": self.add_job(*job_of(self.server.workspace.folder, root, path))}


class ManifestHandler(Receiver):
    """Takes a manifest of pictures that were posted, by names that come with it: 202 with the number of the job."""

    def take(self, body: bytes, *_named: str) -> Answer:
        """Keep it and add the job that ingests it."""
        files, fields = _form_of(self.request.headers.get("Content-Type", ""), body)
        try:
            ids = NAMED.validate_json(fields.get("names", [b"{}"])[-1], strict=True)
        except ValidationError:
            raise Refusal(HTTPStatus.BAD_REQUEST, 'The field "names" needs JSON such as {"a.jpg": "ID"}.') from None
        folder, root = self.server.workspace.folder, self.server.settings.intake_root()
        file = keep_manifest(folder, files[0]["body"], files[0]["filename"], ids)
        return HTTPStatus.ACCEPTED, {
            "job": self.add_job("ingest", {"source": str(file), "below": str(root.resolve()) if root else ""})
        }


class ArchiveHandler(Receiver):
    """Takes a ZIP archive in pieces: 200 with how much has come, and at last 202 with the number of the job."""

    def take(self, body: bytes, *named: str) -> Answer:
        """Keep a piece; a piece that came before, as its answer was lost, does no harm."""
        folder, (key,) = self.server.workspace.folder, named
        name = self.get_query_argument("name", "archive.zip")[:200] or "archive.zip"
        try:
            at, of = int(self.get_query_argument("at")), int(self.get_query_argument("of"))
        except (MissingArgumentError, ValueError):
            raise Refusal(
                HTTPStatus.BAD_REQUEST, "The piece's first byte ('at') and the archive's bytes ('of') are needed."
            ) from None
        file = str(whole_archive(folder, key))
        if (known := self._job_with(file)) is not None:
            return HTTPStatus.ACCEPTED, {"job": known, "at": of}
        there = keep_piece(folder, key, body, at=at, of=of)
        if there < of:
            return HTTPStatus.OK, {"at": there}
        return HTTPStatus.ACCEPTED, {"job": self.add_job("archive", {"file": file, "name": name}), "at": of}

    def _job_with(self, file: str) -> int | None:
        jobs = (job for job in self.server.jobs.newest() if job.kind == "archive")
        return next((job.number for job in jobs if job.arguments.get("file") == file), None)


def _form_of(kind: str, body: bytes) -> tuple[list[HTTPFile], dict[str, list[bytes]]]:
    """Return the files and the other fields of a form."""
    files: dict[str, list[HTTPFile]] = {}
    fields: dict[str, list[bytes]] = {}
    try:
        parse_body_arguments(kind, body, fields, files)
    except Exception:  # of several kinds
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "The body is not multipart/form-data; send it as its Content-Type says."
        ) from None
    found = [file for named in files.values() for file in named]
    if not found:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "There is no picture in this request; post each as a file of multipart/form-data."
        )
    return found, fields


def _paths_of(body: bytes) -> list[str]:
    try:
        paths = PATHS.validate_json(body, strict=True)
    except ValidationError:
        paths = []
    if not 0 < len(paths) <= MOST_PATHS:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f'A JSON list of 1 to {MOST_PATHS:,} paths is needed, such as ["/pictures/a.jpg"].'
        )
    return paths


def api_patterns(server: "Server", callers: Callers) -> list[Route]:
    """Return the routes of the API."""
    shared = {"server": server, "callers": callers, "room": Room()}
    return [
        (IMAGES, ImagesHandler, shared),
        (SOURCES, SourceHandler, shared),
        (MANIFESTS, ManifestHandler, shared),
        (rf"{ARCHIVES}/{ID}", ArchiveHandler, shared),
        (rf"{IMAGES}/{ID}", ImageHandler, shared),
        (rf"{API}jobs/([0-9]{{1,15}})", JobHandler, shared),
        (f"{API}decisions", DecisionsHandler, shared),
    ]
