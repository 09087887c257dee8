"""Snapshots of what is read at every opening, in files that are read in a tenth of the time.

The catalog stays the truth: a snapshot carries a stamp of what it was taken from, and one whose stamp does not fit is passed
over and rewritten. The files may be deleted at any time.
"""

import hashlib
import json
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import JsonObject
from core.catalog.catalog import Catalog
from core.catalog.label_book import STATE_ARRAYS, BookState, LabelBook
from core.catalog.records import ImageColumns
from core.store.files import atomic_path

LOG = logging.getLogger("lassoscope.snapshots")
WORTH_KEEPING = 20_000  # images, or actions since the last snapshot; fewer are read from the catalog in a moment
MOST_MORE = 0.5  # images that came since a snapshot, as a share of those in it
FORMAT = 3  # another number for another layout of the files
IMAGE_ARRAYS = {
    "ids": np.dtype("S32"),
    "is_check": np.dtype(bool),
    "check_order": np.dtype("f8"),
    "groups": np.dtype("i8"),
    "removed": np.dtype(bool),
}
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Snapshots:
    """The snapshots of one workspace folder; written only if `writable`."""

    def __init__(self, folder: Path, catalog: Catalog, *, writable: bool) -> None:
        self._images, self._labels = folder / "snapshots" / "images.npz", folder / "snapshots" / "labels.npz"
        self._catalog, self._writable = catalog, writable
        self._kept_version = 0  # of the labels in the file

    def image_columns(self) -> ImageColumns:
        """Return the columns of all images.

        Raises:
            DamageError: if the catalog misses images, or holds what it cannot.
        """
        images = self._catalog.images
        version, n_images = images.version(), images.count()
        kept = None if version is None else self._kept_columns(version, n_images)
        n_kept = 0 if kept is None else len(kept.ids)
        if kept is None:
            columns = images.columns()
        else:
            columns = kept if n_kept == n_images else kept.extended(images.columns_from(n_kept))
        if self._writable and len(columns.ids) - n_kept >= WORTH_KEEPING:
            arrays = {name: getattr(columns, name) for name in IMAGE_ARRAYS}
            _write(self._images, arrays, self._stamp(version or images.renew_version(), len(columns.ids)))
        return columns

    def _kept_columns(self, version: str, n_images: int) -> ImageColumns | None:
        """Return the columns of the snapshot, of all images or the first of them, None if it does not fit."""
        if (found := _read(self._images, IMAGE_ARRAYS)) is None:
            return None
        arrays, stamp = found
        n = len(arrays["ids"])
        # Of a snapshot of few, the others would take longer, and more memory, than all in blocks.
        is_worth_it = n <= n_images <= n * (1 + MOST_MORE)
        return ImageColumns(**arrays) if is_worth_it and stamp == self._stamp(version, n) else None

    def _stamp(self, version: str, n: int) -> JsonObject:
        """Return the stamp of the first n images: also of when they came, in case an older catalog was restored from a copy."""
        came = [(row, at) for row, at in self._catalog.images.additions() if row < n]
        return {"format": FORMAT, "images": version, "came": hashlib.sha256(json.dumps(came).encode()).hexdigest()}

    def label_book(self, n_images: int) -> LabelBook:
        """Return the labels of all images, folded from the snapshot and the actions since.

        Raises:
            DamageError: if an action names an image that is missing.
        """
        book = self._kept_book(n_images) or LabelBook(n_images, [])
        self._kept_version = book.version
        book.fold(self._catalog.labels.columns(after=book.version, n_images=n_images))
        return book

    def _kept_book(self, n_images: int) -> LabelBook | None:
        found = _read(self._labels, STATE_ARRAYS)
        if found is None:
            return None
        arrays, stamp = found
        through = stamp.get("version", 0)
        if stamp.get("format") != FORMAT or stamp.get("actions") != self._catalog.labels.stamp(through):
            return None
        if len(arrays["codes"]) > n_images:
            return None
        state = BookState(arrays, stamp["texts"], stamp["class_names"], through, stamp["actions"][0])
        return LabelBook.restored(state, n_images)

    def keep_labels(self, book: LabelBook) -> None:
        """Write the labels if much has happened since they were written."""
        if not self._writable or book.version - self._kept_version < WORTH_KEEPING:
            return
        state = book.state()
        stamp = {
            "format": FORMAT,
            "version": state.version,
            "actions": self._catalog.labels.stamp(state.version),
            "texts": state.texts,
            "class_names": state.class_names,
        }
        _write(self._labels, state.arrays, stamp)
        self._kept_version = state.version


def _read(path: Path, wanted: Mapping[str, np.dtype[Any]]) -> tuple[dict[str, np.ndarray[Any, Any]], JsonObject] | None:
    """Return the arrays and the stamp of a snapshot, None if there is none that can be read; zip's checksums are checked."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in wanted}
            stamp = json.loads(file["stamp"].tobytes())
        if wrong := [name for name, dtype in wanted.items() if arrays[name].dtype != dtype]:
            raise ValueError(f"{wrong[0]} is {arrays[wrong[0]].dtype}")
        return arrays, stamp
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        LOG.warning("a snapshot cannot be read and is rebuilt: %s", error)
        return None


def _write(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], stamp: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic_path(path) as aside, aside.open("wb") as file:
            written = {**arrays, "stamp": np.frombuffer(json.dumps(stamp).encode(), np.uint8)}
            np.savez(file, allow_pickle=False, **written)
    except OSError as error:  # nothing is lost but time at the next opening
        LOG.warning("a snapshot cannot be written, so the next opening takes longer: %s", error)
