"""The encoders a workspace has embeddings of, and the current one. Each verb takes the workspace."""

from core.catalog.models import EncoderRow
from core.errors import InputError
from core.workspace import Workspace


class KnownEncoder(EncoderRow):
    """An encoder with embeddings in this workspace."""

    embedded: int  # images
    mapped: int  # images on its newest map
    current: bool


def encoders(workspace: Workspace) -> list[KnownEncoder]:
    """Return the encoders this workspace has embeddings of, oldest first."""
    found: list[KnownEncoder] = []
    models = workspace.catalog.models
    for known in models.encoders():
        parts, projection = models.parts(known["name"]), models.latest_projection(known["name"])
        embedded = max((stop for _, stop, _ in parts), default=0)
        if embedded:
            mapped = projection["n_rows"] if projection else 0
            current = known["name"] == workspace.encoder_name
            found.append({**known, "embedded": embedded, "mapped": mapped, "current": current})
    return found


def other_encoder(workspace: Workspace) -> str | None:
    """Return the newest encoder with embeddings if the current one is not set or has none; else None."""
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
        raise InputError(f"This workspace has no embeddings by '{name}'; it has: {listed}. Run 'lassoscope embed' first.")
    workspace.choose_encoder(name)
