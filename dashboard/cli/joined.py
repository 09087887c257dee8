"""Commands on a workspace that a server has open: the server does their job, and they show how far it is and how it ends."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import typer

from core.arrays import JsonObject
from core.errors import BusyError, WorkspaceError
from core.jobs.work import Arguments, Outcome
from core.workspace import Workspace
from dashboard.console import ERRORS, INTERRUPTED, stage_bars, this_user

A = TypeVar("A", bound=Arguments)


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
        return _there(workspace, kind, arguments, error)


def changed(workspace: Path, kind: str, change: Callable[[Workspace, A], Outcome], asked: A, *, device: str = "auto") -> Ended:
    """Make a change of one moment here, or let the server that has the workspace open make it.

    Args:
        kind, change: of the job (`core.jobs.quick`).
        asked: its arguments.
    Raises:
        BusyError: if another command has the workspace open.
    """

    def here() -> Ended:
        with Workspace(workspace, device=device) as space:
            outcome = change(space, asked)
        return Ended(outcome.sentence, outcome.result)

    return here_or_there(workspace, kind, asked.model_dump(mode="json"), here)


def there_or_here(workspace: Path, kind: str, arguments: Mapping[str, object], here: Callable[[], Ended]) -> Ended:
    """Let the server that has the workspace open do the job, or where none answers, do the work here: it only reads.

    Args:
        kind, arguments: of the job (`core.jobs.kinds`); paths are absolute.
        here: does the same beside whoever has the workspace open.
    """
    if not _is_served(workspace):
        return here()
    nobody = BusyError("No server answers.")
    try:
        return _there(workspace, kind, arguments, nobody)
    except BusyError as error:
        if error is not nobody:
            raise
        return here()  # the server was killed


def _is_served(workspace: Path) -> bool:
    from dashboard.handover import place_of

    try:
        return place_of(workspace) is not None
    except WorkspaceError:  # by another user, who alone can ask for jobs
        return False


def _there(workspace: Path, kind: str, arguments: Mapping[str, object], busy: BusyError) -> Ended:
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
        raise typer.Exit(INTERRUPTED) from None
