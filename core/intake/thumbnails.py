"""Rebuild lost thumbnails from files that still hold their images. Each verb takes the workspace."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from core.images.examine import read_fetched, read_file
from core.remote.addresses import is_remote
from core.remote.fetch import LARGEST
from core.remote.fetch import read_file as fetch
from core.remote.troubles import RemoteError
from core.workspace import Workspace

BATCH = 256  # thumbnails between two commits


def restore_thumbnails(workspace: Workspace) -> tuple[int, int]:
    """Rebuild the missing thumbnails from files that still hold their images.

    Returns:
        how many were rebuilt, and how many could not be because no file holds their image any more.
    """
    if workspace.thumbnails.count() >= workspace.n_here:
        return 0, 0
    missing = {name.decode() for name in workspace.ids[~workspace.removed]} - workspace.thumbnails.ids()
    files: dict[str, list[str]] = {}
    for record in workspace.catalog.images.files():
        if record.image_id in missing:
            files.setdefault(record.image_id, []).append(record.path)
    made = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in _batches(sorted(files.items())):
            found = [pair for pair in pool.map(_thumbnail, batch) if pair is not None]
            workspace.thumbnails.put_many(found)
            made += len(found)
    return made, len(missing) - made


def _of_address(image_id: str, address: str) -> bytes | None:
    try:
        content = fetch(address, LARGEST + 1)
    except RemoteError:
        return None
    read = read_fetched(address, content, 0)
    return read.thumbnail if read.id == image_id else None


def _batches(items: list[tuple[str, list[str]]]) -> Iterator[list[tuple[str, list[str]]]]:
    yield from (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _thumbnail(wanted: tuple[str, list[str]]) -> tuple[str, bytes] | None:
    """Return (id, thumbnail) from the first file that still holds the image, None if none does."""
    image_id, paths = wanted
    for path in paths:
        if is_remote(path):
            if (fetched := _of_address(image_id, path)) is not None:
                return image_id, fetched
            continue
        try:
            with open(path, "rb") as file:
                same = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest() == image_id
        except OSError:
            continue
        read = read_file(path) if same else None
        if read is not None and read.id == image_id:
            return image_id, read.thumbnail
    return None
