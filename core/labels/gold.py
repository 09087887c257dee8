"""Gold columns: labels that came with the images, only for studies and exact curves. Each verb takes the workspace."""

from core.workspace import Workspace


def gold_columns(workspace: Workspace) -> list[str]:
    """Return the names of the gold columns, sorted."""
    return workspace.catalog.images.gold_columns()


def gold_values_without_class(workspace: Workspace, column: str) -> dict[str, int]:
    """Return the values of a gold column that are not classes, sorted, with the number of images of each."""
    values = workspace.catalog.images.gold(column)[1]
    return {value: values.count(value) for value in sorted(set(values) - set(workspace.class_names))}


def gold_values(workspace: Workspace, column: str) -> list[str]:
    """Return the different values of a gold column, sorted."""
    return sorted(set(workspace.catalog.images.gold(column)[1]))


def has_gold(workspace: Workspace, column: str = "label") -> bool:
    """Tell whether the workspace has a gold column."""
    return column in gold_columns(workspace)
