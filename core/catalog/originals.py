"""The pixels of images: from their own files while those are unchanged, else from their thumbnails. Takes the catalog."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from core.arrays import IntArray
from core.catalog.catalog import Catalog
from core.errors import InputError
from core.images.decode import THUMBNAIL_SIDE, Uint8Array, load_square
from core.images.visits import FileState, ImageFiles, read_original, state_of
from core.store.thumbnails import ThumbnailStore
from core.wording import counted, verb

ROWS = 1_000  # images queried at once by `count_files`


class Pictures(Protocol):
    """N pictures that can be decoded one by one."""

    def __len__(self) -> int:
        """Count them."""

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode the pictures at n positions to (n, 3, side, side) uint8."""


class FilePictures:
    """Pictures from files that belong to no workspace."""

    def __init__(self, paths: Sequence[Path], *, fallback: Callable[[int], bytes] | None = None) -> None:
        """Take the files; `fallback` returns the encoded picture at a position whose file is missing or broken."""
        self._paths, self._fallback = paths, fallback

    def __len__(self) -> int:
        return len(self._paths)

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode the pictures at n positions to (n, 3, side, side) uint8.

        Raises:
            InputError: if a file cannot be read and there is no fallback.
        """
        return np.stack([self._load(position, side) for position in positions])

    def _load(self, position: int, side: int) -> Uint8Array:
        try:
            return load_square(self._paths[position], side)
        except (InputError, OSError) as error:
            if self._fallback is None:
                raise InputError(f"{self._paths[position]} cannot be read: {error}; ingest the folder again.") from None
            return load_square(self._fallback(position), side)


class Originals:
    """The pictures of some of a workspace's images; thread-safe."""

    def __init__(self, catalog: Catalog, thumbnails: ThumbnailStore, rows: IntArray) -> None:
        self._catalog, self._thumbnails, self._rows = catalog, thumbnails, rows
        self._lock, self._from_thumbnails = threading.Lock(), set[int]()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_thumbnails(self) -> int:
        """Count the images read from their thumbnails so far, because their files are gone, changed or broken."""
        return len(self._from_thumbnails)

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode the images at n positions to (n, 3, side, side) uint8."""
        rows = [int(self._rows[position]) for position in positions]
        found = self._catalog.images.files_of(rows)
        return np.stack([self._square(row, files, side) for row, files in zip(rows, found, strict=True)])

    def read(self, position: int) -> bytes:
        """Return the bytes of an image's file, or of its thumbnail."""
        row = int(self._rows[position])
        files = self._catalog.images.files_of([row])[0]
        return read_original(files) or self.thumbnail(row, files.id)

    def _square(self, row: int, files: ImageFiles, side: int) -> Uint8Array:
        content = read_original(files)
        if content is not None:
            try:
                return load_square(content, side)
            except InputError:  # ingested by an older version with other rules; counted as read from its thumbnail
                pass
        return load_square(self.thumbnail(row, files.id), side)

    def thumbnail(self, row: int, image_id: str) -> bytes:
        """Return the thumbnail of an image, and count that it was used.

        Raises:
            InputError: if the thumbnail is lost, too.
        """
        stored = self._thumbnails.get(image_id)
        if stored is None:
            raise InputError(f"The file and the thumbnail of image {image_id} are gone; ingest the folder where it is now.")
        with self._lock:
            self._from_thumbnails.add(row)
        return stored


def count_files(catalog: Catalog, n_images: int) -> dict[FileState, int]:
    """Count images by the state of their files; files with another modification time are read."""
    counts, gone = dict.fromkeys(FileState, 0), catalog.removals.all_ids()
    with ThreadPoolExecutor(8, thread_name_prefix="stat") as pool:  # on network drives the time goes into waiting
        for start in range(0, n_images, ROWS):
            images = catalog.images.files_of(range(start, min(start + ROWS, n_images)))
            for state in pool.map(state_of, [image for image in images if image.id not in gone]):
                counts[state] += 1
    return counts


def file_problems(catalog: Catalog, n_images: int) -> list[str]:
    """State in one sentence how many images have lost their file; [] if none has."""
    counts = count_files(catalog, n_images)
    gone, changed = counts[FileState.GONE], counts[FileState.CHANGED]
    if not gone + changed:
        return []
    return [
        f"The files of {counted(gone, 'image')} are gone, and those of {changed:,} have changed: their thumbnails are shown "
        "and embedded instead. Ingest the folder where the files are now to find them again."
    ]


def thumbnails_sentence(n: int, of: int) -> str:
    """State how many images were read from thumbnails; "" if none was."""
    if not n:
        return ""
    return (
        f"{n:,} of {counted(of, 'image')} {verb(n, 'was', 'were')} read from a {THUMBNAIL_SIDE} px thumbnail, because the file "
        "is gone or changed; ingest the folder where the files are now."
    )
