"""Generations: all that a workspace holds in memory with a value per image, as one immutable value that longer ones replace.

A thread that is bound to a generation sees the same number of images until it is let go, whatever is added meanwhile.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.check_set import CheckSet
from core.catalog.label_book import LabelBook, Labels
from core.catalog.models import ProjectionRow
from core.catalog.records import ImageColumns
from core.embeddings.embedded import Embedded
from core.embeddings.matrix import Matrix
from core.embeddings.scores import Fitted

T = TypeVar("T")
A = TypeVar("A", FloatArray, IntArray)


@dataclass(frozen=True, eq=False)
class Generation:
    """What is known of N images; all arrays have that length. `core.workspace.Workspace` says what they are."""

    columns: ImageColumns
    is_check: BoolArray  # without removed images
    check_order: FloatArray
    groups: IntArray
    live_part: BoolArray
    sealed: BoolArray
    current: Embedded
    fitted: Fitted | None
    read: dict[str, Any] = field(default_factory=dict)  # arrays read of the catalog for these images or the first of them

    @classmethod
    def of(
        cls,
        columns: ImageColumns,
        check_set: CheckSet,
        current: Embedded,
        fitted: Fitted | None,
        read: dict[str, Any] | None = None,
    ) -> "Generation":
        """Put together what is known of the images of `columns`; embeddings, scores and what was read may be of fewer."""
        is_check = columns.is_check & ~columns.removed
        live_part = is_check & columns.in_live
        sealed = _sealed(is_check, live_part, columns.check_order, check_set.after)
        halves = is_check, columns.check_order, columns.groups_now
        n, gone = len(columns.ids), columns.removed_rows
        known = None if fitted is None else fitted.grown(n).without(gone)
        return cls(columns, *halves, live_part, sealed, current.grown(n).without(gone), known, read or {})

    def removing(self, rows: IntArray, check_set: CheckSet) -> "Generation":
        """Return it without some images, whose rows stay."""
        removed = self.columns.removed.copy()
        removed[rows[rows < len(removed)]] = True
        return Generation.of(replace(self.columns, removed=removed), check_set, self.current, self.fitted)

    @property
    def n_images(self) -> int:
        """Return N."""
        return len(self.columns.ids)

    def sealed_after(self, place: float) -> BoolArray:
        """Return which images a check set that begins behind a place of the permanent order may ask for, (N,) bool."""
        return _sealed(self.is_check, self.live_part, self.check_order, place)

    def having(self, name: str, value: Any) -> "Generation":
        """Return it with another value; embeddings and scores are extended to all images, and say nothing of removed ones."""
        if name in ("current", "fitted") and value is not None:
            value = value.grown(self.n_images).without(self.columns.removed_rows)
        return replace(self, **{name: value})


def _sealed(is_check: BoolArray, live_part: BoolArray, order: FloatArray, place: float) -> BoolArray:
    return is_check & ~live_part & (order > place)


class Generations:
    """The newest generation, and the one that a thread is bound to. The workspace's lock is held by whoever changes it."""

    def __init__(self, first: Generation) -> None:
        self.newest = first
        self._mine = threading.local()

    @property
    def seen(self) -> Generation:
        """Return what this thread sees: the newest generation of the number of images that it is bound to."""
        bound: Generation | None = getattr(self._mine, "bound", None)
        newest = self.newest
        return newest if bound is None or bound.n_images == newest.n_images else bound

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Bind this thread to the newest generation, unless it is bound already."""
        if getattr(self._mine, "bound", None) is not None:
            yield
            return
        self._mine.bound = self.newest
        try:
            yield
        finally:
            self._mine.bound = None

    def catch_up(self) -> None:
        """Bind this thread to the newest generation until it catches up again: for an event loop, which never ends."""
        self._mine.bound = self.newest

    def change(self, to: Callable[[Generation], Generation]) -> None:
        """Change the newest generation without adding images; a bound thread sees what it has changed itself."""
        bound: Generation | None = getattr(self._mine, "bound", None)
        if bound is not None and bound.n_images != self.newest.n_images:
            self._mine.bound = to(bound)
        self.newest = to(self.newest)

    def replace(self, newest: Generation) -> None:
        """Put another generation, of any number of images, in place of the newest; a bound thread that does so sees it."""
        self.newest = newest
        if getattr(self._mine, "bound", None) is not None:
            self._mine.bound = newest


class PerImage(Generic[T]):
    """An attribute that is part of the generation its thread sees."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, space: "SeesGenerations", owner: type | None = None) -> T:
        return cast(T, getattr(space.generations.seen, self._name))

    def __set__(self, space: "SeesGenerations", value: T) -> None:
        with space.lock:
            space.generations.change(lambda known: known.having(self._name, value))


class SeesGenerations:
    """What a thread sees of its generation, as attributes; `core.workspace.Workspace` says what they are."""

    generations: Generations
    book: LabelBook
    lock: threading.RLock
    columns, is_check, check_order = PerImage[ImageColumns](), PerImage[BoolArray](), PerImage[FloatArray]()
    groups, live_part, sealed = PerImage[IntArray](), PerImage[BoolArray](), PerImage[BoolArray]()
    current: PerImage[Embedded] = PerImage()
    fitted: PerImage[Fitted | None] = PerImage()

    def steady(self) -> AbstractContextManager[None]:
        """Keep the number of images that this thread sees as it is now, inside `with`: arrays read there have one length."""
        return self.generations.steady()

    @property
    def ids(self) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
        """Return the id of every image, (N,) S32."""
        return self.columns.ids

    @property
    def n_images(self) -> int:
        """Count the images."""
        return self.generations.seen.n_images

    @property
    def removed(self) -> BoolArray:
        """Return which images were removed, (N,) bool, not to be written to; their rows stay, blank."""
        return self.columns.removed

    @property
    def n_here(self) -> int:
        """Count the images that were not removed."""
        return self.n_images - len(self.columns.removed_rows)

    @property
    def is_teach(self) -> BoolArray:
        """Return which images are in the teach half, (N,) bool."""
        return ~(self.is_check | self.removed)

    @property
    def n_copies(self) -> int:
        """Count the images that are near-duplicates of an older one."""
        return len(self.columns.copies)

    @property
    def labels(self) -> Labels:
        """Return the labels as they stand now."""
        return self.book.labels.first(self.n_images)

    @property
    def unsure(self) -> BoolArray:
        """Return which images an analyst has seen and left open, (N,) bool, not to be written to."""
        return self.book.is_unsure()[: self.n_images]

    def among(self, rows: IntArray) -> IntArray:
        """Return those of some rows that this thread sees: the catalog may have more already."""
        return rows[rows < self.n_images]

    def sealed_after(self, place: float) -> BoolArray:
        """Return which images a check set that begins behind a place of the permanent order may ask for, (N,) bool."""
        return self.generations.seen.sealed_after(place)

    @property
    def encoder_name(self) -> str | None:
        """Return the current encoder's name, None before the first embedding."""
        return self.current.encoder

    @property
    def matrix(self) -> Matrix | None:
        """Return the current embeddings."""
        return self.current.matrix

    @property
    def xy(self) -> FloatArray:
        """Return the current map, (N, 2) float32; NaN for images that are not on it."""
        return self.current.xy

    @property
    def projection(self) -> ProjectionRow | None:
        """Return the catalog's row of the current map, None if there is none."""
        return self.current.projection

    @property
    def has_map(self) -> bool:
        """Tell whether any image has a place on the current map."""
        return bool(np.isfinite(self.xy).any())

    def _read(self, what: str, read: Callable[[int, int], A]) -> A:
        """Return what `read(0, N)` returns, (N,), read once, and of new images what `read(n, N)` returns."""
        known = self.generations.seen
        with self.lock:
            found = known.read.get(what)
            n = 0 if found is None else len(found)
            if n < known.n_images or found is None:
                more = read(n, known.n_images)
                found = known.read[what] = more if found is None else np.concatenate([found, more])
            return cast(A, found)
