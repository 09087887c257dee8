"""Folders, manifests, archives and pictures on the server's disk that somebody names in the page or over HTTP."""

from pathlib import Path

from core.arrays import JsonObject
from core.errors import InputError
from core.images.kinds import HEAD, PICTURES, FileKind, kind_of
from core.intake.uploads import add_batch, below
from core.remote.addresses import is_remote, shown_address

HOW = "'lassoscope ingest ADDRESS', by whoever owns the workspace"


def job_of(folder: Path, root: Path, path: str) -> tuple[str, JsonObject]:
    """Return the kind and the arguments of the job that ingests what a path names.

    Args:
        folder: of the workspace.
        root: the only folder whose files may be named.
    Raises:
        InputError: if it is not below `root`, or neither a folder nor a file.
    """
    if is_remote(path.strip()):
        raise InputError(f"{shown_address(path.strip())} is an address elsewhere, which only the command line fetches: {HOW}.")
    source = below(root, path.strip())
    if source.is_dir():
        return "ingest", {"source": str(source), "below": str(root.resolve())}
    if not source.is_file():
        raise InputError(f"{path} is not a regular file; give a folder, a manifest, a ZIP archive or a picture.")
    with source.open("rb") as file:
        kind = kind_of(file.read(HEAD))
    if kind in PICTURES:
        add_batch(folder, [source])
        return "uploads", {}
    if kind == FileKind.ZIP:
        return "archive", {"file": str(source), "name": source.name}
    return "ingest", {"source": str(source), "below": str(root.resolve())}
