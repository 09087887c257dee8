"""Whether an analyst wants the guide of a first visit. Each verb takes the workspace."""

from core.workspace import Workspace


def wants_guide(workspace: Workspace, analyst: str) -> bool:
    """Tell whether an analyst has not dismissed the guide yet."""
    return not workspace.catalog.people.wants_no_guide(analyst)


def set_guide(workspace: Workspace, analyst: str, on: bool) -> None:
    """Save whether an analyst wants the guide."""
    workspace.catalog.people.set(analyst, guide_dismissed=not on)
