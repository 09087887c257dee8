"""List, read and download remote files, with limits of size and time, and again where the network failed for a moment."""

import errno
import hashlib
import os
import random
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import IO, TypeVar

from core.errors import AppError, InputError
from core.remote.addresses import STORES, scheme_of, shown_address
from core.remote.stores import Listed, list_objects, object_now, read_object
from core.remote.troubles import PASSING, RemoteError, Trouble, sentence_of, told
from core.remote.web import PIECE, described, open_web, page_now, validator

T = TypeVar("T")
LARGEST = 64 * 2**20  # bytes of a picture
TRIES = 4
PAUSES = (0.5, 2.0, 6.0)  # seconds between two tries, and up to as long again: many readers do not come back together
LIST_SECONDS = 1_800.0  # a thousand objects take some tenths of a second
FILE_SECONDS = 60.0  # for one file of up to `LARGEST`
VIEW_SECONDS = 10.0  # where a person waits
PATIENCE = 20.0  # seconds: what failed after longer is not tried again, for its library has tried often enough
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
PART = 8 * 2**20  # bytes of an object that are downloaded at once

Progress = Callable[[int, int], None]


def _again(work: Callable[[], T], address: str, tries: int, pause: Callable[[float], None]) -> T:
    """Do what may fail for a moment, a few times.

    Raises:
        RemoteError: for the last failure, or the first that will not pass.
    """
    for left in reversed(range(tries)):
        began = time.monotonic()
        try:
            return work()
        except RemoteError as error:
            failed = error
        except AppError:  # not of the network: too large, stopped by a person
            raise
        except Exception as error:  # a store's library has classes of its own
            if isinstance(error, OSError) and error.errno in OF_THE_DISK:
                raise
            failed = told(error, address)
        if failed.trouble not in PASSING or not left or time.monotonic() - began > PATIENCE:
            raise failed from None
        pause(PAUSES[min(tries - left, len(PAUSES)) - 1] * random.uniform(1, 2))
    raise AssertionError("it is tried at least once")


def list_files(address: str, *, pause: Callable[[float], None] = time.sleep) -> list[Listed]:
    """List the remote files at an address, sorted by it: the file itself, or all below it.

    Raises:
        RemoteError: if there are none, they may not or cannot be listed, or the extra is not installed.
    """
    if scheme_of(address) in STORES:
        found = _again(lambda: list(list_objects(address, LIST_SECONDS)), address, TRIES, pause)
    else:
        found = [file_now(address, pause=pause)]
    if not found:
        raise RemoteError(sentence_of(Trouble.GONE, address), Trouble.GONE)
    return sorted(found)


def file_now(
    address: str, *, tries: int = TRIES, seconds: float = FILE_SECONDS, pause: Callable[[float], None] = time.sleep
) -> Listed:
    """Return a remote file as it is now, without reading it.

    Raises:
        RemoteError: if it is gone, or may not or cannot be read.
    """
    if scheme_of(address) in STORES:
        return _again(lambda: object_now(address, seconds), address, tries, pause)
    return _again(lambda: page_now(address), address, tries, pause)


def read_file(
    address: str,
    most: int,
    *,
    tries: int = TRIES,
    seconds: float = FILE_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> bytes:
    """Return the first `most` bytes of a remote file that is not empty, or all if it has no more.

    Raises:
        RemoteError: if it is gone, or may not or cannot be read in time.
    """
    if scheme_of(address) in STORES:
        return _again(lambda: read_object(address, 0, most, seconds), address, tries, pause)
    return _again(lambda: _read_page(address, most, seconds), address, tries, pause)


def _read_page(address: str, most: int, seconds: float) -> bytes:
    until, pieces, n = time.monotonic() + seconds, list[bytes](), 0
    with open_web(address) as opened:
        whole = described(address, opened).n_bytes
        while n < most and (piece := opened.read1(min(PIECE, most - n))):
            pieces.append(piece)
            n += len(piece)
            if time.monotonic() > until:
                raise TimeoutError
    if n < min(whole, most):
        raise ConnectionError("it broke off")
    return b"".join(pieces)


# -- downloading --


def download(
    address: str,
    file: Path,
    *,
    most: int,
    on_progress: Progress = lambda done, total: None,
    need_room: Callable[[int], None] = lambda n_bytes: None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Download a remote file; where the network fails it goes on from there, if the file is still the same.

    Args:
        file: where to, on disk once this returns; nothing of another is left there.
        most: bytes that are taken.
        on_progress: called with (bytes, bytes in all; 0 if unknown). What it raises ends the download.
        need_room: called with the bytes that are still to come; raises where the disk has no room for them.
    Raises:
        InputError: if it has more bytes than `most`.
        RemoteError: if it is gone, or may not or cannot be read.
    """
    with open(file, "wb") as out:
        if scheme_of(address) in STORES:
            _download_object(address, out, most, on_progress, need_room, pause)
        else:
            _download_page(address, out, most, on_progress, need_room, pause)
        out.flush()
        os.fsync(out.fileno())


def _need_size(address: str, n_bytes: int, most: int) -> None:
    if n_bytes > most:
        raise InputError(
            f"{shown_address(address)} has {n_bytes / 2**30:,.1f} GB or more; up to {most / 2**30:,.1f} GB are fetched at once."
        )


def _download_object(
    address: str,
    out: IO[bytes],
    most: int,
    on_progress: Progress,
    need_room: Callable[[int], None],
    pause: Callable[[float], None],
) -> None:
    was = file_now(address, pause=pause)
    _need_size(address, was.n_bytes, most)
    need_room(was.n_bytes)
    for start in range(0, was.n_bytes, PART):
        on_progress(start, was.n_bytes)
        stop = min(start + PART, was.n_bytes)

        def part(start: int = start, stop: int = stop) -> bytes:
            content = read_object(address, start, stop, FILE_SECONDS)
            if len(content) != stop - start:
                raise ConnectionError("it broke off")
            return content

        out.write(_again(part, address, TRIES, pause))
    if file_now(address, pause=pause) != was:
        changed = f"{shown_address(address)} changed while it was downloaded; run the same command again."
        raise RemoteError(changed, Trouble.OTHER)
    on_progress(was.n_bytes, was.n_bytes)


def _download_page(
    address: str,
    out: IO[bytes],
    most: int,
    on_progress: Progress,
    need_room: Callable[[int], None],
    pause: Callable[[float], None],
) -> None:
    same = ""

    def go_on() -> None:
        nonlocal same
        start = out.tell() if same else 0
        with open_web(address, start=start, same=same) as opened:
            if opened.status != HTTPStatus.PARTIAL_CONTENT:
                start = 0
            out.seek(start)
            out.truncate()
            rest = described(address, opened).n_bytes
            same, whole = validator(opened), start + rest if rest else 0
            _need_size(address, whole, most)
            need_room(rest)
            while piece := opened.read1(PIECE):
                out.write(piece)
                _need_size(address, out.tell(), most)
                on_progress(out.tell(), whole)
        if out.tell() < whole:
            raise ConnectionError("it broke off")

    while True:
        before = out.tell()
        try:
            return _again(go_on, address, TRIES, pause)
        except RemoteError as error:
            if error.trouble not in PASSING or out.tell() <= before:  # a large file may break off more often than it is tried
                raise


def key_of(address: str) -> str:
    """Return 32 hexadecimal digits that name an address."""
    return hashlib.blake2b(address.encode(), digest_size=16).hexdigest()
