"""The pixels of images: from their own files while those are unchanged, else from their thumbnails. Takes the catalog."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from core.arrays import IntArray
from core.catalog.catalog import Catalog
from core.errors import InputError
from core.images.decode import THUMBNAIL_SIDE, Uint8Array, load_square
from core.images.visits import FileState, ImageFiles, is_elsewhere, read_original, state_of
from core.remote.troubles import RemoteError
from core.store.thumbnails import ThumbnailStore
from core.wording import counted, verb

ROWS = 1_000  # images queried at once by `count_files`
FETCHES = 16  # files that are fetched at once; nearly all of the time goes into waiting
KEPT_BYTES = 64 * 2**20  # of fetched files, for the next look
KEPT_SECONDS = 20.0  # that a failure to fetch counts


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
        self._fetchers = ThreadPoolExecutor(FETCHES, thread_name_prefix="fetch")  # begins threads when they are needed

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_thumbnails(self) -> int:
        """Count the images read from their thumbnails so far, because their files are gone, changed or broken."""
        return len(self._from_thumbnails)

    def load(self, positions: Sequence[int], side: int) -> Uint8Array:
        """Decode the images at n positions to (n, 3, side, side) uint8; files elsewhere are fetched many at once.

        Raises:
            RemoteError: if a store cannot be asked now.
        """
        rows = [int(self._rows[position]) for position in positions]
        found = self._catalog.images.files_of(rows)
        contents = self._fetched(found) if any(map(is_elsewhere, found)) else map(read_original, found)
        return np.stack([self._square(*one, side) for one in zip(rows, found, contents, strict=True)])

    def _fetched(self, images: Sequence[ImageFiles]) -> Iterator[bytes | None]:
        """Yield images' originals in order; so many of them are fetched at once, and no more are in memory."""
        left, waiting = iter(images), deque[Future[bytes | None]]()
        try:
            waiting.extend(self._fetchers.submit(read_original, image) for image in islice(left, FETCHES))
            while waiting:
                content = waiting.popleft().result()
                waiting.extend(self._fetchers.submit(read_original, image) for image in islice(left, 1))
                yield content
        finally:
            for other in waiting:
                other.cancel()

    def read(self, position: int) -> bytes:
        """Return the bytes of an image's file, or of its thumbnail.

        Raises:
            RemoteError: if a store cannot be asked now.
        """
        row = int(self._rows[position])
        files = self._catalog.images.files_of([row])[0]
        return read_original(files) or self.thumbnail(row, files.id)

    def _square(self, row: int, files: ImageFiles, content: bytes | None, side: int) -> Uint8Array:
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


class Seen(NamedTuple):
    """An original as it was found for a person who waits."""

    content: bytes | None
    note: str = ""  # why there is none
    lasts: bool = True  # False if it may be there at the next look


class Looks:
    """Originals for large views: those that are fetched are kept for the next look, and so is a failure, for a while."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Seen]] = OrderedDict()
        self._fetching: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()

    def see(self, image: ImageFiles) -> Seen:
        """Return an image's original; where it has to be fetched, those who ask at once wait for one fetch."""
        if not is_elsewhere(image):
            return Seen(read_original(image))
        with self._lock:
            mine = self._fetching.setdefault(image.id, threading.Lock())
        with mine:
            if (kept := self._of(image.id)) is None:
                kept = _fetched(image)
                self._keep(image.id, kept)
        with self._lock:
            self._fetching.pop(image.id, None)
        return kept

    def last(self, image_id: str) -> bool:
        """Tell whether what was last seen of an image may be kept."""
        with self._lock:
            return image_id not in self._kept or self._kept[image_id][1].lasts

    def note(self, image: ImageFiles) -> str:
        """Return why a large view of an image shows its thumbnail, "" if it does not."""
        if is_elsewhere(image):
            return self.see(image).note
        return "" if state_of(image) == FileState.HERE else "its file is gone or changed: this is its thumbnail"

    def _of(self, image_id: str) -> Seen | None:
        with self._lock:
            at, seen = self._kept.get(image_id, (0.0, None))
            if seen is None or (seen.content is None and time.monotonic() - at > KEPT_SECONDS):
                return None
            self._kept.move_to_end(image_id)
            return seen

    def _keep(self, image_id: str, seen: Seen) -> None:
        with self._lock:
            self._kept[image_id] = time.monotonic(), seen
            self._kept.move_to_end(image_id)
            n_bytes = sum(len(other.content or b"") for _, other in self._kept.values())
            while n_bytes > KEPT_BYTES and len(self._kept) > 1:
                n_bytes -= len(self._kept.popitem(last=False)[1][1].content or b"")


def _fetched(image: ImageFiles) -> Seen:
    try:
        content = read_original(image, quickly=True)
    except RemoteError as error:
        return Seen(None, f"its original cannot be fetched now ({error.trouble}): this is its thumbnail", lasts=False)
    if content is None:
        return Seen(None, "its original is gone or changed: this is its thumbnail", lasts=False)
    return Seen(content)


def count_files(catalog: Catalog, n_images: int) -> dict[FileState, int]:
    """Count images by the state of their files; files with another modification time are read, and none is fetched."""
    counts, gone = dict.fromkeys((FileState.HERE, FileState.CHANGED, FileState.GONE), 0), catalog.removals.all_ids()
    with ThreadPoolExecutor(8, thread_name_prefix="stat") as pool:  # on network drives the time goes into waiting
        for start in range(0, n_images, ROWS):
            images = catalog.images.files_of(range(start, min(start + ROWS, n_images)))
            here = [image for image in images if image.id not in gone and not is_elsewhere(image)]
            for state in pool.map(state_of, here):
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
