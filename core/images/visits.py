"""Where an image's bytes were last seen, and whether they are still there. Standard library and `core.remote` only.

A path is not an image: the file may be gone, or hold another picture by now. A file counts as the image while its size and
modification time are unchanged; if only the time differs, its content decides. A file replaced by another one of the same
size and time goes unnoticed; detecting it would mean reading every file again. A file of a store or a web server is fetched
anew each time, and its content decides.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from core.remote.addresses import is_remote
from core.remote.troubles import RemoteError, Trouble


class FileState(StrEnum):
    """Whether an image can still be read from one of its files."""

    HERE = "here"
    CHANGED = "changed"  # another file is at its path
    GONE = "gone"
    UNKNOWN = "unknown"  # its store cannot be asked now, or lets nobody in


class Visit(NamedTuple):
    """A file as it was when it held an image."""

    path: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageFiles:
    """An image and its files as they were last seen."""

    id: str
    own: str  # the path shown for it, "" if none is left
    visits: tuple[Visit, ...]  # its own path first


def content_id(content: bytes) -> str:
    """Return the id of an image: a hash of its file's bytes, 32 hex digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def is_elsewhere(image: ImageFiles) -> bool:
    """Tell whether all files of an image have to be fetched."""
    return bool(image.visits) and all(is_remote(visit.path) for visit in image.visits)


def _nearest_first(image: ImageFiles) -> list[Visit]:
    return sorted(image.visits, key=lambda visit: is_remote(visit.path))  # what is on this computer before what is fetched


def read_original(image: ImageFiles, *, quickly: bool = False) -> bytes | None:
    """Return the bytes of an image from the first of its files that still holds it, None if none does.

    Args:
        quickly: a person waits, so a file that has to be fetched is given seconds and one try.
    Raises:
        RemoteError: if its store cannot be asked now.
    """
    failed: RemoteError | None = None
    for visit in _nearest_first(image):
        try:
            content = _fetch(visit, image.id, quickly) if is_remote(visit.path) else _read(visit, image.id)
        except RemoteError as error:
            failed = error
            continue
        if content is not None:
            return content
    if failed is not None:
        raise failed
    return None


def _fetch(visit: Visit, image_id: str, quickly: bool = False) -> bytes | None:
    from core.remote import fetch  # not sooner: each process that decodes files would load it

    seconds, tries = (fetch.VIEW_SECONDS, 1) if quickly else (fetch.FILE_SECONDS, fetch.TRIES)
    try:
        content = fetch.read_file(visit.path, visit.n_bytes + 1, seconds=seconds, tries=tries)
    except RemoteError as error:
        if error.trouble == Trouble.GONE:
            return None
        raise
    return content if content_id(content) == image_id else None


def _read(visit: Visit, image_id: str) -> bytes | None:
    try:
        if not stat.S_ISREG(os.stat(visit.path).st_mode):  # checked before opening: opening a pipe would block
            return None
        with open(visit.path, "rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_size != visit.n_bytes:
                return None
            content = opened.read(visit.n_bytes + 1)
    except (OSError, ValueError):
        return None
    same = found.st_mtime_ns == visit.mtime_ns and len(content) == visit.n_bytes
    return content if same or content_id(content) == image_id else None


def state_of(image: ImageFiles) -> FileState:
    """Tell whether one of an image's files still holds it; if not, CHANGED if any of its paths holds another file.

    UNKNOWN if no file here does, and a store cannot be asked.
    """
    state = FileState.GONE
    for visit in _nearest_first(image):
        if is_remote(visit.path):
            there = _state_elsewhere(visit, image.id)
            if there in (FileState.HERE, FileState.UNKNOWN):
                return there
            state = there if there == FileState.CHANGED else state
            continue
        try:
            found = os.stat(visit.path)
        except (OSError, ValueError):
            continue
        if (found.st_size, found.st_mtime_ns) == (visit.n_bytes, visit.mtime_ns):
            return FileState.HERE
        if found.st_size == visit.n_bytes and _read(visit, image.id) is not None:
            return FileState.HERE
        state = FileState.CHANGED
    return state


def _state_elsewhere(visit: Visit, image_id: str) -> FileState:
    from core.remote import fetch

    try:
        found = fetch.file_now(visit.path)
        if (found.n_bytes, found.mtime_ns) == (visit.n_bytes, visit.mtime_ns):
            return FileState.HERE
        is_same = found.n_bytes in (0, visit.n_bytes) and _fetch(visit, image_id) is not None
        return FileState.HERE if is_same else FileState.CHANGED
    except RemoteError as error:
        return FileState.GONE if error.trouble == Trouble.GONE else FileState.UNKNOWN


def own_state(image: ImageFiles) -> FileState:
    """Return the state of the image's own path alone."""
    return state_of(ImageFiles(image.id, image.own, tuple(visit for visit in image.visits if visit.path == image.own)))
