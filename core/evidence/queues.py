"""Which check images are read next, for each purpose, and which were read. Each verb takes the workspace."""

from enum import StrEnum

import numpy as np

from core.arrays import IntArray
from core.evidence.focus import focus_draws, focus_rows
from core.evidence.second_reading import disagreements, waiting_for_second
from core.workspace import Workspace


class Queue(StrEnum):
    """What check images are read for."""

    PROMISE = "promise"  # sealed until the set is opened
    LIVE = "live"  # for curves that move while one labels
    FOCUS = "focus"  # where the model is in doubt, for precision
    SECOND = "second"  # a second reading, blind to the first
    DISAGREEMENTS = "disagreements"  # between two readings, to be decided


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


def queue(workspace: Workspace, purpose: Queue, n: int, *, analyst: str) -> IntArray:
    """Return the next n check images for one purpose, in the permanent order.

    Args:
        purpose: a second reading is never of an image that this analyst has read first.
    """
    if purpose in (Queue.PROMISE, Queue.LIVE):
        return check_queue(workspace, n, live=purpose == Queue.LIVE)
    if purpose == Queue.FOCUS:
        asked = focus_rows(focus_draws(workspace, workspace.check_set.number))
        waiting = asked[~workspace.evidence()[asked]]
    elif purpose == Queue.SECOND:
        waiting = waiting_for_second(workspace, analyst)
    else:
        waiting = disagreements(workspace)
    return waiting[np.argsort(workspace.check_order[waiting], kind="stable")[:n]]
