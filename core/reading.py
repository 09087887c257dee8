"""Read one untrusted file into what the catalog needs. Runs in worker processes, so it imports little."""

import hashlib
import os
import stat
from dataclasses import dataclass

from core.errors import InputError
from core.groups import perceptual_hash
from core.images import SUFFIXES, check_sound, decode, format_of, thumbnail_webp
from core.text import grey_of, text_net

MAX_BYTES = 512 * 1024 * 1024  # no image of 100 megapixels is larger in the formats we take


@dataclass(frozen=True)
class FileRead:
    """One file, decoded, or the reason why not."""

    path: str
    n_bytes: int = 0
    mtime_ns: int = 0
    reason: str = ""  # "" = decoded, and the rest is filled in
    id: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    hash: str = ""
    thumbnail: bytes = b""
    text: float = 0.0  # figure of text on dark, in [0, 1]


def read_file(path: str) -> FileRead:
    """Decode one file; whatever it holds, the answer is a `FileRead`."""
    try:
        found = os.stat(path)
    except OSError as error:
        return FileRead(path, reason="it is gone" if isinstance(error, FileNotFoundError) else f"{error.strerror}")
    n_bytes, mtime_ns = found.st_size, found.st_mtime_ns
    try:
        return _read(path, found)
    except InputError as error:
        return FileRead(path, n_bytes, mtime_ns, reason=str(error))
    except (OSError, MemoryError) as error:
        return FileRead(path, n_bytes, mtime_ns, reason=f"it cannot be read ({getattr(error, 'strerror', None) or error})")


def read_sound(path: str, found: os.stat_result) -> tuple[bytes, str | None]:
    """Read a file that claims to be an image, without decoding it.

    Args:
        found: its `os.stat`.
    Returns:
        its bytes and its format, None if only decoding can tell.
    Raises:
        InputError: if it is no regular file, empty, too large, damaged, or named for another format than it has.
        OSError: if it cannot be read.
    """
    if not stat.S_ISREG(found.st_mode):
        raise InputError("it is no regular file")
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise InputError(f"its suffix {suffix!r} is not one of an image" if suffix else "it has no suffix of an image")
    if not found.st_size:
        raise InputError("it is empty (0 bytes)")
    if found.st_size > MAX_BYTES:
        raise InputError(f"it has {found.st_size / 2**20:,.0f} MB, more than {MAX_BYTES / 2**20:.0f}")
    with open(path, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    format_ = format_of(content)
    if format_ is not None and format_ != SUFFIXES[suffix]:
        raise InputError(f"its suffix {suffix!r} is wrong, the content is {format_}")
    check_sound(content)
    return content, format_


def _read(path: str, found: os.stat_result) -> FileRead:
    content, format_ = read_sound(path, found)
    image = decode(content)
    thumbnail = thumbnail_webp(image)
    return FileRead(
        path,
        found.st_size,
        found.st_mtime_ns,
        id=hashlib.blake2b(content, digest_size=16).hexdigest(),
        width=image.width,
        height=image.height,
        format=format_ or "",
        hash=perceptual_hash(image),
        thumbnail=thumbnail,
        text=float(text_net()(grey_of(thumbnail)[None])[0]),
    )
