"""Which check images to read next, by queue, and which have been read. Each verb takes the workspace."""

from enum import StrEnum

import numpy as np

from core.arrays import IntArray
from core.evidence.focus import focus_draws, focus_rows
from core.evidence.second_reading import disagreements, waiting_for_second
from core.workspace import Workspace


class Queue(StrEnum):
    """The queues of check images, by what they are read for."""

    PROMISE = "promise"  # sealed until the set is opened
    LIVE = "live"  # for curves that follow every label
    FOCUS = "focus"  # where the model is uncertain, for precision
    SECOND = "second"  # second readings, blind to the first
    DISAGREEMENTS = "disagreements"  # readings that differ, to be decided


def check_queue(workspace: Workspace, n: int, *, live: bool = False) -> IntArray:
    """Return the next n check-half images to read, in their permanent hash order.

    Args:
        live: from the images for live curves, instead of those sealed for the promise.
    Returns:
        (<= n,) int64 rows without a label that counts as evidence, in the permanent order.
    """
    rows = workspace.columns.check_rows
    waiting = (workspace.live_part if live else workspace.sealed) & ~workspace.evidence()
    return rows[waiting[rows]][:n].astype(np.int64)


def check_read(workspace: Workspace) -> IntArray:
    """Return the rows of the check half whose label counts as evidence."""
    return np.flatnonzero(workspace.evidence())


def queue(workspace: Workspace, which: Queue, n: int, *, analyst: str) -> IntArray:
    """Return the next n check images of a queue for an analyst, in the permanent order.

    The queue of second readings leaves out images whose first reading was this analyst's.
    """
    if which in (Queue.PROMISE, Queue.LIVE):
        return check_queue(workspace, n, live=which == Queue.LIVE)
    if which == Queue.FOCUS:
        asked = focus_rows(focus_draws(workspace, workspace.check_set.number))
        waiting = asked[~workspace.evidence()[asked]]
    elif which == Queue.SECOND:
        waiting = waiting_for_second(workspace, analyst)
    else:
        waiting = disagreements(workspace)
    return waiting[np.argsort(workspace.check_order[waiting], kind="stable")[:n]]
