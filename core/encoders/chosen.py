"""Which encoders a workspace has embeddings of, and which one is used. Each verb takes the workspace."""

from typing import Any

from core.errors import InputError
from core.workspace import Workspace


def encoders(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the encoders this workspace has embeddings of, oldest first.

    Returns:
        dicts with name, dim, record, embedded (images), mapped (images on the newest map) and current.
    """
    found = []
    models = workspace.catalog.models
    for known in models.encoders():
        parts, projection = models.parts(known["name"]), models.latest_projection(known["name"])
        embedded = max((stop for _, stop, _ in parts), default=0)
        if embedded:
            mapped = projection["n_rows"] if projection else 0
            current = known["name"] == workspace.encoder_name
            found.append(known | {"embedded": embedded, "mapped": mapped, "current": current})
    return found


def other_encoder(workspace: Workspace) -> str | None:
    """Return the newest encoder with embeddings where none, or an unknown one, is the current one; else None."""
    known = [encoder["name"] for encoder in encoders(workspace)]
    return known[-1] if known and workspace.encoder_name not in known else None


def use_encoder(workspace: Workspace, name: str) -> None:
    """Make another encoder's embeddings and map the current ones; labels belong to images and stay.

    Raises:
        InputError: if the workspace has no embeddings of it.
    """
    known = [encoder["name"] for encoder in encoders(workspace)]
    if name not in known:
        listed = ", ".join(known) or "none yet"
        raise InputError(f"There are no embeddings by '{name}' here; there are: {listed}. Run 'lassoscope embed' first.")
    workspace.choose_encoder(name)
