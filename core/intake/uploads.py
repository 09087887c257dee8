"""Pictures that other programs post: on disk before anybody is told so, then ingested batch by batch."""

import errno
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.images.kinds import HEAD, PICTURES, kind_of, reason_of
from core.images.visits import content_id
from core.intake.ingest import Found, IngestResult, Source, ingest_files, list_manifest, was_removed
from core.store.files import STEERING, atomic_path, fsync_folder, shown, write_json_atomic
from core.store.troubles import sentence_of
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.intake")
FOLDER, WAITING = "uploads", "waiting"
MANIFESTS, NAMES = "manifests", ".names.json"
ID = "[0-9a-f]{32}"  # of an image
LARGEST = 64 * 2**20  # bytes of a posted picture
SPARE = 256 * 2**20  # bytes of the disk that no picture takes: labels must find room
LONGEST_PART, MOST_PARTS = 120, 6  # bytes of a name's part, and parts of a name that are kept
MOST_NAMED = 10  # refused files in a sentence


def picture_reason(content: bytes) -> str:
    """Return why the beginning of a file is that of no picture; "" if it is one. The whole is judged when it is ingested."""
    if not content:
        return "it is empty (0 bytes)"
    kind = kind_of(content[:HEAD])
    return "" if kind in PICTURES else reason_of(kind)


def kept_file(folder: Path, image_id: str) -> Path | None:
    """Return where a posted picture of the workspace in `folder` is kept, None if it is not: the same content is one file."""
    inside = folder / FOLDER / image_id[:2] / image_id
    return next((file for file in sorted(inside.rglob("*")) if file.is_file() and not file.name.startswith(".")), None)


def forget_picture(folder: Path, image_id: str) -> None:
    """Remove a posted picture, under whatever names it is kept; nothing happens if it is not."""
    if re.fullmatch(ID, image_id):
        shutil.rmtree(folder / FOLDER / image_id[:2] / image_id, ignore_errors=True)


def safe_name(name: str) -> Path:
    """Return a posted name as a relative path that leaves no folder and that every disk takes."""
    parts = [STEERING.sub("_", part).lstrip(".").strip() for part in re.split(r"[/\\]+", name)]
    kept = [part.encode()[-LONGEST_PART:].decode(errors="ignore") for part in parts if part][-MOST_PARTS:]
    return Path(*kept) if kept else Path("picture")


def keep_picture(folder: Path, content: bytes, name: str) -> tuple[str, Path]:
    """Keep a picture under the name it was posted with, or was first; return its image's id and its file.

    Once this returns it survives a power cut.

    Raises:
        OSError: if the disk is full, or would be but for what labels need.
    """
    image_id = content_id(content)
    if (kept := kept_file(folder, image_id)) is not None:
        return image_id, kept
    need_room(folder, len(content))
    file = folder / FOLDER / image_id[:2] / image_id / safe_name(name)
    make_folder(file.parent)
    with atomic_path(file) as aside:
        aside.write_bytes(content)
    return image_id, file


def keep_manifest(folder: Path, content: bytes, name: str, ids: Mapping[str, str]) -> Path:
    """Keep a posted manifest, and which of the posted pictures it means by which name; return its file.

    Args:
        ids: of the pictures, by their paths beside the manifest.
    Raises:
        InputError: if it is no manifest.
    """
    named = json.dumps(dict(ids), sort_keys=True)
    file = folder / FOLDER / MANIFESTS / content_id(content + named.encode()) / safe_name(name).name
    make_folder(file.parent)
    with atomic_path(file.with_name(NAMES)) as aside:
        aside.write_text(named, encoding="utf-8")
    with atomic_path(file) as aside:
        aside.write_bytes(content)
    try:
        list_manifest(file)
    except InputError as error:
        shutil.rmtree(file.parent)
        raise InputError(str(error).replace(str(file), name)) from None
    return file


def posted_with(folder: Path, manifest: Path) -> dict[str, str] | None:
    """Return where the pictures are that were posted with a manifest, by their names in it; None if it was not posted."""
    if manifest.parent.parent != folder / FOLDER / MANIFESTS:
        return None
    ids = json.loads(manifest.with_name(NAMES).read_text(encoding="utf-8"))
    kept = {name: kept_file(folder, image_id) for name, image_id in ids.items() if re.fullmatch(ID, image_id)}
    return {os.path.normpath(name): str(file) for name, file in kept.items() if file is not None}


def need_room(folder: Path, n_bytes: int) -> None:
    """Check that the disk takes so many bytes and still has room for labels.

    Raises:
        OSError: if it does not.
    """
    if shutil.disk_usage(folder).free < n_bytes + SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def posted_name(folder: Path, path: str) -> str:
    """Return the name under which a file was posted, with its folders; without them for a file that was not posted."""
    try:
        return str(Path(*Path(path).relative_to(folder / FOLDER).parts[2:]))
    except ValueError:
        return os.path.basename(path)


def named(files: Sequence[tuple[str, str]]) -> str:
    """Name the first of files that are refused, each with its reason."""
    told = "; ".join(f"{shown(name)} ({shown(reason)})" for name, reason in files[:MOST_NAMED])
    return told + (f"; and {len(files) - MOST_NAMED:,} more" if len(files) > MOST_NAMED else "")


def rejections(folder: Path, rejected: Sequence[tuple[str, str]]) -> str:
    """Name rejected files as they were posted, for the end of a job's sentence; "" if there are none."""
    return f" Rejected: {named([(posted_name(folder, path), why) for path, why in rejected])}." if rejected else ""


def make_folder(folder: Path) -> None:
    """Make a folder that survives a power cut."""
    new = [part for part in (folder, *folder.parents) if not part.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in new:
        fsync_folder(part.parent)


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
    if gone := workspace.catalog.removals.ids([image_id]):
        return Standing(reason=was_removed(gone[image_id]))
    file = kept_file(workspace.folder, image_id)
    return None if file is None else Standing(reason=images.reason_of(str(file)) or "")


def below(root: Path, path: str) -> Path:
    """Return what a posted path names, links followed.

    Raises:
        InputError: if it is not below `root`, or nothing is there.
    """
    if "\0" in path or not os.path.isabs(path):
        raise InputError(f"The path {path!r} is not absolute; give the whole path of something below {root}.")
    found = Path(os.path.realpath(path))
    if not found.is_relative_to(os.path.realpath(root)):
        raise InputError(
            f"{path} is not below {root}, the only folder whose files may be named; LASSOSCOPE_INTAKE names another."
        )
    try:
        there = found.exists()
    except OSError as error:  # such as a name that is too long
        raise InputError(sentence_of(error) or f"{path} cannot be looked at: {error}.") from error
    if not there:
        raise InputError(f"There is no {path} on the computer that this server runs on; check the path.")
    return found


def file_below(root: Path, path: str) -> Path:
    """Return the file that a posted path names, as `below` does; it must be a regular file."""
    found = below(root, path)
    if not found.is_file():
        raise InputError(f"{path} is not a regular file; give the path of a picture.")
    return found


def add_batch(folder: Path, paths: Sequence[Path]) -> Path:
    """Note files that are to be ingested; once this returns the note survives a power cut."""
    file = folder / FOLDER / WAITING / f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    make_folder(file.parent)
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
