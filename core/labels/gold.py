"""Gold columns: labels that came with the images, only for studies and exact curves. Each verb takes the workspace."""

from collections.abc import Hashable

from core.workspace import Workspace


def gold_columns(workspace: Workspace) -> list[str]:
    """Return the names of the gold columns, sorted."""
    return workspace.catalog.images.gold_columns()


def gold_version(workspace: Workspace) -> Hashable:
    """Return what changes whenever gold columns may: they come with images, and go with them; reads nothing."""
    return workspace.catalog.images.gold_written, workspace.n_images - workspace.n_here


def gold_values_without_class(workspace: Workspace, column: str) -> dict[str, int]:
    """Return the values of a gold column that are not classes, sorted, with the number of images of each."""
    counts = workspace.gold_counts(column)
    return {value: n for value, n in counts.items() if workspace.renames.get(value, value) not in workspace.class_names}


def gold_values(workspace: Workspace, column: str) -> list[str]:
    """Return the different values of a gold column, sorted."""
    return list(workspace.gold_counts(column))


def has_gold(workspace: Workspace, column: str = "label") -> bool:
    """Tell whether the workspace has a gold column."""
    return column in gold_columns(workspace)
