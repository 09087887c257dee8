"""Pictures that other programs post: on disk before anybody is told so, then ingested batch by batch."""

import json
import logging
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.images.kinds import HEAD, PICTURES, kind_of, reason_of
from core.images.visits import content_id
from core.intake.ingest import Found, IngestResult, Source, ingest_files
from core.store.files import atomic_path, fsync_folder, write_json_atomic
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.intake")
FOLDER, WAITING = "uploads", "waiting"


def picture_reason(content: bytes) -> str:
    """Return why the beginning of a file is that of no picture; "" if it is one. The whole is judged when it is ingested."""
    if not content:
        return "it is empty (0 bytes)"
    kind = kind_of(content[:HEAD])
    return "" if kind in PICTURES else reason_of(kind)


def kept_file(folder: Path, image_id: str) -> Path:
    """Return where a posted picture of the workspace in `folder` is kept: the same content is one file, whoever posts it."""
    return folder / FOLDER / image_id[:2] / image_id


def keep_picture(folder: Path, content: bytes) -> tuple[str, Path]:
    """Keep a posted picture; return its image's id and its file. Once this returns it survives a power cut."""
    image_id = content_id(content)
    file = kept_file(folder, image_id)
    if not file.is_file():
        _make_folder(file.parent)
        with atomic_path(file) as aside:
            aside.write_bytes(content)
    return image_id, file


def _make_folder(folder: Path) -> None:
    """Make a folder that survives a power cut."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for parent in (folder.parent, folder.parent.parent):
            fsync_folder(parent)


@dataclass(frozen=True)
class Standing:
    """How far an image that was posted is: in a row, rejected for a reason, or else waiting."""

    row: int | None = None
    reason: str = ""


def standing(workspace: Workspace, image_id: str) -> Standing | None:
    """Return how far an image is; None if nobody posted it, or it was named by a path and is not in the workspace."""
    images = workspace.catalog.images
    row = images.rows_of_ids([image_id]).get(image_id)
    if row is not None:  # committed, and perhaps not yet in memory
        return Standing(row if row < workspace.n_images else None)
    file = kept_file(workspace.folder, image_id)
    reason = images.reason_of(str(file))
    if reason is None and not file.is_file():
        return None
    return Standing(reason=reason or "")


def file_below(root: Path, path: str) -> Path:
    """Return the file that a posted path names, links followed.

    Raises:
        InputError: if it is not a regular file below `root`.
    """
    if "\0" in path or not os.path.isabs(path):
        raise InputError(f"{path!r} is not an absolute path; give the whole path of a file below {root}.")
    found = Path(os.path.realpath(path))
    if not found.is_relative_to(os.path.realpath(root)):
        raise InputError(f"{path} is not below {root}, the only folder whose files may be named.")
    if not found.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    return found


def add_batch(folder: Path, paths: Sequence[Path]) -> Path:
    """Note files that are to be ingested; once this returns the note survives a power cut."""
    file = folder / FOLDER / WAITING / f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    _make_folder(file.parent)
    write_json_atomic(file, [str(path) for path in paths])
    return file


def ingest_batches(workspace: Workspace, **options: Any) -> IngestResult | None:
    """Ingest the files of all batches that wait, and forget these batches; None if none waits.

    Safe to kill: a batch is forgotten once its files are in the catalog, and files that are there already count once.

    Args:
        options: as `core.intake.ingest.ingest_files` takes them.
    """
    batches = sorted((workspace.folder / FOLDER / WAITING).glob("*.json"))
    if not batches:
        return None
    named: dict[str, Found] = {}
    for batch in batches:
        try:
            named |= {path: Found(path, named=True) for path in json.loads(batch.read_text(encoding="utf-8"))}
        except (ValueError, TypeError):
            LOG.exception("%s cannot be read; its pictures have to be posted again", batch)
    result = ingest_files(workspace, Source([*named.values()]), **options)
    for batch in batches:
        batch.unlink(missing_ok=True)
    return result
