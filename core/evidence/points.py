"""Operating points: named thresholds, and the one in force for each policy. Each verb takes the workspace."""

from dataclasses import dataclass

import numpy as np

from core.catalog.evidence import InForce
from core.errors import InputError
from core.evidence.openings import Opening
from core.workspace import Workspace


@dataclass(frozen=True)
class OperatingPoint:
    """A named threshold."""

    name: str
    opening: int  # number of the opening it was chosen from
    threshold: float
    analyst: str
    at: str  # ISO 8601, UTC
    in_force: bool  # for its policy
    policy: str  # that of its opening, as is the scorer
    scorer: str


def points(workspace: Workspace) -> list[OperatingPoint]:
    """Return the saved operating points, oldest first."""
    found = workspace.catalog.evidence.points()
    force = {policy: in_force(workspace, policy).get("name") for policy in {point["policy"] for point in found}}
    return [OperatingPoint(**point, in_force=point["name"] == force[point["policy"]]) for point in found]


def any_in_force(workspace: Workspace) -> bool:
    """Tell whether a point of any policy is in force."""
    return any(point.in_force for point in points(workspace))


def save_point(workspace: Workspace, name: str, threshold: float, opened: Opening, *, analyst: str) -> OperatingPoint:
    """Save a threshold under a name.

    Raises:
        InputError: if the name is empty or taken, or the threshold is not finite.
    """
    name = name.strip()
    if not name:
        raise InputError("An operating point needs a name, for example 'strict'.")
    if name in {point.name for point in points(workspace)}:
        raise InputError(f"An operating point '{name}' exists already; choose another name.")
    if not np.isfinite(threshold):
        raise InputError(f"A threshold must be a finite score, got {threshold}.")
    workspace.catalog.evidence.add_point(name, opened.number, float(threshold), analyst)
    return next(point for point in points(workspace) if point.name == name)


def put_in_force(workspace: Workspace, name: str, *, analyst: str) -> None:
    """Put a saved operating point in force for its policy, and record who did it and when.

    Raises:
        InputError: if no point has this name.
    """
    if name not in {point.name for point in points(workspace)}:
        raise InputError(f"There is no operating point '{name}'; save it first.")
    workspace.catalog.evidence.put_in_force(name, analyst)


def in_force(workspace: Workspace, policy: str = "") -> InForce:
    """Return the operating point in force for a policy: name, analyst and time; {} if there is none."""
    return workspace.catalog.evidence.in_force(policy)
