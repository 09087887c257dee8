"""Repair a damaged workspace as far as possible. `core.doctor.health` reports the problems."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.arrays import Progress, ignore
from core.catalog.creation import FolderState, state_of
from core.catalog.models import layout_version
from core.catalog.salvage import check_catalog, finish_repair, repair_catalog
from core.embeddings.embedded import lost_parts, spoilt_parts
from core.encoders.chosen import KnownEncoder, encoders, other_encoder, use_encoder
from core.encoders.embed import embed
from core.errors import AppError, WorkspaceError
from core.evidence.queues import check_read
from core.intake.thumbnails import restore_thumbnails
from core.labels.classes import unknown_classes
from core.map.clusters import cluster, clustering, stored_clusters
from core.map.density import GRAINS
from core.map.project import project
from core.store.lock import locked
from core.wording import counted
from core.workspace import Workspace

OLD = 3_600.0  # s; temporary files of running processes without the workspace's lock (train, export) are younger


@dataclass
class Repair:
    """The outcome of a repair, in sentences."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # what cannot be repaired, and what to do


def repair(folder: Path, *, device: str = "auto", on_progress: Progress = ignore) -> Repair:
    """Repair what can be repaired; readable data stays, and a damaged catalog is kept beside the new one.

    Args:
        device: for embedding images again, and for the map.
        on_progress: called with (images done, images) while images are embedded again.
    Raises:
        WorkspaceError: if there is no workspace, another process has it open, or its catalog is not readable at all.
    """
    came = Repair()
    if state_of(folder) != FolderState.COMPLETE:
        raise WorkspaceError(f"There is no workspace in {folder}; create one with 'lassoscope ingest SOURCE'.")
    with locked(folder):
        finish_repair(folder)
        if check_catalog(folder / "catalog.sqlite"):
            found = repair_catalog(folder)
            came.done.append(
                f"The catalog was damaged and has been rebuilt; the damaged one is kept beside it. {found.sentence}"
            )
        came.done += _remove_leftovers(folder)
    with Workspace(folder, device=device) as space:
        _renew_records(space, came)
        _renew_thumbnails(space, came)
        _renew_embeddings(space, came, device, on_progress)
        _renew_map(space, came, device)
    return came


def _remove_leftovers(folder: Path) -> list[str]:
    """Remove temporary files of killed processes."""
    own = [path for pattern in ("", "embeddings/*/", "projection/", "clusters/") for path in folder.glob(f"{pattern}.*.part*")]
    others = [path for pattern in ("models/", "exports/**/", "experiments/*/") for path in folder.glob(f"{pattern}.*.part")]
    old = [path for path in own + others if path.is_file() and (path in own or time.time() - path.stat().st_mtime > OLD)]
    for path in old:
        path.unlink(missing_ok=True)
    return [f"Removed {counted(len(old), 'unfinished file')}."] if old else []


# -- the catalog's records --


def _renew_records(space: Workspace, came: Repair) -> None:
    catalog = space.catalog
    if catalog.settings.get("salt") is None:  # known images keep their halves; new ones need a salt
        catalog.settings.set("salt", secrets.token_hex(8))
        came.done.append("New images are assigned to halves by a new random number; known images keep their halves.")
    if encoder := other_encoder(space):
        use_encoder(space, encoder)
        came.done.append(f"The record of the encoder in use was lost; {encoder} is in use now.")
    if unknown := unknown_classes(space):
        catalog.labels.set_classes(space.classes)
        came.done.append(
            f"The classes {', '.join(unknown)} are in the list again, as not flagged; correct that with 'classes --set'."
        )
        space.reload()
    lost_set = catalog.evidence.check_set() is None and bool(catalog.evidence.openings())
    if lost_set:
        last = float(space.check_order[check_read(space)].max(initial=-1.0))
        number = 1 + max(int(opened["check_set"]) for opened in catalog.evidence.openings())
        space.set_check_set(replace(space.check_set, number=number, after=last))
        came.done.append(
            f"The terms of the check set were lost; check set {number} starts after all images that have been read."
        )


def _renew_thumbnails(space: Workspace, came: Repair) -> None:
    if space.thumbnails.damage:
        kept = space.thumbnails.renew()
        came.done.append(
            f"thumbnails.sqlite was damaged: {counted(kept, 'thumbnail')} were saved; the old file is kept beside the new one."
        )
    made, gone = restore_thumbnails(space)
    if made:
        came.done.append(f"Rebuilt {counted(made, 'thumbnail')}.")
    if gone:
        came.left.append(
            f"{counted(gone, 'thumbnail')} cannot be rebuilt: files are missing or changed; restore them or thumbnails.sqlite."
        )


# -- embeddings, map, clusters --


def _renew_embeddings(space: Workspace, came: Repair, device: str, on_progress: Progress) -> None:
    current = space.encoder_name
    for known in encoders(space):
        name = known["name"]
        if not _spoil(space, name) and not lost_parts(space.folder, space.catalog.models.parts(name)):
            continue

        def embed_again(known: KnownEncoder = known) -> str:
            source, size = known["record"].get("source"), known["record"].get("asked_size")
            result = embed(space, source, size=size, device=device, on_progress=on_progress)
            if result["encoder"] != known["name"]:
                raise WorkspaceError(f"its weights have changed and are {result['encoder']} now")
            return f"Embedded {counted(result['embedded'], 'image')} again with {known['name']}."

        _try(came, f"The lost embeddings by {name}", embed_again)
    if current is not None and space.encoder_name != current:
        use_encoder(space, current)


def _spoil(space: Workspace, encoder: str) -> int:
    """Delete the parts that contain NaN, so that they count as lost; return how many."""
    bad = spoilt_parts(space.folder, space.catalog.models.parts(encoder))
    for file in bad:
        (space.folder / file).unlink()
    return len(bad)


def _renew_map(space: Workspace, came: Repair, device: str) -> None:
    current = space.current
    if current.lost_map and not current.lost_parts:
        record = space.catalog.models.latest_projection(str(space.encoder_name))
        seed = int(record["record"].get("seed", 0)) if record else 0

        def project_again() -> str:
            return f"Rebuilt the map of {counted(project(space, seed=seed, device=device)['images'], 'image')}."

        _try(came, "The map", project_again)
    if are_clusters_lost(space):

        def find_again() -> str:
            return f"Found {counted(sum(len(found.names) for found in cluster(space).values()), 'cluster')} again."

        _try(came, "The clusters", find_again)


def _try(came: Repair, what: str, verb: Callable[[], str]) -> None:
    try:
        came.done.append(verb())
    except AppError as error:
        came.left.append(f"{what} cannot be restored: {error}")


def are_clusters_lost(space: Workspace) -> bool:
    """Tell whether saved clusters of the current map cannot be read."""
    stored, current = stored_clusters(space), space.projection
    if stored is None or current is None:
        return space.catalog.models.clusters() is not None and current is not None
    if stored.projection != layout_version(current):
        return False
    return any(clustering(space, grain) is None for grain in GRAINS)
