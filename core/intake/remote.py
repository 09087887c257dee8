"""Ingest from stores and web servers: all pictures below an address, one picture, or a ZIP archive. Takes the workspace."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from core.arrays import Progress
from core.errors import InputError
from core.images.kinds import HEAD, PICTURES, FileKind, kind_of, reason_of
from core.intake.archives import LARGEST_ARCHIVE, unpack, whole_archive
from core.intake.ingest import Found, IngestResult, Source, ingest_files, nothing
from core.intake.uploads import ingest_batches, make_folder, need_room, rejections
from core.remote.addresses import WEB, checked_address, scheme_of
from core.remote.fetch import LARGEST, download, key_of, list_files, read_file
from core.remote.stores import Listed
from core.workspace import Workspace

Stage = Callable[[str], Progress]
"""Returns the function that tells how far a stage is."""


def ingest_remote(
    workspace: Workspace,
    address: str,
    *,
    on_stage: Stage,
    workers: int | None = None,
    nice: int = 0,
    on_commit: Callable[[], None] = nothing,
) -> tuple[str, IngestResult]:
    """Ingest what is at an address; return what is said of it, and the result.

    Pictures are fetched, and fetched again whenever their originals are needed: they are not copied. Those in a ZIP archive are
    kept in the workspace as posted ones are. Known files are not fetched again, so an interrupted run goes on.

    Raises:
        InputError: if the address is not of a kind that is taken, or what is there is neither a picture nor a ZIP archive.
        RemoteError: if nothing is there, it may not be read, or it cannot be read now; what was read before is kept.
    """
    workspace.need_writable()
    address = checked_address(address)
    on_stage("Listing files")(0, 0)
    files = list_files(address)
    if [file.address for file in files] == [address]:
        files = [_alone(files[0])]
        head = read_file(address, HEAD) if files[0].n_bytes else b""
        if kind_of(head) == FileKind.ZIP:
            return _ingest_archive(workspace, files[0], on_stage, workers=workers, nice=nice, on_commit=on_commit)
        if kind_of(head) not in PICTURES:
            why = reason_of(kind_of(head)) if head else "it is empty (0 bytes)"
            raise InputError(f"{address} is not ingested: {why}. Give a folder of a bucket, a ZIP archive or a picture.")
    found = Source([Found(file.address, state=(file.n_bytes, file.mtime_ns)) for file in files])
    reading = on_stage("Reading pictures")
    result = ingest_files(workspace, found, workers=workers, nice=nice, on_progress=reading, on_commit=on_commit)
    workspace.catalog.images.add_source(address)
    return result.sentence, result


def _alone(file: Listed) -> Listed:
    """Return a file with its size, which some web servers do not say."""
    if file.n_bytes or scheme_of(file.address) not in WEB:
        return file
    return file._replace(n_bytes=len(read_file(file.address, LARGEST + 1)))


def _ingest_archive(
    workspace: Workspace, file: Listed, on_stage: Stage, *, workers: int | None, nice: int, on_commit: Callable[[], None]
) -> tuple[str, IngestResult]:
    """Download, unpack and ingest a ZIP archive. What was unpacked stays if this is interrupted, and counts once."""
    folder, address = workspace.folder, file.address
    whole = whole_archive(folder, key_of(address))
    make_folder(whole.parent)
    part = whole.with_suffix(".part")
    try:
        room = partial(need_room, folder)
        download(address, part, most=LARGEST_ARCHIVE, on_progress=on_stage("Downloading"), need_room=room)
        unpacked = unpack(folder, part, Path(address).name, on_progress=on_stage("Unpacking"))
    finally:
        part.unlink(missing_ok=True)
    reading = on_stage("Reading pictures")
    result = ingest_batches(workspace, workers=workers, nice=nice, on_progress=reading, on_commit=on_commit)
    if result is None:  # no picture was in it, and none waits
        return unpacked.sentence, IngestResult(0, 0, 0, [])
    said = f"{unpacked.sentence} {result.sentence}{rejections(folder, result.rejected)}"
    return said, result
