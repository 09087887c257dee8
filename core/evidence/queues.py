"""Which check images are read next, for each purpose, and which were read. Each verb takes the workspace."""

import numpy as np

from core.arrays import IntArray
from core.errors import InputError
from core.evidence.focus import focus_draws, focus_rows
from core.evidence.second_reading import disagreements, waiting_for_second
from core.workspace import Workspace

QUEUES = ("promise", "live", "focus", "second", "disagreements")


def check_queue(workspace: Workspace, n: int, *, live: bool = False) -> IntArray:
    """Return the next n check-half images to read, in their permanent hash order.

    Args:
        live: of those that live curves may use, instead of those sealed for the promise.
    Returns:
        (<= n,) int64 rows without a label that counts as evidence.
    """
    waiting = np.flatnonzero((workspace.live_part if live else workspace.sealed) & ~workspace.evidence())
    return waiting[np.argsort(workspace.check_order[waiting], kind="stable")[:n]]


def check_read(workspace: Workspace) -> IntArray:
    """Return the rows of the check half whose label counts as evidence."""
    return np.flatnonzero(workspace.evidence())


def queue(workspace: Workspace, purpose: str, n: int, *, analyst: str) -> IntArray:
    """Return the next n check images for one purpose, in the permanent order.

    Args:
        purpose: one of `QUEUES`; "second" never asks for an image that this analyst has read first.
    """
    if purpose in ("promise", "live"):
        return check_queue(workspace, n, live=purpose == "live")
    if purpose == "focus":
        asked = focus_rows(focus_draws(workspace, workspace.check_set.number))
        waiting = asked[~workspace.evidence()[asked]]
    elif purpose == "second":
        waiting = waiting_for_second(workspace, analyst)
    elif purpose == "disagreements":
        waiting = disagreements(workspace)
    else:
        raise InputError(f"There is no check queue '{purpose}'; choose {', '.join(QUEUES)}.")
    return waiting[np.argsort(workspace.check_order[waiting], kind="stable")[:n]]
