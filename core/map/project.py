"""Lay a workspace's images out on a map. Each verb takes the workspace."""

import logging
import secrets
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.arrays import IntArray, Progress, ignore
from core.catalog.models import ProjectionRecord
from core.devices import pick_device, to_device
from core.duplicates.search import find_copies
from core.embeddings.embedded import Embedded
from core.embeddings.neighbours import unit_embeddings
from core.errors import WHAT_TO_DO, DamageError, WorkspaceError
from core.map.engines import Neighbours
from core.map.layout import N_NEIGHBOURS, exact_neighbours, lay_out
from core.map.place import place
from core.maths.procrustes import displacement, laid_over
from core.store.files import atomic_path
from core.wording import counted, percent
from core.workers import Tell, Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.map")


EXACT_ON_GPU = 2_000_000  # images; the work grows with the square of their number


def _near_on_gpu(embedded: Embedded, rows: IntArray) -> Neighbours | None:
    """Find the neighbours of the embeddings that live on the GPU; None if there are too many or too few, or it is too small.

    Args:
        rows: (n,) those of the embeddings that are laid out; neighbours are positions in it.
    """
    if not N_NEIGHBOURS < len(rows) <= EXACT_ON_GPU:
        return None
    try:
        unit = unit_embeddings(embedded, standardised=False)
        return exact_neighbours(unit if len(rows) == len(unit) else unit[to_device(rows, unit.device)], N_NEIGHBOURS)
    except torch.OutOfMemoryError:
        LOG.warning("the map's neighbours are found on the CPU, because the GPU has too little memory")
    return None


class ProjectResult(ProjectionRecord):
    """The result of `project`."""

    projection: int  # version of the map
    encoder: str | None
    images: int


def project_sentence(result: ProjectResult) -> str:
    """State the result."""
    trust = result["trustworthiness"]
    quality = "too few images to measure it" if trust is None else f"trustworthiness {trust:.3f}"
    said = f"{counted(result['images'], 'image')} on the map, {quality}."
    moved = result.get("moved")
    if moved is not None:
        said += f" It was laid out from the map before: on average an image moved by {percent(moved)} of the map's radius."
    return said


def project(
    workspace: Workspace,
    *,
    seed: int = 0,
    keep: bool = False,
    device: str = "auto",
    pool: Workers | None = None,
    on_progress: Progress = ignore,
    on_copies: Progress = ignore,
) -> ProjectResult:
    """Lay all embedded images out on a map with UMAP; store the map, the neighbours and the trustworthiness.

    Args:
        seed: the same seed gives the same map on the same device.
        keep: start from the places that images have on the map there is, so that islands stay where they are; those that have
            none are placed first. Without a map, it is laid out as ever.
        device: "auto", "cpu", "cuda" or "cuda:N"; UMAP runs on a CUDA device if cuML is installed.
        pool: processes that do the heavy part; None for this one.
        on_progress: called with (epochs done, epochs).
        on_copies: called with (images compared, images to compare) by the search for near-duplicates, which follows if
            there were too many images for `embed` to do it.
    Raises:
        InputError: if there is no such device.
        WorkspaceError: if nothing is embedded, or embeddings are lost.
        DamageError: if embeddings are not finite.
    """
    workspace.need_writable()
    pick_device(device)
    if workspace.current.lost_parts:  # a map of the rest would leave these images out
        raise WorkspaceError(workspace.current.lost_parts)
    workspace.current.need_matrix()
    if keep and workspace.projection is not None:
        place(workspace, pool=pool)
    if pool is None:
        made = _lay_out(workspace, seed, keep, device, on_progress)
    else:
        told = partial(_as_progress, on_progress)
        made = pool.submit_telling(lay_out_aside, workspace.folder, seed, keep, device, on_told=told).result()
    version = workspace.catalog.models.add_projection(made.encoder, made.n_rows, made.file, made.record)
    workspace.reopen_encoder()
    facts = {"encoder": made.encoder, "images": made.n_rows, **made.record}
    LOG.info("map made", extra=facts)
    find_copies(workspace, neighbours_file=workspace.folder / made.record["neighbours"], pool=pool, on_progress=on_copies)
    n_removed = int(workspace.removed[: made.n_rows].sum())
    return {"projection": version, "encoder": made.encoder, "images": made.n_rows - n_removed, **made.record}


@dataclass(frozen=True)
class _Made:
    """A map whose files are written, and that no catalog names yet."""

    encoder: str
    n_rows: int
    file: str  # relative to the workspace
    record: ProjectionRecord


def lay_out_aside(folder: Path, seed: int, keep: bool, device: str, tell: Tell) -> _Made:
    """Lay out the images of the workspace in `folder` in a process of its own; the catalog does not change."""
    with Workspace(folder, read_only=True, device=device) as workspace:
        return _lay_out(workspace, seed, keep, device, partial(tell, "Laying out the map"))


def _as_progress(on_progress: Progress, _stage: str, done: int, total: int) -> None:
    on_progress(done, total)


def _lay_out(workspace: Workspace, seed: int, keep: bool, device: str, on_progress: Progress) -> _Made:
    """Lay out the embedded images, and write the map and the neighbours.

    Raises:
        DamageError: if embeddings are not finite.
    """
    runs_on = pick_device(device)
    matrix, encoder = workspace.current.need_matrix(), workspace.encoder_name
    rows = np.flatnonzero(~workspace.removed[: matrix.rows])
    x = matrix.take(rows)
    if not np.isfinite(x).all():
        raise DamageError(f"Embeddings by {encoder} are damaged (they hold NaN); {WHAT_TO_DO}.")
    near = _near_on_gpu(replace(workspace.current, device=device), rows) if runs_on.type == "cuda" else None
    before = workspace.xy[rows]
    start = before if keep and np.isfinite(before).all() else None
    found = lay_out(x, seed=seed, start=start, neighbours=near, device=runs_on, on_epoch=on_progress)
    xy = found.xy if start is None else laid_over(found.xy, before)
    stem = f"projection/{secrets.token_hex(6)}"
    whole = _in_rows(xy, rows, matrix.rows, np.nan), _in_rows(_named(found.neighbour_rows, rows), rows, matrix.rows, -1)
    for suffix, array in zip((".npy", "-neighbours.npy"), whole, strict=True):
        with atomic_path(workspace.folder / f"{stem}{suffix}") as aside, aside.open("wb") as file:
            np.save(file, array)
    trust = None if np.isnan(found.trustworthiness) else round(found.trustworthiness, 4)
    neighbours = f"{stem}-neighbours.npy"
    record: ProjectionRecord = {"seed": seed, "engine": found.engine, "trustworthiness": trust, "neighbours": neighbours}
    if start is not None:
        record["moved"] = round(displacement(xy, before), 4)
    return _Made(str(encoder), matrix.rows, f"{stem}.npy", record)


def _in_rows(values: np.ndarray[Any, Any], rows: IntArray, n_rows: int, fill: float) -> np.ndarray[Any, Any]:
    """Return an array of all images with values (n, K) in n of its rows."""
    if len(rows) == n_rows:
        return values
    found = np.full((n_rows, values.shape[1]), fill, values.dtype)
    found[rows] = values
    return found


def _named(places: IntArray, rows: IntArray) -> IntArray:
    """Turn positions among rows, (n, K) with -1 for none, into these rows."""
    return np.where(places < 0, -1, rows[places]).astype(np.int32)
