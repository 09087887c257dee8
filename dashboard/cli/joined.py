"""Commands on a workspace that a server has open: the server does their job, and they show how far it is and how it ends."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from core.arrays import JsonObject
from core.errors import BusyError
from dashboard.console import ERRORS, stage_bars, this_user


class Ended(NamedTuple):
    """What a command ends with."""

    sentence: str
    record: JsonObject  # for --json


def here_or_there(workspace: Path, kind: str, arguments: Mapping[str, object], here: Callable[[], Ended]) -> Ended:
    """Do a command's work here, or if a server has the workspace open, let it do the job.

    Args:
        kind, arguments: of the job (`core.jobs.kinds`); paths are absolute.
        here: opens the workspace for writing and does the same.
    Raises:
        BusyError: if another command has the workspace open.
    """
    try:
        return here()
    except BusyError as error:
        busy = error
    from dashboard.handover import hand_over

    with stage_bars() as on_stage, _goes_on():
        job = hand_over(workspace, kind, arguments, this_user(), on_stage=on_stage, busy=busy)
    return Ended(job.message, job.result)


@contextlib.contextmanager
def _goes_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        ERRORS.print("The server goes on with this job; its page can cancel it, under Jobs.", markup=False)
        raise
