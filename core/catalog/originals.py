"""What images look like: by their own files as long as those are theirs, else by their thumbnails. Takes the catalog."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from core.arrays import IntArray
from core.catalog.catalog import Catalog
from core.errors import InputError
from core.images.decode import Uint8Array, load_square
from core.images.visits import CHANGED, GONE, HERE, ImageFiles, read_original, state_of
from core.store.thumbnails import ThumbnailStore
from core.wording import counted

ROWS = 1_000  # images asked for at once when all are counted


class Pictures(Protocol):
    """N pictures that can be decoded one by one."""

    def __len__(self) -> int:
        """Count them."""

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode some to (n, 3, side, side) uint8."""


class FilePictures:
    """Pictures of files that nobody ingested."""

    def __init__(self, paths: Sequence[Path], *, fallback: Callable[[int], bytes] | None = None) -> None:
        """Name the files; `fallback` gives the encoded picture at a position whose file is gone or broken."""
        self._paths, self._fallback = paths, fallback

    def __len__(self) -> int:
        return len(self._paths)

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode some to (n, 3, side, side) uint8.

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
    """The pictures of some images of a workspace; safe to use from several threads."""

    def __init__(self, catalog: Catalog, thumbnails: ThumbnailStore, rows: IntArray) -> None:
        self._catalog, self._thumbnails, self._rows = catalog, thumbnails, rows
        self._lock, self._small = threading.Lock(), set[int]()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_thumbnails(self) -> int:
        """Count the images that were read from their thumbnails so far, because their files are gone, changed or broken."""
        return len(self._small)

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode some to (n, 3, side, side) uint8."""
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
            except InputError:  # it was taken once, by other rules
                pass
        return load_square(self.thumbnail(row, files.id), side)

    def thumbnail(self, row: int, image_id: str) -> bytes:
        """Return the thumbnail of an image, and count that it was needed.

        Raises:
            InputError: if that is lost too.
        """
        stored = self._thumbnails.get(image_id)
        if stored is None:
            raise InputError(f"The file and the thumbnail of image {image_id} are gone; ingest the folder where it is now.")
        with self._lock:
            self._small.add(row)
        return stored


def count_files(catalog: Catalog, n_images: int) -> dict[str, int]:
    """Count the images whose file is HERE, CHANGED and GONE; looks at every file once, and into those of another time."""
    counts = {HERE: 0, CHANGED: 0, GONE: 0}
    with ThreadPoolExecutor(8, thread_name_prefix="stat") as pool:  # a network's answer is what takes long
        for start in range(0, n_images, ROWS):
            images = catalog.images.files_of(range(start, min(start + ROWS, n_images)))
            for state in pool.map(state_of, images):
                counts[state] += 1
    return counts


def file_problems(catalog: Catalog, n_images: int) -> list[str]:
    """Say in one sentence how many images have lost their file; nothing if none has."""
    counts = count_files(catalog, n_images)
    if not counts[GONE] + counts[CHANGED]:
        return []
    return [
        f"The files of {counted(counts[GONE], 'image')} are gone, and those of {counts[CHANGED]:,} have changed: the "
        "thumbnails are shown and embedded instead. Ingest the folder where the files are now, and they are found again."
    ]


def thumbnails_sentence(n: int, of: int) -> str:
    """Say that images were read from thumbnails; "" if none was."""
    if not n:
        return ""
    return (
        f"{n:,} of {of:,} were read from thumbnails of 128 px, because their files are gone or changed; "
        "ingest the folder where they are now."
    )
