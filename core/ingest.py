"""Take images in: find files, decode on all cores, commit batch by batch. Interrupted, it goes on next time."""

import multiprocessing
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from core.arrays import Progress, ignore
from core.catalog import Catalog, ImageRecord, PathRecord, Rejected
from core.errors import InputError
from core.groups import Grouper
from core.reading import FileRead, read_file
from core.tables import read_table
from core.thumbnails import ThumbnailStore
from core.workers import end_with_parent

BATCH = 256  # files per commit: a kill loses a second of work, and a commit costs a few milliseconds


@dataclass(frozen=True)
class Found:
    """One file of a source, before it is opened."""

    path: str  # absolute; UTF-8 always, other bytes escaped
    reason: str = ""  # why it must not be opened; "" = read it
    gold: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class IngestResult:
    """What a source came to."""

    added: int  # images taken in now
    already: int  # files known from an earlier run, taken or rejected
    duplicates: int  # files of this run with the very bytes of another
    rejected: list[tuple[str, str]]  # (path, reason) of every rejected file of the source, this run's and earlier


def ingest(
    source: Path,
    catalog: Catalog,
    thumbnails: ThumbnailStore,
    *,
    workers: int | None = None,
    on_progress: Progress = ignore,
) -> IngestResult:
    """Take in a folder tree, or a CSV or Parquet manifest (`path` and gold columns).

    Files that are known are not read again; gold labels that the manifest has for them are kept, the newest each.

    Args:
        source: relative paths in a manifest are relative to its folder and must stay inside; absolute ones are taken.
        workers: decoding processes, all cores if None.
        on_progress: told (files done, files).
    Returns:
        an `IngestResult`.
    Raises:
        InputError: if the source is missing, empty or no readable manifest.
    """
    files = list_folder(source) if source.is_dir() else list_manifest(source)
    if not files:
        raise InputError(f"{source} holds no files; name a folder with images, or a manifest with a column 'path'.")
    known = catalog.known_paths()
    todo = [file for file in files if not _is_known(file, known)]
    grouper, seen = Grouper(catalog.known_hashes()), {image_id for image_id, _, _ in catalog.known_hashes()}
    already = len(files) - len(todo)
    catalog.set_gold({file.path: file.gold for file in files if file.gold and file.path in known})
    added = duplicates = 0
    done = already
    on_progress(done, len(files))
    for batch, reads in _read_batches(todo, workers or os.cpu_count() or 1):
        images, paths, rejected, pictures = [], [], [], []
        for file, read in zip(batch, reads, strict=True):
            if read.reason:
                rejected.append(Rejected(file.path, read.reason, read.n_bytes, read.mtime_ns))
                continue
            paths.append(PathRecord(file.path, read.id, read.n_bytes, read.mtime_ns))
            if read.id in seen:
                duplicates += 1
                continue
            seen.add(read.id)
            pictures.append((read.id, read.thumbnail))
            images.append(_record(file, read, grouper.add(read.id, read.hash)))
        thumbnails.put_many(pictures)  # before the catalog names them: a named image always has its thumbnail
        catalog.add_batch(images, paths, rejected)
        added, done = added + len(images), done + len(batch)
        on_progress(done, len(files))
    mine = {file.path for file in files}
    reasons = [(r.path, r.reason) for r in catalog.rejected() if r.path in mine]
    return IngestResult(added, already, duplicates, reasons)


def _record(file: Found, read: FileRead, group: str) -> ImageRecord:
    return ImageRecord(
        read.id, file.path, read.width, read.height, read.n_bytes, read.format, read.hash, group, file.gold, read.text
    )


def _is_known(file: Found, known: Mapping[str, tuple[int, int]]) -> bool:
    """Tell whether the file was seen before and has not changed since."""
    if file.path not in known:
        return False
    if file.reason:
        return True
    try:
        found = os.stat(file.path)
    except OSError:
        return known[file.path] == (0, 0)
    return known[file.path] == (found.st_size, found.st_mtime_ns)


# -- finding files --


def list_folder(source: Path) -> list[Found]:
    """List every file below a folder, sorted by path.

    Links to files inside are other names of those files, links to folders inside are passed over (what they hold is
    listed anyway, and loops end), links that leave the folder and folders that may not be read are given a reason.
    """
    root = source.resolve()
    found: list[Found | None] = []

    def unreadable(error: OSError) -> None:
        found.append(Found(_printable(Path(error.filename)), f"the folder cannot be read ({error.strerror})"))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        inside = Path(folder)
        links = [name for name in folders if (inside / name).is_symlink()]
        found += [_inspect(inside / name, root) for name in (*names, *links)]
    return sorted(_unique(f for f in found if f is not None), key=lambda f: f.path)


def _unique(files: Iterable[Found]) -> Iterator[Found]:
    """Pass each path on once; where an escaped name equals another file's own, that file is kept."""
    by_path: dict[str, Found] = {}
    for file in files:
        if file.path not in by_path or by_path[file.path].reason:
            by_path[file.path] = file
    yield from by_path.values()


def _printable(path: Path) -> str:
    """Return a path as valid UTF-8; other bytes are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _inspect(path: Path, root: Path) -> Found | None:
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
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return Found(name, "it is a link that leads nowhere")
    return Found(name) if stat.S_ISREG(mode) else Found(name, "it is no regular file")


def list_manifest(file: Path) -> list[Found]:
    """List the files a CSV or Parquet manifest names; columns besides `path` are gold labels.

    Raises:
        InputError: if it is unreadable or has no column `path`.
    """
    table = read_table(file)
    if "path" not in table.columns:
        columns = ", ".join(map(str, table.columns))
        raise InputError(f"{file} has the columns {columns}; a manifest needs 'path' (and if known 'label').")
    root = file.resolve().parent
    golds = [str(column) for column in table.columns if column != "path"]
    found: dict[str, Found] = {}
    for line in table.to_dict("records"):
        text = str(line["path"])
        path = Path(text) if os.path.isabs(text) else Path(os.path.normpath(root / text))
        gold = {column: str(line[column]) for column in golds if line[column]}
        named = _inspect_named(text, path, root, gold)
        found.setdefault(named.path, named)
    return list(found.values())


def _inspect_named(text: str, path: Path, root: Path, gold: Mapping[str, str]) -> Found:
    if not text:
        return Found(str(path), "the manifest names no path")
    if "\0" in text:
        return Found(text.replace("\0", "\\0"), "its path holds a NUL character")
    if os.path.isabs(text):  # the user's own word, so it may lie anywhere
        return Found(_printable(path), gold=gold)
    if not path.is_relative_to(root):
        return Found(_printable(path), "its path leaves the manifest's folder")
    try:
        if not os.path.lexists(path):
            return Found(_printable(path), "there is no such file")
        if not path.parent.resolve().is_relative_to(root):
            return Found(_printable(path), "it lies behind a link that leaves the manifest's folder")
    except (OSError, RuntimeError) as error:
        return Found(_printable(path), f"its path cannot be followed ({getattr(error, 'strerror', None) or 'a loop of links'})")
    inspected = _inspect(path, root)
    return Found(_printable(path), inspected.reason if inspected else "it is no regular file", gold)


# -- decoding on all cores --


def _read_batches(todo: Sequence[Found], workers: int) -> Iterator[tuple[Sequence[Found], list[FileRead]]]:
    """Yield batches in order with their reads, decoding ahead of the caller."""
    batches = [todo[i : i + BATCH] for i in range(0, len(todo), BATCH)]
    if not batches:
        return
    with _Readers(workers) as readers:
        ahead: deque[tuple[Sequence[Found], list[Future[FileRead] | FileRead]]] = deque()
        for batch in batches:
            ahead.append((batch, [readers.submit(file) for file in batch]))
            if len(ahead) > 2:
                yield _settle(ahead.popleft(), readers)
        while ahead:
            yield _settle(ahead.popleft(), readers)


def _settle(
    work: tuple[Sequence[Found], list[Future[FileRead] | FileRead]], readers: "_Readers"
) -> tuple[Sequence[Found], list[FileRead]]:
    batch, reads = work
    return batch, [readers.result(file, read) for file, read in zip(batch, reads, strict=True)]


class _Readers:
    """A pool of reader processes that survives a file which kills its reader."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = self._new_pool(workers)
        self._alone: ProcessPoolExecutor | None = None  # one process, for files that were in a pool when it broke

    @staticmethod
    def _new_pool(workers: int) -> ProcessPoolExecutor:
        # Not fork: the caller may be a server with threads.
        return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)

    def __enter__(self) -> "_Readers":
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self._pool, self._alone):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, file: Found) -> Future[FileRead] | FileRead:
        if file.reason:
            return FileRead(file.path, reason=file.reason)
        try:
            return self._pool.submit(read_file, file.path)
        except BrokenProcessPool:
            self._pool = self._new_pool(self._workers)
            return self._pool.submit(read_file, file.path)

    def result(self, file: Found, read: Future[FileRead] | FileRead) -> FileRead:
        if isinstance(read, FileRead):
            return read
        try:
            return read.result()
        except BrokenProcessPool:  # this file or one of hundreds in flight beside it: read it alone to know
            return self._read_alone(file)

    def _read_alone(self, file: Found) -> FileRead:
        self._alone = self._alone or self._new_pool(1)
        try:
            return self._alone.submit(read_file, file.path).result()
        except BrokenProcessPool:
            self._alone = None
            return FileRead(file.path, reason="decoding it crashed the decoder")
