"""The workspace: one data set and all work on it. Each use case is one verb; page and tests call nothing else."""

import secrets
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from core.acquisition import FIRST_ROUND, STRATEGIES, Pool, automatic
from core.arrays import BoolArray, FloatArray, IntArray, Progress, ignore
from core.catalog import Action, ActionDraft, Catalog, ImageClass
from core.check_set import CheckSet
from core.class_names import check_class_list, hint, meant
from core.creation import MISSING, THERE, UNFINISHED, catalog_file, create_catalog, state_of
from core.curves import MIN_FLAGGED, MIN_FLAGGED_AP, NamedCurve, named_curve
from core.database import need_writable, read_only_sentence
from core.embedded import Embedded, lost_parts
from core.errors import WHAT_TO_DO, BusyError, DamageError, InputError, ReadOnlyError, WorkspaceError
from core.files import atomic_path
from core.fitting import Fitted, fit_and_score, inputs_key, missing_for_probe, missing_for_score, score_images
from core.halves import in_live_part
from core.images import decode, treat, webp
from core.ingest import IngestResult, ingest
from core.labelfiles import FileLabel, LabelLine, drafts_of, read_file_labels, settle, write_label_lines
from core.labels import EVIDENCE_RANKS, KEYS, READ_RANK, UNLABELLED, UNSURE, LabelBook, Labels, with_lost_classes
from core.learning import LearningCurve, learning_curve, thinned
from core.originals import Originals
from core.probe import Probe, flagged_column, probe_from_bytes
from core.runs import RunRecord, read_runs, treated_views
from core.salvage import finish_repair, salvage_catalog
from core.thumbnails import ThumbnailStore
from core.vectors import Matrix, write_part
from core.visits import read_original
from core.wording import counted, percent

DEFAULT_CLASSES = (
    ImageClass("neutral", "#0072b2", "1", flagged=False),
    ImageClass("explicit", "#d55e00", "2", flagged=True),
    ImageClass("copyright", "#cc79a7", "3", flagged=False),
)
PART_ROWS = 8_192  # one embedding part: small enough to lose little at a kill, large enough to read fast
PICTURE_SIDE = 1_200  # px; a person can read a notice at this size


@dataclass(frozen=True)
class Suggestion:
    """One image the tool asks for."""

    row: int
    id: str
    strategy: str
    reason: str


@dataclass(frozen=True)
class Replaced:
    """Labels by somebody else that a label action has taken the place of."""

    analyst: str
    class_name: str
    n: int


@dataclass(frozen=True)
class LabelResult:
    """What a label action did."""

    action: Action
    n_teach: int  # images of the teach half: the model learns from these
    n_check: int  # images of the check half: coloured on the map, not learned from
    n_kept: int = 0  # check images left out, because they keep what was read
    replaced: tuple[Replaced, ...] = ()

    @property
    def sentence(self) -> str:
        """Say it to the person."""
        kept = (
            f" {counted(self.n_kept, 'check image')} keep{'s' if self.n_kept == 1 else ''} what was read."
            if self.n_kept
            else ""
        )
        before = "".join(f" {r.n:,} had been labelled '{r.class_name}' by {r.analyst}." for r in self.replaced)
        return self._did() + kept + before

    def _did(self) -> str:
        name, n = self.action.class_name, len(self.action.rows)
        if self.action.source == UNSURE:
            return f"{counted(n, 'image')} kept as unsure: not learned from, and not asked for again."
        if name is None:
            return f"Cleared the label of {counted(n, 'image')}."
        if self.action.source == "check":
            return f"{counted(n, 'check-half image')} read as '{name}'."
        if not self.n_check:
            return f"Labelled {n:,} '{name}': the model learns from {'it' if n == 1 else 'all of them'}."
        if not self.n_teach:
            them = "it is" if n == 1 else "all of them are"
            return f"Labelled {n:,} '{name}': {them} in the check half, coloured on the map but not learned from."
        return (
            f"Labelled {n:,} '{name}': the model learns from {self.n_teach:,}; {self.n_check:,} "
            f"{'is' if self.n_check == 1 else 'are'} in the check half, coloured on the map but not learned from."
        )


@dataclass(frozen=True)
class Reversal:
    """What an undo or redo took back or brought back: one label action, or several that belong together."""

    kind: str  # "undo" or "redo"
    actions: tuple[Action, ...]

    @property
    def rows(self) -> IntArray:
        """Return the rows whose labels changed, (K,) int64, ascending."""
        return np.unique(np.concatenate([action.rows for action in self.actions]))

    @property
    def sentence(self) -> str:
        """Say it to the person."""
        n = len(self.rows)
        names = " and ".join(f"'{name}'" if name else "a cleared label" for name in dict.fromkeys(self._names()))
        return f"{'Undone' if self.kind == 'undo' else 'Redone'}: {counted(n, 'image')}, {names}."

    def _names(self) -> list[str | None]:
        by_size = sorted(self.actions, key=lambda action: -len(action.rows))
        return ["unsure" if action.source == UNSURE else action.class_name for action in by_size]


@dataclass(frozen=True)
class ImportResult:
    """What a label file came to, in images."""

    actions: list[Action]
    n_taken: int
    n_same: int  # carry that label already
    n_kept: int  # were read in Check, and keep that
    n_older: int  # carry something newer

    @property
    def sentence(self) -> str:
        """Say it to the person."""
        words = [f"{counted(self.n_taken, 'label')} taken in."]
        if self.n_same:
            words.append(f"{counted(self.n_same, 'image')} had that label already.")
        if self.n_kept:
            words.append(f"{counted(self.n_kept, 'image')} keep{'s' if self.n_kept == 1 else ''} what was read in Check.")
        if self.n_older:
            words.append(
                f"{counted(self.n_older, 'line')} left out: older than what stands here (without a time column the file is "
                "taken as today's)."
            )
        return " ".join(words)


class Workspace:
    """One folder, one process that writes, many analysts. Arrays it hands out are never changed afterwards."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open an existing workspace; use `create` for a new one.

        Args:
            read_only: nothing is written, and nothing need be writable; what a damaged catalog has left is shown.
        Raises:
            ReadOnlyError: if it is to be written to and cannot.
            DamageError: if its catalog is damaged: for reading only where nothing of it can be read.
            WorkspaceError: if it does not exist, or another process has it open for writing.
        """
        state = state_of(folder)
        if state == MISSING:
            raise WorkspaceError(f"There is no workspace in {folder}; make one with 'lassoscope ingest SOURCE'.")
        if state == UNFINISHED:
            raise WorkspaceError(
                f"The workspace in {folder} is empty: its creation was cut off; run 'lassoscope ingest SOURCE' to go on."
            )
        self.folder, self.writable = folder, not read_only
        self.damage: list[str] = []  # what cannot be read, one sentence each; `core.health` looks further
        self._process_lock = None if read_only else locked(folder)
        self._salvaged: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.RLock()
        self._treated = lru_cache(maxsize=4_096)(self._treat)
        self._fitted: Fitted | None = None
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
        catalog.refusal = self.damage[-1]
        return catalog

    @classmethod
    def open(cls, folder: Path) -> "Workspace":
        """Open a workspace for writing where that can be done, else for reading: `writable` and `damage` say which and why.

        Raises:
            WorkspaceError: if it does not exist, or another process has it open for writing.
        """
        try:
            return cls(folder)
        except (ReadOnlyError, DamageError):
            return cls(folder, read_only=True)

    @classmethod
    def create(
        cls, folder: Path, *, name: str = "", classes: Sequence[ImageClass] = DEFAULT_CLASSES, salt: str | None = None
    ) -> "Workspace":
        """Open the workspace in `folder`, making it first if there is none, or only a beginning of one."""
        if state_of(folder) != THERE:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):  # two processes that create one at once make one
                if state_of(folder) != THERE:
                    settings = {"name": name or folder.resolve().name, "salt": salt or secrets.token_hex(8)}
                    create_catalog(folder, settings | {"guideline": "v1"}, classes)
        return cls(folder)

    def notes(self) -> list[str]:
        """Return what whoever looks at this workspace has to know: that nothing can be written, what is damaged or lost."""
        read_only = [] if self.writable or self.damage else [read_only_sentence(self.folder)]
        found = [*read_only, *self.damage, self.thumbnails.damage, self._embedded.lost_parts, self._embedded.lost_map]
        return [said for said in found if said]

    def need_writable(self) -> None:
        """Make sure that what takes long does not end in vain.

        Raises:
            ReadOnlyError: if nothing can be written to this workspace.
        """
        if not self.writable:
            raise ReadOnlyError(self.catalog.refusal)

    def close(self) -> None:
        """Close the files and let other processes in."""
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

    # -- state --

    def reload(self) -> None:
        """Read everything that is kept in memory from disk again."""
        with self._lock:
            self.name: str = self.catalog.setting("name", self.folder.name)
            columns = self.catalog.image_columns()
            self.ids, self.is_check, self.check_order = columns.ids, columns.is_check, columns.check_order
            self.groups = columns.groups
            self._live_part = self.is_check & in_live_part(self.check_order[self.groups])
            self._take_check_set(self._kept_check_set())
            actions = self.catalog.actions(n_images=len(self.ids))
            self.classes = with_lost_classes(self.catalog.classes(), actions, n_images=len(self.ids))
            self._book = LabelBook(len(self.ids), self.class_names, actions)
            self._gold: dict[str, IntArray] = {}
            self._text: FloatArray | None = None
            self._open_encoder(self.catalog.setting("encoder"))

    def unknown_classes(self) -> list[str]:
        """Return the classes that labels carry and the catalog's list has lost; they count as not flagged."""
        kept = {c.name for c in self.catalog.classes()}
        return [name for name in self.class_names if name not in kept]

    def _kept_check_set(self) -> CheckSet:
        try:
            return CheckSet.of(self.catalog.setting("check_set", {}))
        except ValueError as error:
            raise DamageError(f"{self.catalog.where} is damaged (the setting 'check_set': {error}); {WHAT_TO_DO}.") from None

    def _take_check_set(self, check_set: CheckSet) -> None:
        self.check_set = check_set
        self.sealed = self.sealed_after(check_set.after)

    def sealed_after(self, place: float) -> BoolArray:
        """Return which images a check set that begins behind a place of the permanent order may ask for, (N,) bool."""
        return self.is_check & ~self._live_part & (self.check_order > place)

    def set_check_set(self, check_set: CheckSet) -> None:
        """Keep another check set, or other terms of this one (`core.checking` knows what may change when)."""
        with self._lock:
            self.catalog.set_setting("check_set", vars(check_set))
            self._take_check_set(check_set)

    def _open_encoder(self, encoder: str | None) -> None:
        self._embedded = Embedded.open(self.catalog, self.folder, encoder, n_images=self.n_images)

    @property
    def encoder_name(self) -> str | None:
        """Return the current encoder's name, None before the first embedding."""
        return self._embedded.encoder

    @property
    def matrix(self) -> Matrix | None:
        """Return the current embeddings."""
        return self._embedded.matrix

    @property
    def xy(self) -> FloatArray:
        """Return the current map, (N, 2) float32; NaN for images that are not on it."""
        return self._embedded.xy

    @property
    def projection(self) -> dict[str, Any] | None:
        """Return the record of the current map."""
        return self._embedded.projection

    @property
    def n_images(self) -> int:
        """Count the images."""
        return len(self.ids)

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

    @property
    def labels(self) -> Labels:
        """Return the labels as they stand now."""
        return self._book.labels

    @property
    def fitted(self) -> Fitted | None:
        """Return the newest probe with its scores, None before the first."""
        return self._fitted

    def image_id(self, row: int) -> str:
        """Return the id of a row."""
        return self.ids[row].decode()

    def row_of(self, image_id: str) -> int | None:
        """Return the row of an id, None if unknown."""
        return self.catalog.row_of_id(image_id)

    def set_classes(self, classes: Sequence[ImageClass]) -> None:
        """Replace the class list; classes whose labels stand must stay, those whose labels were cleared or undone may go.

        Raises:
            InputError: if a class that is needed is missing, or a name or key cannot be used (`check_class_list`).
        """
        check_class_list(classes)
        names = [c.name for c in classes]
        with self._lock:
            counts = dict(zip(self.class_names, self.labels.counts(len(self.classes)), strict=True))
            if lost := [name for name in self.class_names if counts[name] and name not in names]:
                n, renamed = counts[lost[0]], meant(lost[0], names)
                what = f"write it as '{lost[0]}', not '{renamed}'" if renamed else "keep it in the list, or clear them first"
                raise InputError(f"The class '{lost[0]}' carries {n:,} label{'s' if n > 1 else ''}; {what}.")
            gone = [c for c in self.classes if c.name not in names]
            before = [c for c in self._gone_classes() if c.name not in {*names, *(g.name for g in gone)}]
            self.catalog.set_setting("gone_classes", [vars(c) for c in (*before, *gone)])
            self.catalog.set_classes(classes)
            self.reload()
            self._fitted = None

    def _gone_classes(self) -> list[ImageClass]:
        """Return the classes that have left the list, the newest last."""
        return [ImageClass(**record) for record in self.catalog.setting("gone_classes", [])]

    def _bring_back(self, name: str) -> None:
        """Put a class that has left the list back into it, with its colour and its key, or a free one.

        Raises:
            InputError: if there never was such a class, or the list is full.
        """
        gone = next((c for c in self._gone_classes() if c.name == name), None)
        if gone is None:
            known = ", ".join(self.class_names)
            raise InputError(f"There is no class '{name}'{hint([name], self.class_names)}; the classes are {known}.")
        taken = {c.key for c in self.classes}
        key = next(key for key in (gone.key, *KEYS) if key not in taken)
        self.set_classes([*self.classes, replace(gone, key=key)])

    # -- images to map --

    def ingest(self, source: Path, *, workers: int | None = None, on_progress: Progress = ignore) -> IngestResult:
        """Take in a folder tree or a manifest; what was seen before is skipped, but for thumbnails that are lost."""
        self.need_writable()
        if self.thumbnails.damage:
            self.thumbnails.renew()
        result = ingest(source, self.catalog, self.thumbnails, workspace=self.folder, workers=workers, on_progress=on_progress)
        sources = self.catalog.setting("sources", [])
        root = str((source if source.is_dir() else source.parent).resolve())
        if root not in sources:
            self.catalog.set_setting("sources", [*sources, root])
        self.reload()
        from core.repair import restore_thumbnails

        restore_thumbnails(self)
        return result

    def embed(
        self,
        encoder: str | None = None,
        *,
        device: str = "auto",
        size: int | None = None,
        on_progress: Progress = ignore,
        on_copies: Progress = ignore,
    ) -> dict[str, Any]:
        """Embed every image that has no embedding yet or whose part is lost, part by part; make this encoder the current one.

        Args:
            encoder: a registered name, a weights file, "hf:REPOSITORY" or "timm:NAME"; None for the current one, or where
                nothing is embedded yet `DEFAULT_ENCODER`.
            device: "auto", "cpu" or a CUDA device.
            size: input size in px, for public weights only.
            on_copies: told (images looked at, images to look at) of the search for near-duplicates that follows.
        Returns:
            the encoder's name and description, how many images were embedded now, and how many of them from thumbnails.
        Raises:
            WorkspaceError: if there are no images.
            EncoderError: if the current encoder is asked for and its weights are gone.
        """
        from core.encoder import DEFAULT_ENCODER, ENCODERS, embed, load_again, load_encoder

        self.need_writable()
        if not self.n_images:
            raise WorkspaceError("There are no images to embed; run 'lassoscope ingest SOURCE' first.")
        current = next((known for known in self.encoders() if known["current"]), None)
        if encoder is None and size is None and current is not None:
            models = self.folder / "models"
            loaded, source = load_again(current["name"], current["record"], models=models, device=device)
        else:
            encoder = encoder or (current["record"].get("source") if current is not None else None) or DEFAULT_ENCODER
            loaded = load_encoder(encoder, device=device, size=size)
            is_file = encoder not in ENCODERS and Path(encoder).is_file()
            source = {"source": str(Path(encoder).resolve()) if is_file else encoder, "asked_size": size}
        self.catalog.add_encoder(loaded.name, loaded.dim, loaded.describe() | source)
        todo = self._parts_to_make(loaded.name)
        done, total, small = 0, sum(stop - start for _, start, stop, _ in todo), 0
        folder = self.folder / "embeddings" / loaded.name
        for position, start, stop, is_new in todo:
            originals = self.originals(np.arange(start, stop))
            blocks = embed(originals, loaded, on_progress=_shifted(on_progress, done, total))
            file = write_part(folder, position, np.concatenate(list(blocks)))
            if is_new:
                self.catalog.add_part(loaded.name, position, start, stop, str(file.relative_to(self.folder)))
            done, small = done + stop - start, small + originals.n_thumbnails
        self.catalog.set_setting("encoder", loaded.name)
        with self._lock:
            self._open_encoder(loaded.name)
            self._fitted = None
        from core.copying import find_copies

        find_copies(self, on_progress=on_copies)
        return {
            "encoder": loaded.name,
            "embedded": done,
            "from_thumbnails": small,
            "images": self.n_images,
            "near_duplicates": self.n_copies,
            **loaded.describe(),
        }

    def _parts_to_make(self, encoder: str) -> list[tuple[int, int, int, bool]]:
        """Return (position, first row, row behind the last, is it new) of an encoder's parts that are lost or missing."""
        known = self.catalog.parts(encoder)
        todo = [(position, *known[position][:2], False) for position in lost_parts(self.folder, known)]
        first = max((stop for _, stop, _ in known), default=0)
        starts = range(first, self.n_images, PART_ROWS)
        new = [(len(known) + i, start, min(start + PART_ROWS, self.n_images), True) for i, start in enumerate(starts)]
        return todo + new

    @property
    def n_copies(self) -> int:
        """Count the images that are near-duplicates of an older one."""
        return int((self.groups != np.arange(self.n_images)).sum())

    def encoders(self) -> list[dict[str, Any]]:
        """Return the encoders this workspace has embeddings of, oldest first.

        Returns:
            dicts with name, dim, record, embedded (images), mapped (images on the newest map) and current.
        """
        found = []
        for known in self.catalog.encoders():
            parts, projection = self.catalog.parts(known["name"]), self.catalog.latest_projection(known["name"])
            embedded = max((stop for _, stop, _ in parts), default=0)
            if embedded:
                mapped = projection["n_rows"] if projection else 0
                current = known["name"] == self.encoder_name
                found.append(known | {"embedded": embedded, "mapped": mapped, "current": current})
        return found

    def other_encoder(self) -> str | None:
        """Return the newest encoder with embeddings where none, or an unknown one, is the current one; else None."""
        known = [encoder["name"] for encoder in self.encoders()]
        return known[-1] if known and self.encoder_name not in known else None

    def use_encoder(self, name: str) -> None:
        """Make another encoder's embeddings and map the current ones; labels belong to images and stay.

        Raises:
            InputError: if the workspace has no embeddings of it.
        """
        known = [encoder["name"] for encoder in self.encoders()]
        if name not in known:
            listed = ", ".join(known) or "none yet"
            raise InputError(f"There are no embeddings by '{name}' here; there are: {listed}. Run 'lassoscope embed' first.")
        self.catalog.set_setting("encoder", name)
        with self._lock:
            self._open_encoder(name)
            self._fitted = None

    @property
    def current(self) -> Embedded:
        """Return the current encoder's embeddings and map as one value, which stays itself while another is chosen."""
        return self._embedded

    def embedded(self, encoder: str) -> Embedded:
        """Open an encoder's embeddings and map beside the current ones."""
        return Embedded.open(self.catalog, self.folder, encoder, n_images=self.n_images)

    def evidence(self) -> BoolArray:
        """Return which images carry a check-half label that counts as evidence, (N,) bool."""
        return self._book.is_evidence(self.is_check)

    def watched(self) -> BoolArray:
        """Return the evidence that live figures may use, (N,) bool: all but what is sealed for the promise."""
        return self.evidence() & ~self.sealed

    def project(self, *, seed: int = 0, on_progress: Progress = ignore, on_copies: Progress = ignore) -> dict[str, Any]:
        """Lay all embedded images out on the map and keep the map, its neighbours and its quality figure.

        Args:
            seed: the same seed gives the same map.
            on_progress: told (epochs done, epochs).
            on_copies: told (images looked at, images to look at) of the search for near-duplicates that follows, where the
                images were too many for `embed` to do it.
        Raises:
            WorkspaceError: if nothing is embedded.
        """
        from core.projection import project

        self.need_writable()
        if self._embedded.lost_parts:  # a map of the others would leave these out
            raise WorkspaceError(self._embedded.lost_parts)
        matrix, encoder = self._embedded.need_matrix(), self.encoder_name
        x = matrix.take(np.arange(matrix.rows))
        if not np.isfinite(x).all():
            raise DamageError(f"Embeddings by {encoder} are damaged (they hold NaN); {WHAT_TO_DO}.")
        found = project(x, seed=seed, on_epoch=on_progress)
        stem = f"projection/{secrets.token_hex(6)}"
        for suffix, array in ((".npy", found.xy), ("-neighbours.npy", found.neighbour_rows)):
            with atomic_path(self.folder / f"{stem}{suffix}") as aside, aside.open("wb") as file:
                np.save(file, array)
        trust = None if np.isnan(found.trustworthiness) else round(found.trustworthiness, 4)
        record = {"seed": seed, "trustworthiness": trust, "neighbours": f"{stem}-neighbours.npy"}
        version = self.catalog.add_projection(str(encoder), matrix.rows, f"{stem}.npy", record)
        with self._lock:
            self._open_encoder(encoder)
        from core.copying import find_copies

        find_copies(self, neighbour_rows=found.neighbour_rows, on_progress=on_copies)
        return {"projection": version, "encoder": encoder, "images": matrix.rows, **record}

    @property
    def has_map(self) -> bool:
        """Tell whether any image has a place on the current map."""
        return bool(np.isfinite(self.xy).any())

    def missing_for_map(self) -> str:
        """Say what is missing before images can be seen on the map; "" if nothing is."""
        if lost := self._embedded.lost_parts or self._embedded.lost_map:
            return f"No whole map: {lost[0].lower()}{lost[1:]}"
        if not self.n_images:
            return (
                "No map yet: there are no images; stop this server and run 'lassoscope ingest SOURCE', then embed and project."
            )
        if self.matrix is None:
            return "No map yet: the images have no embeddings; stop this server and run 'lassoscope embed', then project."
        if not self.has_map:
            return f"No map yet of the embeddings by '{self.encoder_name}'; stop this server and run 'lassoscope project'."
        n_waiting = self.n_images - int(np.isfinite(self.xy[:, 0]).sum())
        if n_waiting:
            return (
                f"{n_waiting:,} new images are not on the map yet; stop this server and run 'lassoscope embed', then project."
            )
        return ""

    def join_groups(self, joined: Mapping[int, int], halves: Mapping[int, bool], *, copies: Mapping[str, int]) -> None:
        """Put images into other near-duplicate groups, and keep how far they were searched for (`core.copying` does both).

        Args:
            joined: row -> row of the first image of its new group.
            halves: of every group that grows, by its first row: is it the check half.
            copies: encoder -> rows that were searched.
        """
        with self._lock:
            self.catalog.join_groups(joined, halves, copies=copies)
            if joined:
                columns = self.catalog.image_columns()
                self.is_check, self.groups = columns.is_check, columns.groups
                self._live_part = self.is_check & in_live_part(self.check_order[self.groups])
                self._take_check_set(self.check_set)

    # -- pictures --

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
        """Return images as their own files hold them, or where those are gone or changed their thumbnails.

        Args:
            rows: which, all if None.
        """
        return Originals(self.catalog, self.thumbnails, np.arange(self.n_images) if rows is None else rows)

    def picture(self, image_id: str, view: str) -> bytes:
        """Return an image large enough to read, as WebP; its thumbnail if the file is gone or changed.

        Raises:
            InputError: if there is no such image or view.
        """
        row = self.row_of(image_id)
        if row is None:
            raise InputError(f"There is no image {image_id} in this workspace.")
        content = read_original(self.catalog.image_files([row])[0])
        try:
            image = decode(content, max_side=PICTURE_SIDE) if content is not None else None
        except InputError:  # it was taken once, by other rules
            image = None
        if image is None:
            return self.thumbnail(image_id, view)
        image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        return webp(treat(image, view))

    @property
    def text(self) -> FloatArray:
        """Return how surely every image is text on dark, (N,) float32 in [0, 1]; NaN where it was not looked at yet."""
        with self._lock:
            if self._text is None:
                self._text = self.catalog.text_figures(self.n_images)
            return self._text

    def set_text(self, figures: Mapping[int, float]) -> None:
        """Keep figures of text on dark, by row."""
        with self._lock:
            self.catalog.set_text_figures(figures)
            self._text = None

    def describe(self, row: int) -> dict[str, Any]:
        """Return what is known of one image, for the analyst: file, size, label and who gave it, score."""
        record, labels, fitted = self.catalog.image(row), self.labels, self._fitted
        code, seq = int(labels.codes[row]), int(labels.actions[row])
        score = float(fitted.score[row]) if fitted and row < len(fitted.score) else float("nan")
        return {
            "id": record["id"],
            "file": Path(record["path"]).name or "its file is gone",
            "frames": self.catalog.frames(row)[0],
            "width": record["width"],
            "height": record["height"],
            "half": "check" if self.is_check[row] else "teach",
            "label": None if code == UNLABELLED else self.class_names[code],
            "unsure": code == UNLABELLED and seq > 0,
            "labelled_by": self.labelled_by(row),
            "score": None if np.isnan(score) else score,
        }

    # -- labels --

    def label_action(self, row: int) -> Action:
        """Return the action that gave an image its label (or left it unsure).

        Raises:
            InputError: if it carries none.
        """
        return self._book.action(int(self.labels.actions[row]))

    def labelled_by(self, row: int) -> str | None:
        """Return who gave an image its label, None if nobody."""
        seq = int(self.labels.actions[row])
        return self._book.action(seq).analyst if seq else None

    def label(
        self, rows: IntArray, class_name: str | None, *, analyst: str, source: str = "single", criterion: Any = None
    ) -> LabelResult:
        """Give one class (None clears) to images; on return it is on disk. A class that has left the list comes back with it.

        A check image that was read keeps its reading (`open_to`).

        Args:
            rows: (K,) rows, K >= 1.
            source: single | lasso | cluster | check | import; or "unsure", with class None: looked at and left open.
            criterion: the polygon [[x, y], ...] in map units, or what else chose the images; with "adjudicates" it decides
                between two readings.
        Raises:
            InputError: if there are no rows, the class is unknown, or all of them keep their reading.
        """
        rows = np.unique(np.asarray(rows, np.int64))
        if not len(rows):
            raise InputError("Nothing is selected; lasso or pick images first.")
        if rows[0] < 0 or rows[-1] >= self.n_images:
            raise InputError(f"There is no row {rows[0] if rows[0] < 0 else rows[-1]}; rows go from 0 to {self.n_images - 1}.")
        if class_name is not None and class_name not in self.class_names:
            self._bring_back(class_name)
        if source == UNSURE and class_name is not None:
            raise InputError(f"Unsure means no class, got '{class_name}'; give the class with another source.")
        draft = ActionDraft("label", analyst, source, rows, class_name, criterion, self.guideline)
        with self._lock:
            draft = replace(draft, rows=self._open_rows(draft))
            replaced = self._replaced(draft.rows, class_name, analyst)
            action = self.commit([draft])[0]
        return self.label_result(action, n_kept=len(rows) - len(draft.rows), replaced=replaced)

    def read_together(self, readings: Mapping[str, IntArray], *, analyst: str, criterion: Mapping[str, Any]) -> list[Action]:
        """Keep readings of several check images, by class, as one: committed together and undone together.

        Args:
            readings: class name -> (K,) rows; a class without rows is passed over.
        Raises:
            InputError: if there is nothing to keep, a class is unknown, or an image is in two classes.
        """
        wanted = {name: np.unique(np.asarray(rows, np.int64)) for name, rows in readings.items() if len(rows)}
        if not wanted:
            raise InputError("There is nothing to keep: no image was read.")
        if unknown := sorted(set(wanted) - set(self.class_names)):
            raise InputError(f"There is no class '{unknown[0]}'; the classes are {', '.join(self.class_names)}.")
        everything = np.concatenate(list(wanted.values()))
        if len(np.unique(everything)) < len(everything):
            raise InputError("One image was read as two classes; read it again.")
        told = {**criterion, "together": secrets.token_hex(8)}
        with self._lock:
            return self.commit(
                [ActionDraft("label", analyst, "check", rows, name, told, self.guideline) for name, rows in wanted.items()]
            )

    def standing(self, rows: IntArray) -> dict[str, IntArray]:
        """Return the labels that images carry now: class name -> (K,) rows of those given."""
        rows = np.asarray(rows, np.int64)
        codes = self.labels.codes[rows]
        return {self.class_names[code]: rows[codes == code] for code in np.unique(codes[codes != UNLABELLED]).tolist()}

    def _replaced(self, rows: IntArray, class_name: str | None, analyst: str) -> tuple[Replaced, ...]:
        labels = self.labels
        code = UNLABELLED if class_name is None else self.class_names.index(class_name)
        changed = rows[(labels.codes[rows] != UNLABELLED) & (labels.codes[rows] != code)]
        counts: dict[tuple[str, str], int] = {}
        for seq, n in zip(*np.unique(labels.actions[changed], return_counts=True), strict=True):
            giver = self._book.action(int(seq))
            if giver.analyst != analyst:
                key = (giver.analyst, str(giver.class_name))
                counts[key] = counts.get(key, 0) + int(n)
        return tuple(Replaced(*key, n) for key, n in sorted(counts.items()))

    def alone(self) -> AbstractContextManager[Any]:
        """Let nobody else label between questions and the commit that follows from their answers."""
        return self._lock

    def _keeps(self, draft: ActionDraft) -> BoolArray:
        """Tell which images of a label keep what was read of them, (K,) bool: the one rule for every road to a label.

        A reading of Check is changed by nothing but undo and the decision between two readings; other evidence (imported)
        by a reading or a newer import. Whoever gives labels elsewhere sees scores, and could make the check half say what
        the model says.
        """
        if "adjudicates" in (draft.criterion or {}):
            return np.zeros(len(draft.rows), bool)
        stands = self._evidence_ranks(draft.rows)
        return (stands == READ_RANK) | (EVIDENCE_RANKS.get(draft.source, 0) < stands)

    def _evidence_ranks(self, rows: IntArray) -> IntArray:
        """Return how strong the evidence is that images carry, (K,) int64: 0 where there is none."""
        labels = self.labels
        givers, place = np.unique(labels.actions[rows], return_inverse=True)
        ranks = np.array([EVIDENCE_RANKS.get(self._book.action(seq).source, 0) if seq else 0 for seq in givers.tolist()], int)
        return np.where(self.is_check[rows] & (labels.codes[rows] != UNLABELLED), ranks[place], 0)

    def open_to_bulk(self, rows: IntArray) -> IntArray:
        """Leave out the check images that keep what was read of them against labels of other tools.

        Raises:
            InputError: if none is left.
        """
        return self._open_rows(ActionDraft("label", "", "lasso", rows))

    def _open_rows(self, draft: ActionDraft) -> IntArray:
        left = draft.rows[~self._keeps(draft)]
        if not len(left):
            which = f"all {len(draft.rows):,} of these were read"
            if len(draft.rows) == 1:
                row = int(draft.rows[0])
                which = f"this one was read as '{self.class_names[int(self.labels.codes[row])]}' by {self.labelled_by(row)}"
            raise InputError(
                f"Images that were read in Check keep that label, and {which}; to change it, undo the reading on the History "
                "page."
            )
        return left

    def label_result(self, action: Action, *, n_kept: int = 0, replaced: tuple[Replaced, ...] = ()) -> LabelResult:
        """Say which halves the images of a label action are in."""
        n_check = int(self.is_check[action.rows].sum())
        return LabelResult(action, len(action.rows) - n_check, n_check, n_kept, replaced)

    @property
    def guideline(self) -> str:
        """Return the version of the labelling guideline in force."""
        return str(self.catalog.setting("guideline", "v1"))

    def set_guideline(self, name: str) -> None:
        """Put another version of the labelling guideline in force: it is written beside every label from now on.

        Raises:
            InputError: if the name is empty.
        """
        if not name.strip():
            raise InputError("A guideline needs a name, got nothing; for example v2.")
        self.catalog.set_setting("guideline", name.strip())

    def commit(self, drafts: Sequence[ActionDraft]) -> list[Action]:
        """Append checked actions, all or none: to the catalog, then to what is in memory.

        Raises:
            InputError: if a label would change what was read in Check (`_keeps`).
        """
        with self._lock:  # disk first: what memory shows has been acknowledged
            if any(draft.kind == "label" and self._keeps(draft).any() for draft in drafts):
                raise InputError(
                    "Some of these images were read in Check meanwhile and keep that label; do the same once more."
                )
            actions = self.catalog.append_actions(drafts)
            self._book.apply_all(actions)
        return actions

    def undo(self, seq: int | None = None, *, analyst: str) -> Reversal:
        """Undo a label action: the named one, or this analyst's newest that stands, with those that belong together with it.
        Raises:
            InputError: if there is nothing to undo.
        """
        with self._lock:
            target = self._book.newest_active(analyst) if seq is None else seq
            if target is None:
                raise InputError("There is nothing of yours to undo; other analysts' actions are on the History page.")
            return self._reverse("undo", target, analyst)

    def redo(self, seq: int, *, analyst: str) -> Reversal:
        """Let an undone label action stand again.

        Raises:
            InputError: if it is not undone.
        """
        with self._lock:
            return self._reverse("redo", seq, analyst)

    def _reverse(self, kind: str, seq: int, analyst: str) -> Reversal:
        self._book.check_target(kind, seq)
        name = self._book.action(seq).class_name
        if kind == "redo" and name is not None and name not in self.class_names:
            raise InputError(
                f"Action {seq} gave the class '{name}', which is not in the list any more; add it with 'lassoscope classes', "
                "then redo this."
            )
        nothing = np.array([], np.int64)
        tied = [other for other in self._book.together(seq) if self._book.active[other] == (kind == "undo")]
        self.commit([ActionDraft(kind, analyst, "single", nothing, guideline=self.guideline, target=t) for t in tied])
        return Reversal(kind, tuple(self._book.action(other) for other in tied))

    def history(self) -> list[tuple[Action, bool | None]]:
        """Return every action, newest first, with whether a label action stands (None for undo and redo)."""
        with self._lock:
            return [(action, self._book.active.get(action.seq)) for action in self._book.history()]

    def labelled_on(self) -> Mapping[tuple[str, str], int]:
        """Return the images in label actions that stand, by (analyst, day); imports and cleared labels do not count."""
        with self._lock:
            return dict(self._book.labelled_on())

    def import_labels(self, file: Path, *, analyst: str) -> ImportResult:
        """Take labels from a CSV or Parquet file, all or none.

        What was read in Check is kept (`_keeps`), and so is what is newer than the file's line.

        Raises:
            InputError: if a line names an unknown image, class, time or source, or lines contradict each other.
        """
        names = self.catalog.rows_by_name()
        roots = [Path(root) for root in self.catalog.setting("sources", [])]

        def row_of(name: str) -> int | None:
            if name in names:
                return names[name]
            tries = [str(Path(name).resolve()), *(str((root / name).resolve()) for root in roots)]
            return next((names[t] for t in tries if t in names), None)

        found = settle(read_file_labels(file, row_of=row_of, class_names=self.class_names, analyst=analyst), file)
        with self._lock:
            verdicts = self._weigh(found)
            taken = [label for label, verdict in zip(found, verdicts, strict=True) if verdict == "taken"]
            actions = self.commit(drafts_of(taken, file, guideline=self.guideline))
        counts = {f"n_{verdict}": verdicts.count(verdict) for verdict in ("taken", "same", "kept", "older")}
        return ImportResult(actions, **counts)

    def _weigh(self, found: Sequence[FileLabel]) -> list[str]:
        """Hold each line of a file against what its image carries: "taken", "same", "kept" (was read) or "older"."""
        rows = np.array([label.row for label in found], np.int64)
        ranks, codes = self._evidence_ranks(rows).tolist(), self.labels.codes[rows].tolist()
        since = self._book.decided_at(rows)
        verdicts = []
        for label, stands, code, at in zip(found, ranks, codes, since, strict=True):
            mine = EVIDENCE_RANKS.get(label.source, 0) if self.is_check[label.row] else 0
            if code != UNLABELLED and self.class_names[code] == label.class_name and mine <= stands:
                verdicts.append("same")
            elif stands == READ_RANK or mine < stands:
                verdicts.append("kept")
            else:
                verdicts.append("older" if label.at and label.at < at else "taken")
        return verdicts

    def export_labels(self, file: Path) -> int:
        """Write the labels as they stand, one line per labelled image, and return how many.

        Raises:
            InputError: if the file is a folder or neither .csv nor .parquet.
        """
        labels = self.labels
        rows = np.flatnonzero(labels.codes != UNLABELLED)
        givers = {int(seq): self._book.action(int(seq)) for seq in np.unique(labels.actions[rows])}
        paths = self.catalog.image_paths(0, self.n_images)
        lines = []
        for row in rows.tolist():
            giver = givers[int(labels.actions[row])]
            class_name = self.class_names[int(labels.codes[row])]
            lines.append(LabelLine(self.image_id(row), paths[row], class_name, giver.analyst, giver.at, giver.source))
        write_label_lines(file, lines)
        return len(lines)

    def wants_guide(self, analyst: str) -> bool:
        """Tell whether an analyst has not dismissed the guide of a first visit."""
        return analyst not in self.catalog.setting("guide_dismissed_by", [])

    def set_guide(self, analyst: str, on: bool) -> None:
        """Remember whether an analyst wants the guide."""
        with self._lock:
            others = [name for name in self.catalog.setting("guide_dismissed_by", []) if name != analyst]
            self.catalog.set_setting("guide_dismissed_by", others if on else [*others, analyst])

    # -- probe, suggestions, curves --

    def _teach_rows(self, codes: IntArray, matrix: Matrix) -> IntArray:
        teach = (codes != UNLABELLED) & ~self.is_check
        return np.flatnonzero(teach[: matrix.rows])

    def missing_for_probe(self) -> str:
        """Say what is missing before there can be a probe; "" if nothing is."""
        if self.matrix is None and self._embedded.lost_parts:
            return self._embedded.lost_parts
        if self.matrix is None:
            return "No probe yet: the images have no embeddings; run 'lassoscope embed'."
        if missing := self.missing_for_teaching():
            return missing
        codes = self.labels.codes
        return missing_for_probe(codes[self._teach_rows(codes, self.matrix)], self.class_names)

    def missing_for_score(self) -> str:
        """Say what is missing before images have a score of being flagged; "" if nothing is."""
        if missing := self.missing_for_probe():
            return missing
        codes = self.labels.codes
        taught = codes[self._teach_rows(codes, self._embedded.need_matrix())]
        return missing_for_score(taught, self.class_names, self.flagged_codes)

    def missing_for_teaching(self) -> str:
        """Say why no image can teach the model; "" if some can."""
        if not self.n_images:
            return "There are no images; run 'lassoscope ingest SOURCE' first."
        if self.is_check.all():
            return (
                f"{self._all_images('check')}, from which the model never learns, so there is nothing to label for it; ingest "
                "more images, not copies of these: about half of them will be in the teach half."
            )
        return ""

    def missing_for_suggestions(self) -> str:
        """Say why no image can be suggested; "" if some can."""
        if missing := self.missing_for_teaching():
            return missing
        rows = self.matrix.rows if self.matrix else 0
        free = (self.labels.codes == UNLABELLED) & ~self.is_check & ~self._book.is_unsure()
        if free[:rows].any():
            return ""
        n_teach = counted(int((~self.is_check).sum()), "image")
        if free.any():
            return "The images that are still without a label have no embeddings; run 'lassoscope embed'."
        return f"Nothing is left to suggest: every one of the {n_teach} of the teach half has a label or is kept as unsure."

    def missing_for_check(self, *, live: bool = False) -> str:
        """Say why no image of the check half can be read; "" if some can, or all were.

        Args:
            live: of those that live curves may use, instead of those sealed for the promise.
        """
        if not self.n_images:
            return "There are no images; run 'lassoscope ingest SOURCE' first."
        if not self.is_check.any():
            return (
                f"{self._all_images('teach')}, so there is nothing to read for a curve or a promise; ingest more images, not "
                "copies of these: about half of them will be in the check half."
            )
        if not (self._live_part if live else self.sealed).any():
            purpose = "live curves" if live else "a promise"
            return f"None of the {counted(int(self.is_check.sum()), 'check image')} is kept for {purpose}; ingest more images."
        return ""

    def _all_images(self, half: str) -> str:
        if self.n_images == 1:
            return f"The only image is in the {half} half"
        kept = " (near-duplicates stay together)" if self.n_copies else ""
        return f"All {self.n_images:,} images are in the {half} half{kept}"

    def refit(self, *, device: str = "cpu", save: bool = True) -> Fitted | None:
        """Fit the probe on the teach half's labels as they stand and score every image; None if labels are missing.

        Args:
            save: keep the probe as a version in the catalog if it is a new one (a read-only look does not).
        """
        with self._lock:
            labels, embedded, classes = self.labels, self._embedded, self.classes
        if embedded.matrix is None or self.missing_for_probe():
            self._fitted = None
            return None
        rows = self._teach_rows(labels.codes, embedded.matrix)
        flagged_codes = [code for code, c in enumerate(classes) if c.flagged]
        inputs = inputs_key(str(embedded.encoder), embedded.matrix, labels.codes, rows, flagged_codes)
        version, kept = self._kept_probe(str(embedded.encoder), inputs)
        if kept is not None:  # a label of the check half makes no new model
            probe = kept
            score, uncertainty, predicted = score_images(probe, embedded.matrix, n_images=self.n_images)
        else:
            probe, score, uncertainty, predicted = fit_and_score(
                embedded.matrix,
                labels.codes,
                rows,
                flagged_codes=flagged_codes,
                standardisation=embedded.standardisation,
                n_images=self.n_images,
                device=device,
            )
        names = [classes[code].name for code in probe.class_codes]
        flagged = [c.name for c in classes if c.flagged]
        record = {"n_labels": probe.n_labels, "classes": names, "flagged": flagged, "inputs": inputs}
        if save and self.writable and not version:
            version = self.catalog.add_probe(str(embedded.encoder), labels.version, record, probe.to_bytes())
        fitted = Fitted(version, labels.version, probe, score, uncertainty, predicted)
        with self._lock:
            if embedded is self._embedded:  # else another encoder was chosen meanwhile, and its refit is on the way
                self._fitted = fitted
        return fitted

    def _kept_probe(self, encoder: str, inputs: str) -> tuple[int, Probe | None]:
        """Return the newest probe and its version if it was fitted on these inputs and can be read, else (0, None)."""
        try:
            newest = self.catalog.latest_probe(encoder)
            if newest is not None and newest["record"].get("inputs") == inputs:
                return newest["version"], probe_from_bytes(newest["weights"])
        except DamageError:  # of what is fitted again in a second; doctor tells of it
            pass
        return 0, None

    def suggest(
        self, n: int = FIRST_ROUND, *, strategy: str = "auto", seed: int = 0, without: Collection[int] = ()
    ) -> list[Suggestion]:
        """Choose teach-half images worth a label, unlabelled and distinct.

        Args:
            n: how many.
            strategy: a name in `STRATEGIES`, or "auto": diverse until 10 labels and both sides are there, then uncertain.
            seed: the same seed and labels give the same picks.
            without: rows that are not to be chosen, because somebody else is asked for them now.
        Returns:
            at most n; fewer, or none, where no more are left (`missing_for_suggestions` says why).
        Raises:
            InputError: if the strategy is unknown, or needs a probe that is missing.
        """
        if n < 1:
            raise InputError(f"A round needs at least 1 image, got {n}.")
        with self._lock:
            embedded, codes, fitted = self._embedded, self.labels.codes, self._fitted
        matrix = embedded.need_matrix()
        labelled = self._teach_rows(codes, matrix)
        score = fitted.score if fitted is not None and fitted.probe.flagged_weights is not None else None
        if strategy == "auto":
            strategy = automatic(len(labelled), has_score=score is not None)
        if strategy not in STRATEGIES:
            raise InputError(f"There is no strategy '{strategy}'; choose auto, {', '.join(STRATEGIES)}.")
        if STRATEGIES[strategy].needs == "score" and score is None and (missing := self.missing_for_score()):
            raise InputError(f"Strategy '{strategy}' needs scores. {missing}")
        free = (codes == UNLABELLED) & ~self.is_check & ~self._book.is_unsure()
        free[list(without)] = False
        pool = Pool(
            rows=np.flatnonzero(free[: matrix.rows]),
            embeddings=lambda rows: embedded.standardisation.apply(matrix.take(rows)),
            uncertainty=fitted.uncertainty if fitted else None,
            score=score,
            labelled=labelled[np.argsort(self.labels.actions[labelled], kind="stable")],
            groups=self.groups,
        )
        chosen = STRATEGIES[strategy]
        rows = chosen.choose(pool, n, np.random.default_rng([seed, len(labelled)]))
        return [Suggestion(int(r), self.image_id(int(r)), strategy, self._reason(chosen.reason, int(r))) for r in rows]

    def _reason(self, reason: str, row: int) -> str:
        if self._fitted is None or np.isnan(self._fitted.score[row]):
            return reason
        from core.uncertainty import probability

        p = float(probability(np.array(self._fitted.score[row], np.float64)))
        return f"{reason} ({percent(p)} likely flagged, says the probe)"

    def missing_side(self) -> str:
        """Say which side, "flagged" or "other", no teach-half label is on yet; "" if both have one, or there is none."""
        if not 0 < len(self.flagged_codes) < len(self.classes):
            return ""  # no label could bring the other side
        codes = self.labels.codes[~self.is_check]
        flagged = np.isin(codes[codes != UNLABELLED], self.flagged_codes)
        return "" if not len(flagged) or 0 < flagged.sum() < len(flagged) else "other" if flagged.all() else "flagged"

    def more_like(self, rows: IntArray, n: int) -> IntArray:
        """Return the n embedded images nearest to any of the given ones, the likest first.

        Raises:
            InputError: if none of them is given or embedded.
        """
        from core.neighbours import nearest

        embedded = self._embedded
        known = rows[rows < embedded.need_matrix().rows]
        if not len(known):
            raise InputError("There is no picture to compare with; click one on the map, or lasso some.")
        return nearest(embedded, known, n)

    def check_queue(self, n: int, *, live: bool = False) -> IntArray:
        """Return the next n check-half images to read, in their permanent hash order.

        Args:
            live: of those that live curves may use, instead of those sealed for the promise.
        Returns:
            (<= n,) int64 rows without a label that counts as evidence.
        """
        waiting = np.flatnonzero((self._live_part if live else self.sealed) & ~self.evidence())
        return waiting[np.argsort(self.check_order[waiting], kind="stable")[:n]]

    def check_read(self) -> IntArray:
        """Return the rows of the check half whose label counts as evidence."""
        return np.flatnonzero(self.evidence())

    def gold(self, column: str) -> IntArray:
        """Return a gold column as (N,) int16 class codes, UNLABELLED where it names no class of the workspace."""
        if column not in self._gold:
            codes = np.full(self.n_images, UNLABELLED, np.int16)
            rows, values = self.catalog.gold(column)
            by_name = {name: code for code, name in enumerate(self.class_names)}
            codes[rows] = [by_name.get(value, UNLABELLED) for value in values]
            self._gold[column] = codes
        return self._gold[column]

    def gold_values_without_class(self, column: str) -> dict[str, int]:
        """Return the values of a gold column that name no class, sorted, with the images that have each."""
        values = self.catalog.gold(column)[1]
        return {value: values.count(value) for value in sorted(set(values) - set(self.class_names))}

    def gold_values(self, column: str) -> list[str]:
        """Return the different values of a gold column, sorted."""
        return sorted(set(self.catalog.gold(column)[1]))

    def experiment_folders(self) -> list[Path]:
        """Return the folders of the label-efficiency studies, newest first (`core.experiment` reads them)."""
        return sorted((file.parent for file in (self.folder / "experiments").glob("*/run.json")), reverse=True)

    def has_gold(self, column: str = "label") -> bool:
        """Tell whether the workspace has a gold column."""
        return column in self.catalog.gold_columns()

    def curves(self, *, gold_column: str | None = None) -> list[NamedCurve]:
        """Compute the precision-recall curves of the newest probe: training labels, check half, and gold if named."""
        fitted, codes = self._fitted, self.labels.codes
        if fitted is None or fitted.probe.flagged_weights is None:
            missing = self.missing_for_score() or "No curve yet: the labels are newer than the probe; it is on its way."
            return [NamedCurve(key, title, None, missing, show_average_precision=False) for key, title in CURVE_TITLES.items()]
        scored = ~np.isnan(fitted.score)
        evidence = self.watched() & scored
        training = (codes != UNLABELLED) & ~self.is_check & scored
        curves = [
            self._curve("training", codes, training, fitted.score),
            self._curve("check", codes, evidence, fitted.score, min_flagged=MIN_FLAGGED, min_flagged_ap=MIN_FLAGGED_AP),
        ]
        if not evidence.any():
            curves[1] = replace(curves[1], missing=self._missing_for_check_curve())
        if gold_column:
            curves.append(self._gold_curve(gold_column, scored, fitted.score))
        return curves

    def _gold_curve(self, column: str, scored: BoolArray, score: FloatArray) -> NamedCurve:
        gold, title = self.gold(column), CURVE_TITLES["gold"]
        values, no_class = self.gold_values(column), self.gold_values_without_class(column)
        near = hint(no_class, self.class_names)
        if values and len(no_class) == len(values):
            missing = (
                f"{title}: none of the values of '{column}' is a class: {_listed(values)}{near}; the classes are "
                f"{', '.join(self.class_names)}. Write the values as the classes, or set classes with 'lassoscope classes'."
            )
            return NamedCurve("gold", title, None, missing, show_average_precision=False)
        curve = self._curve("gold", gold, self.is_check & (gold != UNLABELLED) & scored, score)
        if not no_class:
            return curve
        n = counted(sum(no_class.values()), "image")
        return replace(curve, note=f"without {n} whose '{column}' is no class: {_listed(list(no_class))}{near}")

    def _missing_for_check_curve(self) -> str:
        if missing := self.missing_for_check(live=True):
            return f"{CURVE_TITLES['check']}: {missing[0].lower()}{missing[1:]}"
        n_sealed = int((self.evidence() & self.sealed).sum())
        sealed = f" ({n_sealed:,} are read and sealed for the promise, see Operating point)" if n_sealed else ""
        return f"{CURVE_TITLES['check']}: read some in Check, 'for live curves'{sealed}."

    def learning(self) -> LearningCurve | None:
        """Judge this encoder's past probes on today's check labels; None while average precision is not defined on them."""
        embedded, codes = self._embedded, self.labels.codes
        if embedded.matrix is None or embedded.encoder is None:
            return None
        rows = np.flatnonzero(self.watched()[: embedded.matrix.rows])
        flagged = np.isin(codes[rows], self.flagged_codes)
        if flagged.sum() < MIN_FLAGGED_AP or flagged.all():
            return None
        newest = {  # what was fitted to find other classes is not judged on these
            record["n_labels"]: version
            for version, record in self.catalog.probe_records(embedded.encoder)
            if "n_labels" in record and record.get("flagged", self.flagged_names) == self.flagged_names
        }
        counts = sorted(newest)
        x = embedded.matrix.take(rows)
        rounds, scores = [], []
        for place in thinned(counts):
            try:
                column = flagged_column(self.catalog.probe_weights(newest[counts[place]]))
            except DamageError:  # one lost model of many leaves one point less
                continue
            if column is not None:
                rounds.append(counts[place])
                scores.append(x @ column[0] + column[1])
        return learning_curve(rounds, np.array(scores), flagged) if rounds else None

    def _curve(self, key: str, codes: IntArray, chosen: BoolArray, score: FloatArray, **limits: int) -> NamedCurve:
        flagged = np.isin(codes[chosen], self.flagged_codes)
        return named_curve(key, CURVE_TITLES[key], score[chosen], flagged, **limits)

    # -- training --

    def training_runs(self) -> list[RunRecord]:
        """Return the newest MSN runs on this workspace's images, newest first, as their files tell them now."""
        return read_runs(self.folder / "training")

    def training_views(self, record: RunRecord, view: str) -> bytes:
        """Return a run's sample views as WebP in one of the privacy views.

        Raises:
            InputError: if it has none, or there is no such view.
        """
        return treated_views(record, view)

    # -- overview --

    def label_counts(self) -> dict[str, Any]:
        """Return how many images are labelled, by class and by half; cheap enough for every label action."""
        labels = self.labels
        teach = int(((labels.codes != UNLABELLED) & ~self.is_check).sum())
        return {
            "labels": dict(zip(self.class_names, labels.counts(len(self.classes)), strict=True)),
            "labelled": labels.n_labelled,
            "labelled_teach": teach,
            "labelled_check": labels.n_labelled - teach,
        }

    def summary(self) -> dict[str, Any]:
        """Return counts and versions, for the command line; asks the catalog to count files."""
        return {
            "workspace": self.name,
            "folder": str(self.folder),
            "images": self.n_images,
            "files": self.catalog.n_paths(),
            "rejected": self.catalog.n_rejected(),
            "embedded": self.matrix.rows if self.matrix else 0,
            "encoder": self.encoder_name,
            "projected": int(np.isfinite(self.xy[:, 0]).sum()),
            "trustworthiness": self.projection["record"].get("trustworthiness") if self.projection else None,
            **self.label_counts(),
            "check_read": len(self.check_read()),
        }


def locked(folder: Path) -> FileLock:
    """Return a workspace's lock, taken: its holder is the one process that writes.

    Raises:
        ReadOnlyError: if the folder cannot be written.
        BusyError: if another process holds it.
    """
    need_writable(folder)
    lock = FileLock(folder / "workspace.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"Another process has {folder} open for writing (a server?); stop it first.") from None
    except PermissionError:
        raise ReadOnlyError(read_only_sentence(folder)) from None
    return lock


CURVE_TITLES = {
    "training": "Training labels, flattering",
    "check": "Check half, not learned from",
    "gold": "Exact, gold labels",
}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name[:60]}'" for name in names[:5]) + (", …" if len(names) > 5 else "")


def _shifted(on_progress: Progress, done_before: int, total: int) -> Progress:
    def report(done: int, _total: int) -> None:
        on_progress(done_before + done, total)

    return report
