"""Where the bytes of an image were seen, and whether they are still there. Standard library only.

A path is not an image: a file may be gone, or hold another picture by now. It is taken for an image while size and time are
those of its last visit; with another time its content decides. A file that was replaced by one of the same size and time
cannot be told, except by reading all of them again.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import NamedTuple

HERE, CHANGED, GONE = "here", "changed", "gone"


class Visit(NamedTuple):
    """A file as it was when it held an image."""

    path: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageFiles:
    """An image and the files that held it when they were last seen."""

    id: str
    own: str  # the path that is shown for it, "" if none is left
    visits: tuple[Visit, ...]  # its own path first


def content_id(content: bytes) -> str:
    """Return what an image is known by: a hash of its file's bytes, 32 hex digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def read_original(image: ImageFiles) -> bytes | None:
    """Return the bytes of an image from the first of its files that still is it, None if there is none."""
    return next((content for visit in image.visits if (content := _read(visit, image.id)) is not None), None)


def _read(visit: Visit, image_id: str) -> bytes | None:
    try:
        if not stat.S_ISREG(os.stat(visit.path).st_mode):  # before it is opened: a pipe would wait for ever
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


def state_of(image: ImageFiles) -> str:
    """Tell whether one of an image's files still is it: HERE, else CHANGED if another file lies there, else GONE."""
    state = GONE
    for visit in image.visits:
        try:
            found = os.stat(visit.path)
        except (OSError, ValueError):
            continue
        if (found.st_size, found.st_mtime_ns) == (visit.n_bytes, visit.mtime_ns):
            return HERE
        if found.st_size == visit.n_bytes and _read(visit, image.id) is not None:
            return HERE
        state = CHANGED
    return state


def own_state(image: ImageFiles) -> str:
    """Tell the same of the image's own path alone."""
    return state_of(ImageFiles(image.id, image.own, tuple(visit for visit in image.visits if visit.path == image.own)))
