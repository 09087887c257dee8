"""Whether an analyst wants the guide of a first visit. Each verb takes the workspace."""

from core.workspace import Workspace


def wants_guide(workspace: Workspace, analyst: str) -> bool:
    """Tell whether an analyst has not dismissed the guide of a first visit."""
    return analyst not in workspace.catalog.settings.get("guide_dismissed_by", [])


def set_guide(workspace: Workspace, analyst: str, on: bool) -> None:
    """Remember whether an analyst wants the guide."""
    with workspace.lock:
        others = [name for name in workspace.catalog.settings.get("guide_dismissed_by", []) if name != analyst]
        workspace.catalog.settings.set("guide_dismissed_by", others if on else [*others, analyst])
