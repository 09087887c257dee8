"""The workspace: one data set's state. Arrays, lock, versions, pictures; verbs live with their subject and take it."""

import secrets
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.catalog import Catalog
from core.catalog.check_set import CheckSet
from core.catalog.class_names import DEFAULT_CLASSES
from core.catalog.creation import FolderState, catalog_file, create_catalog, state_of
from core.catalog.images import GoldWritten
from core.catalog.label_book import UNLABELLED, add_lost_classes
from core.catalog.originals import Looks, Originals
from core.catalog.records import Action, ActionDraft, ImageClass, Removal
from core.catalog.salvage import finish_repair, salvage_catalog
from core.catalog.snapshots import Snapshots
from core.embeddings.embedded import Embedded
from core.embeddings.matrix import Matrix
from core.embeddings.scores import Fitted
from core.errors import WHAT_TO_DO, DamageError, InputError, ReadOnlyError, WorkspaceError
from core.generations import Generation, Generations, SeesGenerations
from core.images.decode import decode, treat, webp
from core.images.hashing import Grouper
from core.store.lock import locked
from core.store.sqlite import read_only_sentence
from core.store.thumbnails import ThumbnailStore

PICTURE_SIDE = 1_200  # px; a person can read a notice at this size


class Workspace(SeesGenerations):
    """One folder, one process that writes, many analysts.

    Anybody may read its attributes; verbs change them, under `lock`. An array is replaced, never changed. Images may be added
    at any time: inside `with workspace.steady()` a thread sees the same number of them.

    Attributes:
        ids: (N,) S32; a row is a position in it.
        is_check: (N,) bool, the check half; `live_part` of it may be used by live figures, `sealed` is kept for the promise.
        check_order: (N,) float64 in [0, 1), the permanent random order in which check images are read.
        groups: (N,) int64, the row of the first image of each near-duplicate group.
        columns: the four above, and what is worked out from them once.
        book: which label every image carries, folded from the actions.
        current: the current encoder's embeddings and map as one value, which stays itself while another is chosen.
        fitted: the newest probe with its scores, None before the first.
        gold_counts: gold column -> how many images have each of its values.
        grouper: finds near-duplicates by hash for ingest, one run at a time; kept, as a million images take a second to read.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, device: str = "auto") -> None:
        """Open an existing workspace; use `create` for a new one.

        Args:
            read_only: nothing is written, and nothing need be writable; what a damaged catalog has left is shown.
            device: where arithmetic runs, as `core.devices.pick_device` takes it.
        Raises:
            ReadOnlyError: if it is to be written to and cannot.
            DamageError: if its catalog is damaged: for reading only where nothing of it can be read.
            WorkspaceError: if it does not exist, or another process has it open for writing.
        """
        state = state_of(folder)
        if state == FolderState.MISSING:
            raise WorkspaceError(f"There is no workspace in {folder}; create one with 'lassoscope ingest SOURCE'.")
        if state == FolderState.UNFINISHED:
            raise WorkspaceError(
                f"The workspace in {folder} is empty: its creation was interrupted; run 'lassoscope ingest SOURCE' again."
            )
        self.folder, self.writable, self.device = folder, not read_only, device
        self.damage: list[str] = []  # what cannot be read, one sentence each; `core.doctor.health` examines more
        self._process_lock = None if read_only else locked(folder)
        self._salvaged: tempfile.TemporaryDirectory[str] | None = None
        self.lock, self.grouper = threading.RLock(), Grouper()
        self._gold = GoldWritten()  # when images were taken in last
        self._treated, self.looks = lru_cache(maxsize=4_096)(self._treat), Looks()
        with ExitStack() as undone:
            undone.callback(self._let_go)
            if not read_only:
                finish_repair(folder)
            self._open_catalog()
            undone.callback(self.catalog.close)
            self.thumbnails = ThumbnailStore(folder / "thumbnails.sqlite", read_only=read_only)
            undone.pop_all()

    def _open_catalog(self) -> None:
        """Open the catalog and read it; of a damaged one, for reading, what can be read of it."""
        try:
            self.catalog = Catalog.of_file(catalog_file(self.folder), read_only=not self.writable)
            self._reload_or_close()
        except DamageError as error:
            if self.writable:
                raise
            self.catalog = self._salvage(error)
            self._reload_or_close()

    def _reload_or_close(self) -> None:
        self._snapshots = Snapshots(self.folder, self.catalog, writable=self.writable)
        try:
            self.reload()
        except Exception:
            self.catalog.close()
            raise

    def _salvage(self, error: DamageError) -> Catalog:
        self._salvaged = tempfile.TemporaryDirectory(prefix="lassoscope-")
        sound = Path(self._salvaged.name) / "catalog.sqlite"
        found = salvage_catalog(catalog_file(self.folder), sound)
        self.damage.append(f"{str(error).rstrip('.')}. {found.sentence}")
        catalog = Catalog.of_file(sound, read_only=True)
        catalog.database.refusal = self.damage[-1]
        return catalog

    @classmethod
    def open(cls, folder: Path, *, device: str = "auto") -> "Workspace":
        """Open a workspace for writing where that can be done, else for reading: `writable` and `damage` say which and why.

        Raises:
            WorkspaceError: if it does not exist, or another process has it open for writing.
        """
        try:
            return cls(folder, device=device)
        except (ReadOnlyError, DamageError):
            return cls(folder, read_only=True, device=device)

    @classmethod
    def create(
        cls, folder: Path, *, name: str = "", classes: Sequence[ImageClass] = DEFAULT_CLASSES, salt: str | None = None
    ) -> "Workspace":
        """Open the workspace in `folder`, making it first if there is none, or only a beginning of one."""
        if state_of(folder) != FolderState.COMPLETE:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):  # two processes that create one at once make one
                if state_of(folder) != FolderState.COMPLETE:
                    settings = {"name": name or folder.resolve().name, "salt": salt or secrets.token_hex(8)}
                    create_catalog(folder, settings | {"guideline": "v1"}, classes)
        return cls(folder)

    def notes(self) -> list[str]:
        """Return what every reader of this workspace has to know: that nothing can be written, what is damaged or lost."""
        read_only = [] if self.writable or self.damage else [read_only_sentence(self.folder)]
        lost = self.current.lost_parts, self.current.lost_map
        return [said for said in (*read_only, *self.damage, self.thumbnails.damage, *lost) if said]

    def need_writable(self) -> None:
        """Make sure that what takes long does not end in vain.

        Raises:
            ReadOnlyError: if nothing can be written to this workspace.
        """
        if not self.writable:
            raise ReadOnlyError(self.catalog.database.refusal)

    def close(self) -> None:
        """Close the files and let other processes in."""
        self._snapshots.keep_labels(self.book)
        self.thumbnails.close()
        self.catalog.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._process_lock is not None:
            self._process_lock.release()
        if self._salvaged is not None:
            self._salvaged.cleanup()

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reload(self) -> None:
        """Read everything that is kept in memory from disk again."""
        with self.lock:
            self.name: str = self.catalog.settings.get("name", self.folder.name)
            self.guideline: str = self.catalog.settings.get("guideline", "v1")  # its version in force
            columns, self.check_set = self._snapshots.image_columns(), self._kept_check_set()
            self.book = self._snapshots.label_book(len(columns.ids))
            self.book.leave_out(columns.removed_rows)
            encoder = self.catalog.settings.get("encoder")
            current = Embedded.open(self.catalog, self.folder, encoder, n_images=len(columns.ids), device=self.device)
            known = getattr(self, "generations", None)
            newest = Generation.of(columns, self.check_set, current, None if known is None else known.newest.fitted)
            if known is None:
                self.generations = Generations(newest)
            else:
                known.replace(newest)
            self.reload_classes()
        self._snapshots.keep_labels(self.book)

    def grow(self) -> int:
        """Take in the images that were added to the catalog, and what came with them; return how many there are more.

        Arrays are replaced by longer ones: nobody's rows change. Threads inside `steady` see the images when they leave it.
        """
        with self.lock:
            before = self.generations.newest
            columns = before.columns.extended(self.catalog.images.columns_from(before.n_images))
            self.book.grow(len(columns.ids))
            gold, self._gold = self._gold, self.catalog.images.gold_written
            read = dict(before.read) if gold.of_known == self._gold.of_known else {}
            self.generations.replace(Generation.of(columns, self.check_set, before.current, before.fitted, read))
            if gold != self._gold:
                self.gold_counts = cache(self.catalog.images.gold_counts)
            return len(columns.ids) - before.n_images

    def take_out(self, drafts: Sequence[Removal]) -> None:
        """Remove images: from the catalog, then from what is in memory. `core.intake.remove` erases what files have of them."""
        with self.lock:
            self.catalog.removals.remove(drafts)
            rows = np.array([draft.row for draft in drafts], np.int64)
            self.book.leave_out(rows)
            self.grouper = Grouper()
            self._treated.cache_clear()
            self.looks.forget()
            self.generations.change(lambda known: known.removing(rows, self.check_set))
            self.gold_counts = cache(self.catalog.images.gold_counts)

    def reload_classes(self) -> None:
        """Read the class list and the declared policies from disk again."""
        with self.lock:
            self.renames = self.catalog.labels.renames()
            self.classes = add_lost_classes(self.book, self.catalog.labels.classes(), self.renames)
            self.policies = self.catalog.labels.policies()
            self.generations.change(lambda known: replace(known, read={}))
            self.gold_counts = cache(self.catalog.images.gold_counts)

    def reload_groups(self) -> None:
        """Take in which images are near-duplicates now, and which half each group is in."""
        with self.lock:
            columns = self._snapshots.image_columns()
            of = partial(Generation.of, check_set=self.check_set)
            self.generations.change(lambda known: of(columns.first(known.n_images), current=known.current, fitted=known.fitted))

    def _kept_check_set(self) -> CheckSet:
        try:
            return CheckSet.of(self.catalog.evidence.check_set() or {})
        except ValueError as error:
            raise DamageError(
                f"{self.catalog.database.where} is damaged (the terms of its check set: {error}); {WHAT_TO_DO}."
            ) from None

    def set_check_set(self, check_set: CheckSet) -> None:
        """Keep another check set, or other terms of this one (`core.evidence.check_sets` knows what may change when)."""
        with self.lock:
            self.catalog.evidence.set_check_set(vars(check_set))
            self.check_set = check_set
            self.generations.change(lambda known: replace(known, sealed=known.sealed_after(check_set.after)))

    def choose_encoder(self, name: str) -> None:
        """Make an encoder's embeddings and map the current ones; what was fitted on others goes."""
        self.catalog.settings.set("encoder", name)
        with self.lock:
            self._take_encoder(name)

    def reopen_encoder(self) -> None:
        """Take in what was written of the current encoder: more embeddings, another map."""
        with self.lock:
            self._take_encoder(self.generations.newest.current.encoder)

    def _take_encoder(self, name: str | None) -> None:
        known = self.generations.newest
        current = Embedded.open(self.catalog, self.folder, name, n_images=known.n_images, device=self.device)
        same = name == known.current.encoder
        self.generations.replace(replace(known.having("current", current), fitted=known.fitted if same else None))

    def keep_fitted(self, fitted: Fitted, embedded: Embedded) -> None:
        """Make a probe the newest, unless another encoder than that of its embeddings has been chosen since."""
        with self.lock:
            if embedded.encoder == self.generations.newest.current.encoder:
                self.fitted = fitted

    def append(self, drafts: Sequence[ActionDraft]) -> list[Action]:
        """Append actions, all or none: to the catalog, then to what is in memory. `core.labels.actions` checks them first."""
        with self.lock:  # disk first: what memory shows has been acknowledged
            actions = self.catalog.labels.append(drafts)
            self.book.apply_all(actions)
        return actions

    @property
    def class_names(self) -> list[str]:
        """Return the class names; a label code is a position in this list."""
        return [c.name for c in self.classes]

    @property
    def flagged_codes(self) -> list[int]:
        """Return the codes of the flagged classes."""
        return [code for code, c in enumerate(self.classes) if c.flagged]

    @property
    def flagged_names(self) -> list[str]:
        """Return the names of the flagged classes."""
        return [c.name for c in self.classes if c.flagged]

    def named_today(self, names: Iterable[str]) -> list[str]:
        """Return classes by their names of today: each could be renamed or merged since."""
        return list(dict.fromkeys(self.renames.get(name, name) for name in names))

    def image_id(self, row: int) -> str:
        """Return the id of a row."""
        return self.ids[row].decode()

    def row_of(self, image_id: str) -> int | None:
        """Return the row of an id, None if unknown."""
        return self.catalog.images.row_of_id(image_id)

    def embedded(self, encoder: str | None) -> Embedded:
        """Open an encoder's embeddings and map, beside the current ones, which are this thread's; None opens nothing."""
        if encoder == self.encoder_name:
            return self.current
        found = Embedded.open(self.catalog, self.folder, encoder, n_images=self.n_images, device=self.device)
        return found.without(self.columns.removed_rows)

    def evidence(self) -> BoolArray:
        """Return which images carry a check-half label that counts as evidence, (N,) bool."""
        return self.book.is_evidence(self.is_check)

    def watched(self) -> BoolArray:
        """Return the evidence that live figures may use, (N,) bool: all but what is sealed for the promise."""
        return self.evidence() & ~self.sealed

    def thumbnail(self, image_id: str, view: str) -> bytes:
        """Return an image's thumbnail as WebP in one of the privacy views.

        Raises:
            InputError: if there is no such image or view.
        """
        return self._treated(image_id, view)

    def _treat(self, image_id: str, view: str) -> bytes:
        stored = self.thumbnails.get(image_id)
        if stored is None:
            if self.row_of(image_id) is not None:
                raise InputError(f"The thumbnail of image {image_id} is lost; run 'lassoscope doctor --repair'.")
            raise InputError(f"There is no image {image_id} in this workspace.")
        return stored if view == "clear" else webp(treat(decode(stored), view))

    def originals(self, rows: IntArray | None = None) -> Originals:
        """Return images (`rows`, or all) as their own files hold them, or where those are gone or changed, their thumbnails."""
        return Originals(self.catalog, self.thumbnails, np.flatnonzero(~self.removed) if rows is None else rows)

    def picture(self, image_id: str, view: str, *, max_side: int = PICTURE_SIDE) -> bytes:
        """Return an image as WebP, with at most `max_side` px a side; its thumbnail if the file is gone or changed.

        Raises:
            InputError: if there is no such image or view.
        """
        row = self.row_of(image_id)
        if row is None:
            raise InputError(f"There is no image {image_id} in this workspace.")
        content = self.looks.see(self.catalog.images.files_of([row])[0]).content
        try:
            image = decode(content, max_side=max_side) if content is not None else None
        except InputError:  # it was taken once, by other rules
            image = None
        if image is None:
            return self.thumbnail(image_id, view)
        image.thumbnail((max_side, max_side))
        return webp(treat(image, view))

    @property
    def text(self) -> FloatArray:
        """Return how surely every image is text on dark, (N,) float32 in [0, 1]; NaN where it was not measured yet."""
        return self._read("text", self.catalog.images.text_figures)

    def set_text(self, figures: Mapping[int, float]) -> None:
        """Keep figures of text on dark, by row."""
        with self.lock:
            self.catalog.images.set_text_figures(figures)
            self.generations.change(lambda known: replace(known, read={**known.read, "text": None}))

    def labelled_by(self, row: int) -> str | None:
        """Return who gave an image its label, None if nobody."""
        seq = int(self.book.givers_of(np.array([row]))[0])
        return self.book.analyst_of(seq) if seq else None

    def teach_rows(self, codes: IntArray, matrix: Matrix) -> IntArray:
        """Return the rows with labels and embeddings that teach the model, ascending."""
        return np.flatnonzero(((codes != UNLABELLED) & ~self.is_check)[: matrix.rows])

    def gold(self, column: str) -> IntArray:
        """Return a gold column as (N,) int16 class codes, UNLABELLED where it names no class of the workspace."""

        def codes(start: int, stop: int) -> IntArray:
            found, names = np.full(stop - start, UNLABELLED, np.int16), [*self.class_names, *self.renames]
            for name, rows in self.catalog.images.gold_rows(column, names, start=start, stop=stop).items():
                if (today := self.renames.get(name, name)) in self.class_names:  # it may be removed
                    found[rows - start] = self.class_names.index(today)
            return found

        return self._read(f"gold {column}", codes)
