"""Where an image's bytes were last seen, and whether they are still there. Standard library only.

A path is not an image: the file may be gone, or hold another picture by now. A file counts as the image while its size and
modification time are unchanged; if only the time differs, its content decides. A file replaced by another one of the same
size and time goes unnoticed; detecting it would mean reading every file again.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FileState(StrEnum):
    """Whether an image can still be read from one of its files."""

    HERE = "here"
    CHANGED = "changed"  # another file is at its path
    GONE = "gone"


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


def read_original(image: ImageFiles) -> bytes | None:
    """Return the bytes of an image from the first of its files that still holds it, None if none does."""
    return next((content for visit in image.visits if (content := _read(visit, image.id)) is not None), None)


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
    """Tell whether one of an image's files still holds it; if not, CHANGED if any of its paths holds another file."""
    state = FileState.GONE
    for visit in image.visits:
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


def own_state(image: ImageFiles) -> FileState:
    """Return the state of the image's own path alone."""
    return state_of(ImageFiles(image.id, image.own, tuple(visit for visit in image.visits if visit.path == image.own)))
