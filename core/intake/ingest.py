"""Ingest images: find files, decode them on all cores, commit in batches. Resumes after an interruption."""

import logging
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import JsonObject, Progress, ignore
from core.catalog.catalog import Catalog
from core.catalog.records import ImageRecord, PathRecord, Rejected
from core.catalog.rows import now
from core.errors import InputError
from core.images.examine import FileRead, are_copies, prepare, read_file, visited
from core.images.hashing import Grouper
from core.images.kinds import beside, count_kinds
from core.images.visits import FileState, ImageFiles, Visit, own_state
from core.intake.fetching import Fetching
from core.intake.thumbnails import restore_thumbnails
from core.remote.addresses import is_remote
from core.remote.troubles import RemoteError
from core.score_columns.files import FileColumn, is_score_column, read_columns
from core.score_columns.keep import keep_columns
from core.store.tables import find_column, read_table
from core.store.thumbnails import ThumbnailStore
from core.wording import counted, verb
from core.workers import CrashedError, TookTooLongError, Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.intake")
BATCH = 256  # files read per commit: a kill loses a second of work, and a commit takes a few milliseconds
MOST_KNOWN = 8_192  # files per commit if none has to be read
PATH_COLUMNS = ("path", "file_name", "filename", "filepath", "file_path", "image_path", "image", "img", "file")
OWN_FILES = (
    "catalog.sqlite",
    "thumbnails.sqlite",
    "workspace.lock",
    "server.json",
    "tokens.json",
)  # of a workspace, as prefixes
OWN_FOLDERS = ("embeddings", "projection", "training", "experiments", "clusters", "exports", "models", "uploads")


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Found:
    """One file of a source, before it is opened."""

    path: str  # absolute; always UTF-8, other bytes are escaped
    reason: str = ""  # why it must not be opened; "" = read it
    gold: Mapping[str, str] = field(default_factory=dict)  # by column, the manifest's first value for the file
    contradicted: frozenset[str] = frozenset()  # columns in which the manifest has different values for the file
    named: bool = False  # by a manifest, so that any problem with it is listed
    state: tuple[int, int] | None = None  # bytes and modification time in ns, of a file that has to be fetched


@dataclass(frozen=True)
class Source:
    """The files of a folder or a manifest."""

    files: Sequence[Found]
    left_out: Sequence[str] = ()  # columns of a manifest that are not gold, because they hold bytes or lists
    scores: Sequence[FileColumn] = ()  # of L lines each
    lines: Sequence[str] = ()  # (L,) path of the file that each line names


@dataclass(frozen=True)
class IngestResult:
    """The result of `ingest`."""

    added: int  # images ingested now
    already: int  # files known from an earlier run, ingested or rejected
    duplicates: int  # files of this run with exactly the bytes of another image, of this run or an earlier one
    rejected: list[tuple[str, str]]  # (path, reason) of every rejected file of the source, now or earlier
    passed_over: dict[str, int] = field(default_factory=dict)  # a folder's other files, which are not pictures, by kind
    followed: int = 0  # known images whose file was found again at another path
    lost: int = 0  # known images at whose path there is another picture now
    moving: int = 0  # images ingested now with several frames or pages
    contradictions: int = 0  # images for which the manifest has different values in a column
    left_out: tuple[str, ...] = ()  # columns of the manifest that are not gold
    uncompared: int = 0  # pairs of images that may be near-duplicates but could not be compared
    thumbnails_lost: int = 0  # missing thumbnails that no file can replace
    scores: tuple[str, ...] = ()  # a sentence per score column of the manifest

    def record(self, n_images: int) -> JsonObject:
        """Return the result as one JSON object, with how many images there are now."""
        return {
            "added": self.added,
            "already": self.already,
            "duplicates": self.duplicates,
            "rejected": len(self.rejected),
            "rejections": [{"path": path, "reason": reason} for path, reason in self.rejected],
            "passed_over": self.passed_over,
            "found_again": self.followed,
            "files_gone": self.lost,
            "moving": self.moving,
            "contradicting_answers": self.contradictions,
            "columns_left_out": list(self.left_out),
            "scores": list(self.scores),
            "images": n_images,
        }

    @property
    def sentence(self) -> str:
        """State the result in a few sentences."""
        rejected = counted(len(self.rejected), "file")
        counts = f"{counted(self.added, 'image')} ingested, {rejected} rejected, {self.already:,} known before"
        if self.duplicates:
            counts += f", {counted(self.duplicates, 'exact copy', 'exact copies')} of known images"
            counts += f" ({self.followed:,} of them found again at a new path)" if self.followed else ""
        if self.passed_over:
            kinds = ", ".join(f"{n:,} {kind}" for kind, n in list(self.passed_over.items())[:5])
            n_other = sum(self.passed_over.values())
            counts += f"; {counted(n_other, 'other file')} {verb(n_other, 'is not a picture', 'are not pictures')} ({kinds})"
        sentences = [f"{counts}."]
        if self.moving:
            n = counted(self.moving, "animated or multi-page picture")
            sentences.append(f"{n} {verb(self.moving)} shown as a mosaic of up to four frames, those that differ most.")
        if self.lost:
            n = counted(self.lost, "image")
            sentences.append(f"The files of {n} have been replaced by other pictures; the thumbnails stay.")
        if self.contradictions:
            n = counted(self.contradictions, "image")
            sentences.append(f"The manifest has more than one answer for {n}; the first one counts.")
        if self.left_out:
            sentences.append(f"Columns left out of the manifest, because they hold bytes or lists: {', '.join(self.left_out)}.")
        if self.uncompared:
            n = counted(self.uncompared, "pair")
            sentences.append(
                f"{n} of images that may be near-duplicates could not be compared and {verb(self.uncompared, 'is', 'are')} "
                "treated as different; 'lassoscope embed' compares them again."
            )
        if self.thumbnails_lost:
            sentences.append(
                f"{counted(self.thumbnails_lost, 'thumbnail')} {verb(self.thumbnails_lost)} missing, and no file can replace "
                f"{verb(self.thumbnails_lost, 'it', 'them')}; ingest the folder where the files are now."
            )
        return " ".join([*sentences, *self.scores])


def ingest(
    workspace: Workspace,
    source: Path,
    *,
    below: Sequence[Path] = (),
    posted: Mapping[str, str] | None = None,
    workers: int | None = None,
    nice: int = 0,
    on_progress: Progress = ignore,
    on_commit: Callable[[], None] = nothing,
) -> IngestResult:
    """Ingest a folder tree, or a CSV, JSON lines or Parquet manifest (`path`, gold columns, score columns).

    Known files are not read again, but lost thumbnails are rebuilt. Gold values of known files are stored, too: a newer
    manifest replaces an older one's, and within one manifest the first value for an image counts. Scores are stored at the end,
    by the same rule; invalid ones are found before the first file is read.

    Args:
        source: a manifest's relative paths are relative to its folder and must stay inside; absolute paths may be anywhere.
        below: the only folders whose files a manifest may name, if there are any.
        posted: for a manifest that was posted: where the files are that were posted with it, by their names in it.
        workers: decoding processes, one per core if None.
        nice: how much less of a busy core they get.
        on_progress: called with (files done, files).
        on_commit: called after each batch: its images are in the catalog, and in memory after `workspace.grow`.
    Raises:
        InputError: if the source is missing, empty or not a readable manifest, or a score is invalid.
    """
    workspace.need_writable()
    found = list_source(source, workspace=workspace.folder, posted=posted)
    if below:
        roots = [root.resolve() for root in below]
        found = replace(found, files=[_confined(file, roots) for file in found.files])
    result = ingest_files(workspace, found, workers=workers, nice=nice, on_progress=on_progress, on_commit=on_commit)
    if posted is None:
        workspace.catalog.images.add_source(str((source if source.is_dir() else source.parent).resolve()))
    return replace(result, scores=tuple(_keep_scores(workspace, found, source)))


def ingest_files(
    workspace: Workspace,
    found: Source,
    *,
    workers: int | None = None,
    nice: int = 0,
    on_progress: Progress = ignore,
    on_commit: Callable[[], None] = nothing,
) -> IngestResult:
    """Ingest files that are listed already, as `ingest` does; their scores are not stored."""
    workspace.need_writable()
    if workspace.thumbnails.damage:
        workspace.thumbnails.renew()
    pool = partial(Workers, workers or os.cpu_count() or 1, prepare=prepare, nice=nice)
    result = _take(workspace, found, pool, on_progress, on_commit)
    workspace.grow()
    restored, lost = restore_thumbnails(workspace)
    facts = {"added": result.added, "known": result.already, "rejected": len(result.rejected), "thumbnails_restored": restored}
    LOG.info("images ingested", extra=facts)
    return replace(result, thumbnails_lost=lost)


def _keep_scores(workspace: Workspace, found: Source, source: Path) -> list[str]:
    images = workspace.catalog.images
    ids = images.known_ids(sorted(set(found.lines)))
    rows = images.rows_of_ids(sorted(set(ids.values())))
    return keep_columns(
        workspace, found.scores, np.array([rows.get(ids.get(path, ""), -1) for path in found.lines], np.int64), source
    )


def _take(
    workspace: Workspace,
    found: Source,
    pool: Callable[[], Workers],
    on_progress: Progress,
    on_commit: Callable[[], None],
) -> IngestResult:
    catalog, files = workspace.catalog, found.files
    workspace.grouper.catch_up(catalog.images.leaders)
    try:
        with pool() as readers, pool() as judges, Fetching(readers) as fetching:
            taken = _Taking(workspace, judges)
            done = 0
            on_progress(done, len(files))
            for batch, reads, failed in _read_batches(files, catalog, fetching, ahead=2):
                taken.take(batch, reads)
                done += len(batch)
                on_commit()
                on_progress(done, len(files))
                if failed is not None:  # what was read before is kept
                    raise failed
    finally:
        workspace.grouper.settle()
    mine = {file.path: file.named for file in files}
    wrong = [(r.path, r.reason) for r in catalog.images.rejected() if r.path in mine]
    # A folder's other files are only counted; files named by a manifest, and those that look like pictures, are listed.
    aside = {path: beside(path) for path, reason in wrong if not mine[path] and _is_other(reason)}
    rejected = [(path, reason) for path, reason in wrong if not aside.get(path)]
    return taken.result(rejected, count_kinds(kind for kind in aside.values() if kind), found.left_out)


def _is_other(reason: str) -> bool:
    """Tell whether a file was rejected for its kind, not for damage. Older versions wrote "it is no picture"."""
    kinds = ("it is not a picture", "it is no picture", "it is empty", "it is a web page")
    return reason.endswith("not a picture") or reason.startswith(kinds)


def was_removed(at: str) -> str:
    """Return why the file of an image that was removed at a time (ISO 8601) is not taken."""
    return f"this image was removed from the workspace on {at[:10]} and is not taken again"


class _Taking:
    """Commits batches of read files to the catalog, in the order of the source."""

    def __init__(self, workspace: Workspace, judges: Workers) -> None:
        self._catalog, self._thumbnails, self._judges = workspace.catalog, workspace.thumbnails, judges
        self._grouper, self._folder = workspace.grouper, workspace.folder
        self._at = now()  # one time for all that this run adds
        self._gold: dict[tuple[str, str], str] = {}  # (image, column) -> the first value of this run
        self._contradicted: set[str] = set()
        self._added = self._already = self._duplicates = self._followed = self._moving = self._uncompared = 0
        self._lost: set[str] = set()

    def take(self, batch: Sequence[Found], reads: Sequence[FileRead | None]) -> None:
        """Commit one batch; None among the reads stands for a known file that has not changed."""
        from core.intake.uploads import forget_picture  # which takes in files by this module

        images, paths, rejected, pictures, gold = [], [], [], [], []
        golden = [file.path for file, read in zip(batch, reads, strict=True) if read is None and file.gold]
        known_ids = self._catalog.images.known_ids(golden)
        copies = _Copies(self._catalog, self._thumbnails, self._judges, self._grouper)
        ids = {read.id for read in reads if read is not None and read.id}
        seen, gone = set(self._catalog.images.rows_of_ids(sorted(ids))), self._catalog.removals.ids(sorted(ids))
        known = seen | gone.keys()
        copies.start([read for read in reads if read is not None and read.id and read.id not in known])
        found_again = []
        for file, read in zip(batch, reads, strict=True):
            if read is None:
                self._already += 1
                gold += self._golden(known_ids.get(file.path, ""), file)
            elif read.reason:
                rejected.append(Rejected(file.path, read.reason, read.n_bytes, read.mtime_ns))
            elif read.id in gone:
                forget_picture(self._folder, read.id)  # if it was posted again
                rejected.append(Rejected(file.path, was_removed(gone[read.id]), read.n_bytes, read.mtime_ns))
            else:
                paths.append(PathRecord(file.path, read.id, read.n_bytes, read.mtime_ns))
                gold += self._golden(read.id, file)
                if read.id in seen:
                    self._duplicates += 1
                    found_again.append((read.id, file.path))
                    continue
                seen.add(read.id)
                pictures.append((read.id, read.thumbnail))
                copies.remember(read)
                leader = self._grouper.add(read.id, read.hash, is_copy=copies.test(read))
                images.append(_record(file, read, copies.group_of(leader)))
                self._moving += read.frames > 1
        self._uncompared += copies.n_uncompared
        moved = self._moved(found_again, {image.id for image in images})
        self._thumbnails.put_many(pictures)  # before the catalog: every image in it has a thumbnail
        if images or paths or rejected or gold:
            self._lost |= set(self._catalog.images.add_batch(images, paths, rejected, gold=gold, moved=moved, at=self._at))
        self._lost -= {record.image_id for record in paths}
        self._added, self._followed = self._added + len(images), self._followed + len(moved)

    def _golden(self, image_id: str, file: Found) -> list[tuple[str, str, str]]:
        """Return the gold values of a file's image that are new in this run, and note contradictions."""
        new = []
        for column, value in file.gold.items() if image_id else ():
            first = self._gold.setdefault((image_id, column), value)
            if first != value or column in file.contradicted:
                self._contradicted.add(image_id)
            elif (image_id, column, value) not in new:
                new.append((image_id, column, value))
        return new

    def _moved(self, found_again: Sequence[tuple[str, str]], new: set[str]) -> dict[str, str]:
        """Return the new path of known images whose own file is gone."""
        asked = {image_id: path for image_id, path in reversed(found_again) if image_id not in new}
        rows = self._catalog.images.rows_of_ids(list(asked))
        images = self._catalog.images.files_of(list(rows.values()))
        return {i.id: asked[i.id] for i in images if i.own != asked[i.id] and _has_left(i, asked[i.id])}

    def result(self, rejected: list[tuple[str, str]], passed_over: dict[str, int], left_out: Sequence[str]) -> IngestResult:
        """Return the result of all batches."""
        return IngestResult(
            self._added,
            self._already,
            self._duplicates,
            rejected,
            passed_over,
            self._followed,
            len(self._lost),
            self._moving,
            len(self._contradicted),
            tuple(left_out),
            self._uncompared,
        )


def _has_left(image: ImageFiles, path: str) -> bool:
    """Tell whether an image's own file is gone, or worse than one that was found; no store is asked."""
    return not is_remote(path) if is_remote(image.own) else own_state(image) != FileState.HERE


class _Copies:
    """Compares pictures whose hashes are near; the comparisons of one batch run in parallel."""

    def __init__(self, catalog: Catalog, thumbnails: ThumbnailStore, judges: Workers, grouper: Grouper) -> None:
        self._catalog, self._thumbnails, self._judges, self._grouper = catalog, thumbnails, judges, grouper
        self._new: dict[str, FileRead] = {}
        self.n_uncompared = 0  # pairs whose comparison failed
        self._asked: dict[tuple[str, str], Future[bool]] = {}

    def remember(self, read: FileRead) -> None:
        """Keep an image that is not committed yet: later ones in the batch may be its near-duplicates."""
        self._new[read.id] = read

    def group_of(self, leader: str) -> str:
        """Return the group that an image leads to: its own unless it was found by its embedding, which no new one was."""
        return leader if leader in self._new else self._catalog.images.group_of(leader)

    def start(self, reads: Sequence[FileRead]) -> None:
        """Start comparing new images with the known ones whose near-duplicates they may be."""
        for read in reads:
            for leader in self._grouper.near(read.hash):
                self._ask(read, leader)

    def test(self, read: FileRead) -> Callable[[str], bool]:
        """Return a function that tells whether an image is a near-duplicate of a known one."""

        def is_copy(leader: str) -> bool:
            try:
                return self._ask(read, leader).result()
            except (TookTooLongError, CrashedError, RemoteError):
                self.n_uncompared += 1
                return False

        return is_copy

    def _ask(self, read: FileRead, leader: str) -> "Future[bool]":
        if (read.id, leader) not in self._asked:
            self._asked[read.id, leader] = self._judges.submit(are_copies, _picture_of(read), self._picture(leader))
        return self._asked[read.id, leader]

    def _picture(self, image_id: str) -> tuple[ImageFiles, bytes]:
        if image_id in self._new:
            return _picture_of(self._new[image_id])
        row = self._catalog.images.rows_of_ids([image_id])[image_id]
        return self._catalog.images.files_of([row])[0], self._thumbnails.get(image_id) or b""


def _picture_of(read: FileRead) -> tuple[ImageFiles, bytes]:
    return ImageFiles(read.id, read.path, (Visit(read.path, read.n_bytes, read.mtime_ns),)), read.thumbnail


def _record(file: Found, read: FileRead, group: str) -> ImageRecord:
    return ImageRecord(
        read.id,
        file.path,
        read.width,
        read.height,
        read.n_bytes,
        read.format,
        read.hash,
        group,
        text=read.text,
        frames=read.frames,
        frames_shown=read.frames_shown,
        all_frames_seen=read.all_frames_seen,
    )


def _is_known(file: Found, known: Mapping[str, tuple[int, int]]) -> bool:
    """Tell whether the file is known and has not changed."""
    if file.path not in known:
        return False
    if file.reason:
        return True
    if file.state is not None:
        return known[file.path] == file.state
    try:
        found = os.stat(file.path)
    except (OSError, ValueError):
        return known[file.path] == (0, 0)
    return known[file.path] == (found.st_size, found.st_mtime_ns)


# -- finding files --


def list_source(source: Path, *, workspace: Path | None = None, posted: Mapping[str, str] | None = None) -> Source:
    """List the files of a folder tree or of a manifest.

    Raises:
        InputError: if there are none, or the source is neither.
    """
    found = Source(list_folder(source, workspace=workspace)) if source.is_dir() else list_manifest(source, posted or {})
    if not found.files:
        raise InputError(f"{source} contains no files; give a folder of images, or a manifest with a column 'path'.")
    return found


def list_folder(source: Path, *, workspace: Path | None = None) -> list[Found]:
    """List every file below a folder, sorted by path, except a workspace's own.

    Links to files inside are listed. Links to folders inside are skipped, as their content is listed anyway and loops would
    not end. Links that leave the folder, and unreadable folders, are listed with a reason for rejection.
    """
    root, own = source.resolve(), workspace.resolve() if workspace is not None else None
    found: list[Found | None] = []

    def unreadable(error: OSError) -> None:
        found.append(Found(_printable(Path(error.filename)), f"the folder cannot be read ({error.strerror})"))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        inside = Path(folder)
        if inside == own:
            folders[:] = [name for name in folders if name not in OWN_FOLDERS]
            names = [name for name in names if not name.startswith(OWN_FILES)]
        links = [name for name in folders if (inside / name).is_symlink()]
        found += [inspect(inside / name, root) for name in (*names, *links)]
    return sorted(_unique(f for f in found if f is not None), key=lambda f: f.path)


def _unique(files: Iterable[Found]) -> Iterator[Found]:
    """Yield each path once; if an escaped name equals another file's real name, the latter is kept."""
    by_path: dict[str, Found] = {}
    for file in files:
        if file.path not in by_path or by_path[file.path].reason:
            by_path[file.path] = file
    yield from by_path.values()


def _printable(path: Path) -> str:
    """Return a path as valid UTF-8; other bytes are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def inspect(path: Path, root: Path) -> Found | None:
    """Return a file below a folder, with a reason if it must not be opened; None for a link to a folder inside."""
    name = _printable(path)
    if name != str(path):
        return Found(name, "its name is not valid UTF-8; rename it")
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = path.resolve(strict=True)
            if not target.is_relative_to(root):
                return Found(name, "it is a link that leaves the source")
            if target.is_dir():
                return None
            mode = target.stat().st_mode
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop of links
        return Found(name, "it is a broken link")
    return Found(name) if stat.S_ISREG(mode) else Found(name, "it is not a regular file")


def list_manifest(file: Path, posted: Mapping[str, str] | None = None) -> Source:
    """List the files named by a CSV, JSON lines or Parquet manifest; other columns are scores (`score:NAME`) or gold.

    Args:
        posted: where files are that came with it, by the names it gives them.

    Raises:
        InputError: if it is unreadable, has no column of paths, or has invalid scores.
    """
    table = read_table(file)
    root = file.resolve().parent
    paths = find_column(table, PATH_COLUMNS)
    if paths is None:
        raise InputError(_without_paths(file, [str(column) for column in table.columns], root))
    answers = find_column(table, ("label",))
    scores = read_columns(table, file)
    others = [str(c) for c in table.columns if c != paths and not is_score_column(str(c))]
    golds = {c: "label" if c == answers else c for c in others}  # 'Label' is 'label'
    found: dict[str, Found] = {}
    lines = []
    for line in table.to_dict("records"):
        gold = {name: str(line[column]) for column, name in golds.items() if line[column]}
        text = str(line[paths])
        kept = (posted or {}).get(os.path.normpath(text.replace("\\", "/")))
        named = Found(kept, gold=gold, named=True) if kept else _inspect_named(text, root, gold)
        before = found.get(named.path)
        found[named.path] = named if before is None else _both(before, named)
        lines.append(named.path)
    return Source(list(found.values()), table.attrs["left_out"], scores, lines)


def _without_paths(file: Path, columns: Sequence[str], root: Path) -> str:
    if any(_is_there(_path_of(column, root)) for column in columns[:3]):
        return f"{file} has no line with column names; put one above the first line, such as path,label."
    listed = ", ".join(column[:40] for column in columns[:8]) + (", …" if len(columns) > 8 else "")
    return f"{file} has the columns {listed}; a manifest needs a column 'path', and may have 'label' and 'score:NAME'."


def _both(first: Found, second: Found) -> Found:
    """Merge two lines for one file: the first value of each column counts, and contradictions are recorded."""
    contradicted = {column for column, value in second.gold.items() if first.gold.get(column, value) != value}
    return replace(first, gold={**second.gold, **first.gold}, contradicted=first.contradicted | contradicted)


def _path_of(text: str, root: Path) -> Path:
    """Return the path that a manifest means; backslashes are separators, as on Windows, unless such a file exists."""
    path = Path(text) if os.path.isabs(text) else Path(os.path.normpath(root / text))
    if "\\" in text and "\0" not in text and not _is_there(path):
        return Path(os.path.normpath(root / text.replace("\\", "/")))
    return path


def _confined(file: Found, roots: Sequence[Path]) -> Found:
    """Return a file, with a reason not to open it if it is outside of all `roots`, links followed."""
    found = Path(os.path.realpath(file.path))
    if file.reason or any(found.is_relative_to(root) for root in roots):
        return file
    return replace(file, reason="it is outside of the folder whose files may be named here")


def _is_there(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


def _inspect_named(text: str, root: Path, gold: Mapping[str, str]) -> Found:
    return replace(_named(text, _path_of(text, root), root, gold), named=True)


def _named(text: str, path: Path, root: Path, gold: Mapping[str, str]) -> Found:
    if not text:
        return Found(str(path), "the manifest gives no path")
    if "\0" in text:
        return Found(text.replace("\0", "\\0"), "its path contains a NUL character")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        return Found(text, "it is a web address; download the file and give its path")
    if not os.path.isabs(text) and re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return Found(_printable(Path(text)), "it is a path on a Windows drive; give it relative to the manifest's folder")
    if os.path.isabs(text):  # explicitly given by the user, so it may be anywhere
        return Found(_printable(path), gold=gold)
    if not path.is_relative_to(root):
        return Found(_printable(path), "its path leaves the manifest's folder")
    try:
        if not os.path.lexists(path):
            return Found(_printable(path), "there is no such file")
        if not path.parent.resolve().is_relative_to(root):
            return Found(_printable(path), "it is behind a link that leaves the manifest's folder")
    except (OSError, RuntimeError) as error:
        return Found(_printable(path), f"its path cannot be followed ({getattr(error, 'strerror', None) or 'a loop of links'})")
    inspected = inspect(path, root)
    return Found(_printable(path), inspected.reason if inspected else "it is not a regular file", gold)


# -- decoding on all cores --


def _read_batches(
    files: Sequence[Found], catalog: Catalog, fetching: Fetching, *, ahead: int
) -> Iterator[tuple[Sequence[Found], list[FileRead | None], RemoteError | None]]:
    """Yield batches in order with their reads, None for known files, decoding ahead of the caller.

    A batch ends early, with the reason, where nothing can be fetched any more.
    """
    waiting: deque[list[tuple[Found, Future[Any] | FileRead | None]]] = deque()
    for batch in _batches(files, catalog):
        waiting.append([(file, None if skip else _submit(file, fetching)) for file, skip in batch])
        if len(waiting) > ahead:
            yield _settle(waiting.popleft())
    while waiting:
        yield _settle(waiting.popleft())


def _batches(files: Sequence[Found], catalog: Catalog) -> Iterator[list[tuple[Found, bool]]]:
    """Split the files, in order, into batches with at most `BATCH` files that have to be read."""
    batch: list[tuple[Found, bool]] = []
    n_new = 0
    known: Mapping[str, tuple[int, int]] = {}
    for place, file in enumerate(files):
        if place % MOST_KNOWN == 0:
            known = catalog.images.known_states([later.path for later in files[place : place + MOST_KNOWN]])
        skip = _is_known(file, known)
        batch.append((file, skip))
        n_new += not skip
        if n_new == BATCH or len(batch) == MOST_KNOWN:
            yield batch
            batch, n_new = [], 0
    if batch:
        yield batch


def _submit(file: Found, fetching: Fetching) -> Future[Any] | FileRead:
    if file.reason:
        return FileRead(file.path, reason=file.reason)
    if file.state is not None:
        return fetching.submit(file.path, *file.state)
    return fetching.readers.submit(read_file, file.path)


def _settle(
    work: list[tuple[Found, Future[Any] | FileRead | None]],
) -> tuple[Sequence[Found], list[FileRead | None], RemoteError | None]:
    reads: list[FileRead | None] = []
    for file, read in work:
        try:
            reads.append(_result(file, read))
        except RemoteError as error:
            return [file for file, _ in work[: len(reads)]], reads, error
    return [file for file, _ in work], reads, None


def _result(file: Found, read: Future[Any] | FileRead | None) -> FileRead | None:
    if read is None or isinstance(read, FileRead):
        return read
    try:
        answer: FileRead = read.result()
        return answer
    except (TookTooLongError, CrashedError) as error:
        seen = visited(file.path) if file.state is None else FileRead(file.path, *file.state)
        return replace(seen, reason=f"decoding it {error}")
