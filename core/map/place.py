"""Place images that came later on the map there is: nothing else moves. Each verb takes the workspace."""

import logging
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.catalog.models import ProjectionRecord, layout_version
from core.devices import to_device, to_host
from core.embeddings.embedded import Embedded
from core.errors import WorkspaceError
from core.map.layout import N_NEIGHBOURS
from core.maths.neighbours import unit_rows
from core.store.files import atomic_path
from core.wording import counted, percent
from core.workers import Tell, Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.map")
AT_A_TIME = 1_024  # images whose neighbours are searched in one pass over the embeddings
NEAR = 2.0  # of a place, in median distances of the neighbours: those further away are of another island
OFFER = 0.1  # share of the map that was placed from which a new layout is worth while


class PlaceResult(TypedDict):
    """The result of `place`."""

    projection: int  # version of the map
    placed: int  # images placed now
    images: int  # on the map
    placed_share: float  # of the images on the map, placed rather than laid out


def place_sentence(result: PlaceResult) -> str:
    """State the result."""
    n = counted(result["placed"], "image")
    said = f"{n} placed on the map; nothing else moved."
    if result["placed_share"] > OFFER:
        said += f" {percent(result['placed_share'])} of the map was placed rather than laid out; lay it out anew when it suits."
    return said


def unplaced(workspace: Workspace) -> IntArray:
    """Return the embedded images that are not on the map, (K,) int64 rows, ascending."""
    matrix = workspace.matrix
    known = np.isfinite(workspace.xy[: 0 if matrix is None else matrix.rows, 0])
    return np.flatnonzero(~known)


def place(workspace: Workspace, *, pool: Workers | None = None, on_progress: Progress = ignore) -> PlaceResult:
    """Give every embedded image that is not on the map a place among its neighbours that were laid out.

    Args:
        pool: processes that do the heavy part; None for this one.
        on_progress: called with (images placed, images to place).
    Raises:
        WorkspaceError: if there is no map to place them on.
    """
    workspace.need_writable()
    before = workspace.projection
    if before is None:
        raise WorkspaceError("There is no map to place images on; run 'lassoscope project' first.")
    laid_out = int(before["record"].get("laid_out", before["n_rows"]))
    rows = unplaced(workspace)
    if not len(rows):
        return _result(before["version"], 0, before["n_rows"], laid_out)
    if pool is None:
        made = _place(workspace, laid_out, on_progress)
    else:
        told = partial(_as_progress, on_progress)
        made = pool.submit_telling(place_aside, workspace.folder, workspace.device, laid_out, on_told=told).result()
    record: ProjectionRecord = {**before["record"], "base": layout_version(before), "laid_out": laid_out}
    version = workspace.catalog.models.add_projection(before["encoder"], made.n_rows, made.file, record)
    workspace.reopen_encoder()
    LOG.info("images placed", extra={"images": made.n_placed, "on": before["version"]})
    return _result(version, made.n_placed, made.n_rows, laid_out)


def _result(version: int, n_placed: int, n_rows: int, laid_out: int) -> PlaceResult:
    share = (n_rows - laid_out) / max(n_rows, 1)
    return {"projection": version, "placed": n_placed, "images": n_rows, "placed_share": share}


@dataclass(frozen=True)
class _Placed:
    """A map whose file is written, and that no catalog names yet."""

    n_placed: int
    n_rows: int
    file: str  # relative to the workspace


def place_aside(folder: Path, device: str, laid_out: int, tell: Tell) -> _Placed:
    """Place images of the workspace in `folder` in a process of its own; the catalog does not change."""
    with Workspace(folder, read_only=True, device=device) as workspace:
        return _place(workspace, laid_out, partial(tell, "Placing on the map"))


def _as_progress(on_progress: Progress, _stage: str, done: int, total: int) -> None:
    on_progress(done, total)


def _place(workspace: Workspace, laid_out: int, on_progress: Progress) -> _Placed:
    embedded, rows = workspace.current, unplaced(workspace)
    n_rows = embedded.need_matrix().rows
    xy, done = embedded.xy[:n_rows].copy(), 0
    for start in range(0, len(rows), AT_A_TIME):
        part = rows[start : start + AT_A_TIME]
        near, cosines = embedded.compute(partial(near_laid_out, rows=part, laid_out=laid_out, xy=embedded.xy))
        xy[part] = among(embedded.xy[near], cosines)
        done += len(part)
        on_progress(done, len(rows))
    file = f"projection/{secrets.token_hex(6)}.npy"
    with atomic_path(workspace.folder / file) as aside, aside.open("wb") as opened:
        np.save(opened, xy, allow_pickle=False)
    return _Placed(len(rows), n_rows, file)


def near_laid_out(
    embedded: Embedded, *, rows: IntArray, laid_out: int, xy: FloatArray, k: int = N_NEIGHBOURS
) -> tuple[IntArray, FloatArray]:
    """Find the nearest images that were laid out, by the cosine that the layout goes by: of raw embeddings.

    Args:
        rows: (n,) rows.
        laid_out: images [0, laid_out) are candidates, if they are on the map.
        xy: (N, 2) the map, NaN where an image is not on it.
    Returns:
        (n, k) rows, nearest first, and their cosines; k is at most how many candidates there are.
    """
    on_map = np.isfinite(xy[:laid_out, 0])
    k = min(k, int(on_map.sum()))
    embeddings = embedded.on_device
    queries = unit_rows(embeddings.take(rows))

    def best_of(start: int, block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        here = to_device(on_map[start : start + len(block)], queries.device)
        if not len(here):
            return queries.new_empty((len(queries), 0)), queries.new_empty((len(queries), 0), dtype=torch.int64)
        cosines = queries @ unit_rows(block[: len(here)].float()).T
        values, columns = cosines.masked_fill(~here, -torch.inf).topk(min(k, len(here)), dim=1)
        return values, columns + start

    values, places = zip(*embeddings.each(best_of), strict=True)
    best, kept = torch.cat(values, dim=1).topk(k, dim=1)
    found, cosines = to_host(torch.cat(places, dim=1).gather(1, kept), best)
    return np.asarray(found, np.int64), np.asarray(cosines, np.float64)


def among(xy: FloatArray, cosines: FloatArray) -> FloatArray:
    """Return places among neighbours: on the island of most of them, weighted by likeness.

    Args:
        xy: (n, k, 2) places of the neighbours of n images.
        cosines: (n, k) likeness to them, nearest first.
    Returns:
        (n, 2) float32.
    """
    weights = 1 / np.maximum(1 - cosines, 1e-6)
    weights /= weights.sum(axis=1, keepdims=True)
    centre = np.stack([_weighted_median(xy[:, :, axis], weights) for axis in range(2)], axis=1)
    far = np.linalg.norm(xy - centre[:, None], axis=2)
    near = far <= NEAR * np.maximum(np.median(far, axis=1, keepdims=True), 1e-9)  # half of them, at least
    weights = np.where(near, weights, 0)
    return ((xy * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]).astype(np.float32)


def _weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted median of each row, (n,)."""
    order = np.argsort(values, axis=1)
    reached = np.take_along_axis(weights, order, axis=1).cumsum(axis=1)
    at = (reached < 0.5 * reached[:, -1:]).sum(axis=1)
    return np.take_along_axis(values, order, axis=1)[np.arange(len(values)), at]
