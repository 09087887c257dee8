"""Place images that came later on the map there is: nothing else moves. Each verb takes the workspace."""

import logging
import math
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.catalog.models import ProjectionRecord, layout_version
from core.embeddings.embedded import Embedded
from core.errors import WorkspaceError
from core.map.layout import N_NEIGHBOURS
from core.maths.graph_search import EXACT_UP_TO, Take, search
from core.maths.neighbours import unit_rows
from core.store.files import atomic_path, read_array
from core.wording import counted, percent
from core.workers import Tell, Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.map")
AT_A_TIME = 8_192  # images placed between two progress reports
REACH = 0.5  # of an island's densest place, in median distances between the neighbours
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


def placed_share(workspace: Workspace) -> float:
    """Return the share of the images on the map that were placed rather than laid out, in [0, 1]; 0 without a map."""
    row = workspace.projection
    return 0.0 if row is None else (row["n_rows"] - int(row["record"].get("laid_out", row["n_rows"]))) / max(row["n_rows"], 1)


def unplaced(workspace: Workspace) -> IntArray:
    """Return the embedded images that are not on the map, (K,) int64 rows, ascending."""
    matrix = workspace.matrix
    known = np.isfinite(workspace.xy[:, 0]) | workspace.removed
    return np.flatnonzero(~known[: 0 if matrix is None else matrix.rows])


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
    # The map before this one stays: another process may be about to read it.
    for file in workspace.catalog.models.forget_placed(before["encoder"], before["version"]):
        (workspace.folder / file).unlink(missing_ok=True)
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
    """Place images and write the map.

    Raises:
        WorkspaceError: if there are many images and the neighbours of the layout are lost.
    """
    embedded, rows = workspace.current, unplaced(workspace)
    n_rows = embedded.need_matrix().rows
    graph = _neighbours(embedded, workspace.folder, laid_out)
    xy, done = embedded.xy[:n_rows].copy(), 0
    for start in range(0, len(rows), AT_A_TIME):
        part = rows[start : start + AT_A_TIME]
        xy[part] = embedded.compute(partial(_places, rows=part, xy=xy[:laid_out], neighbour_rows=graph))
        done += len(part)
        on_progress(done, len(rows))
    file = f"projection/{secrets.token_hex(6)}.npy"
    with atomic_path(workspace.folder / file) as aside, aside.open("wb") as opened:
        np.save(opened, xy, allow_pickle=False)
    return _Placed(len(rows), n_rows, file)


def _neighbours(embedded: Embedded, folder: Path, laid_out: int) -> IntArray:
    """Return the neighbours of the images that were laid out, (laid_out, K); K = 0 if they are lost and not needed."""
    record = embedded.projection["record"] if embedded.projection else {}
    file = record.get("neighbours")
    known = read_array(folder / file, shape=(laid_out, None), kind="i") if file else None
    if known is None and laid_out > EXACT_UP_TO:
        raise WorkspaceError("The neighbours of the images on the map are lost; run 'lassoscope project' to lay it out anew.")
    return np.empty((laid_out, 0), np.int32) if known is None else known


def _places(embedded: Embedded, *, rows: IntArray, xy: FloatArray, neighbour_rows: IntArray) -> FloatArray:
    embeddings = embedded.on_device
    return places(embeddings.take(rows), embeddings.take, xy, neighbour_rows)


def places(new: torch.Tensor, take: Take, xy: FloatArray, neighbour_rows: IntArray, *, k: int = N_NEIGHBOURS) -> FloatArray:
    """Place new images by their nearest neighbours on a map.

    A new image stands at the weighted mean of its neighbours, the weights UMAP's. Neighbours on another island would pull it
    into the empty space between, so only those on the island with most of the weight count.

    Args:
        new: (n, D) float32 embeddings of the new images, not standardised, n >= 1.
        take: returns the (m, D) float32 embeddings of rows of the map, on the same device.
        xy: (M, 2) positions of the images on the map; NaN for those that were removed, whose embeddings are 0.
        neighbour_rows: (M, K) nearest of each of them, see `search`.
        k: how many neighbours to use, if there are so many.
    Returns:
        (n, 2) float32 map units.
    Source: McInnes, Healy & Melville 2018 (the weights, and the mean as a start for new points).
    """
    rows, cosines = search(unit_rows(new), take, neighbour_rows, k=k)
    spots, weights = xy[rows.numpy()], memberships((1 - cosines).clamp_min(0)).numpy()
    return on_one_island(*_without_removed(spots, weights))


def _without_removed(spots: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Let neighbours without a place, which were removed, count nothing, (n, k, 2) and (n, k)."""
    is_here = np.isfinite(spots[..., 0])
    if is_here.all():
        return spots, weights
    first = is_here.argmax(axis=1)  # of the nearest that has a place; its place stands in
    stand_in = np.nan_to_num(spots[np.arange(len(spots)), first])[:, None]
    weights = np.where(is_here, weights, 0)
    weights[~is_here.any(axis=1), 0] = 1
    return np.where(is_here[..., None], spots, stand_in), weights / weights.sum(axis=1, keepdims=True)


def memberships(distances: torch.Tensor) -> torch.Tensor:
    """Return how much each neighbour counts, (n, k) float32 rows that sum to 1.

    Args:
        distances: (n, k) cosine distances to images of the map, ascending.
    Source: McInnes, Healy & Melville 2018, algorithm 3, without local connectivity, as umap-learn has it for new points.
    """
    k = distances.shape[1]
    low, high = torch.zeros(len(distances)), torch.full((len(distances),), torch.inf)
    sigma = torch.ones(len(distances))
    for _ in range(64):
        total = torch.exp(-distances / sigma[:, None].clamp_min(1e-12)).sum(dim=1)
        above = total > math.log2(k + 1)
        high, low = torch.where(above, sigma, high), torch.where(above, low, sigma)
        sigma = torch.where(high.isinf(), sigma * 2, (low + high) / 2)
    sigma = torch.maximum(sigma, 1e-3 * distances.mean(dim=1)).clamp_min(1e-12)
    weights = torch.exp(-distances / sigma[:, None])
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-12)


def on_one_island(xy: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean of the neighbours around the one with most weight around it.

    Args:
        xy: (n, k, 2) positions of the neighbours of n images.
        weights: (n, k), rows that sum to 1.
    Returns:
        (n, 2) float32.
    """
    apart = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=3)  # (n, k, k)
    reach = np.maximum(np.median(apart, axis=(1, 2)) * REACH, 1e-9)
    mass = ((apart <= reach[:, None, None]) * weights[:, None]).sum(axis=2)
    near = apart[np.arange(len(xy)), mass.argmax(axis=1)] <= reach[:, None]
    kept = weights * near
    kept /= kept.sum(axis=1, keepdims=True)
    return (xy * kept[:, :, None]).sum(axis=1).astype(np.float32)
