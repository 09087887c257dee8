"""Inboxes: folders whose files are ingested as they arrive. Each verb takes the workspace."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.arrays import JsonObject
from core.errors import InputError
from core.intake.ingest import OWN_FOLDERS, IngestResult, Source, ingest_files, inspect
from core.workspace import Workspace

KEY = "inboxes"  # the setting: absolute paths


def inboxes(workspace: Workspace) -> list[Path]:
    """Return the folders that are watched, in the order in which they were added."""
    return [Path(folder) for folder in workspace.catalog.settings.get(KEY, [])]


def add_inbox(workspace: Workspace, folder: Path) -> Path:
    """Watch a folder from now on, also after a restart; return its path with links followed.

    Raises:
        InputError: if it is not a folder, has to do with one that is watched, or holds the workspace.
        ReadOnlyError: if nothing can be written to the workspace.
    """
    workspace.need_writable()
    found, own, known = Path(os.path.realpath(folder)), Path(os.path.realpath(workspace.folder)), inboxes(workspace)
    if not found.is_dir():
        raise InputError(f"There is no folder {folder}; make it, or check the path.")
    if own.is_relative_to(found):
        raise InputError(f"The workspace is in {folder}; give a folder in which nothing but pictures arrive.")
    if found.is_relative_to(own) and found.relative_to(own).parts[0] in OWN_FOLDERS:
        raise InputError(f"{folder} is one of the workspace's own folders; give a folder in which nothing but pictures arrive.")
    for other in known:
        if found == other:
            raise InputError(f"{folder} is watched already.")
        if found.is_relative_to(other) or other.is_relative_to(found):
            raise InputError(
                f"{folder} and {other}, which is watched, are one inside the other; a folder's subfolders belong to it."
            )
    workspace.catalog.settings.set(KEY, [*map(str, known), str(found)])
    return found


def remove_inbox(workspace: Workspace, folder: Path) -> Path:
    """Watch a folder no longer: its images and files stay as they are.

    Raises:
        InputError: if it is not watched.
        ReadOnlyError: if nothing can be written to the workspace.
    """
    workspace.need_writable()
    known = inboxes(workspace)
    asked = (Path(os.path.abspath(folder)), Path(os.path.realpath(folder)))  # a link may be gone by now
    if (found := next((path for path in asked if path in known), None)) is None:
        listed = ", ".join(map(str, known)) or "none"
        raise InputError(f"{folder} is not watched; watched folders: {listed}.")
    workspace.catalog.settings.set(KEY, [str(path) for path in known if path != found])
    return found


def set_inbox(workspace: Workspace, folder: Path, *, watched: bool) -> tuple[str, JsonObject]:
    """Watch a folder, or watch it no longer; return what is said of it, and what --json prints.

    Raises:
        InputError, ReadOnlyError: as `add_inbox` and `remove_inbox`.
    """
    if watched:
        found = add_inbox(workspace, folder)
        said = f"{found} is an inbox now: while the workspace is served, images that arrive in it are added by themselves."
    else:
        found = remove_inbox(workspace, folder)
        said = f"{found} is no inbox any more; its files and the images from it stay."
    return said, {"folder": str(found), "watched": watched, "inboxes": [str(path) for path in inboxes(workspace)]}


def ingest_arrived(workspace: Workspace, folder: Path, names: Sequence[str], **options: Any) -> IngestResult | None:
    """Ingest files of an inbox; None if all have gone meanwhile.

    Args:
        names: paths relative to the folder.
        options: as `core.intake.ingest.ingest_files` takes them.
    """
    there = [folder / name for name in names if os.path.lexists(folder / name)]
    files = [found for path in there if (found := inspect(path, folder)) is not None]
    if not files:
        return None
    result = ingest_files(workspace, Source(files), **options)
    workspace.catalog.images.add_source(str(folder))
    return result
