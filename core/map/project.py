"""Lay a workspace's images out on the map. Each verb takes the workspace."""

import logging
import secrets
from typing import Any

import numpy as np

from core.arrays import Progress, ignore
from core.duplicates.search import find_copies
from core.errors import WHAT_TO_DO, DamageError, WorkspaceError
from core.map.layout import lay_out
from core.store.files import atomic_path
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.map")


def project(
    workspace: Workspace, *, seed: int = 0, on_progress: Progress = ignore, on_copies: Progress = ignore
) -> dict[str, Any]:
    """Lay all embedded images out on the map and keep the map, its neighbours and its quality figure.

    Args:
        seed: the same seed gives the same map.
        on_progress: told (epochs done, epochs).
        on_copies: told (images looked at, images to look at) of the search for near-duplicates that follows, where the
            images were too many for `embed` to do it.
    Raises:
        WorkspaceError: if nothing is embedded.
    """
    workspace.need_writable()
    if workspace.current.lost_parts:  # a map of the others would leave these out
        raise WorkspaceError(workspace.current.lost_parts)
    matrix, encoder = workspace.current.need_matrix(), workspace.encoder_name
    x = matrix.take(np.arange(matrix.rows))
    if not np.isfinite(x).all():
        raise DamageError(f"Embeddings by {encoder} are damaged (they hold NaN); {WHAT_TO_DO}.")
    found = lay_out(x, seed=seed, on_epoch=on_progress)
    stem = f"projection/{secrets.token_hex(6)}"
    for suffix, array in ((".npy", found.xy), ("-neighbours.npy", found.neighbour_rows)):
        with atomic_path(workspace.folder / f"{stem}{suffix}") as aside, aside.open("wb") as file:
            np.save(file, array)
    trust = None if np.isnan(found.trustworthiness) else round(found.trustworthiness, 4)
    record = {"seed": seed, "trustworthiness": trust, "neighbours": f"{stem}-neighbours.npy"}
    version = workspace.catalog.models.add_projection(str(encoder), matrix.rows, f"{stem}.npy", record)
    workspace.reopen_encoder()
    LOG.info("map made", extra={"encoder": encoder, "images": matrix.rows, "trustworthiness": trust})
    find_copies(workspace, neighbour_rows=found.neighbour_rows, on_progress=on_copies)
    return {"projection": version, "encoder": encoder, "images": matrix.rows, **record}
