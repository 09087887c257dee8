"""Which check images are read next, and which were read. Each verb takes the workspace."""

import numpy as np

from core.arrays import IntArray
from core.workspace import Workspace


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
