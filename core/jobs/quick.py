"""What commands change of a workspace in a moment, as jobs: policies, guideline, encoder in use, score columns, promise, probe.

Commands that find no server call the same functions. What they do with it is imported when they begin.
"""

from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from core.jobs.work import Arguments, Change, Outcome, Work
from core.workspace import Workspace

A = TypeVar("A", bound=Arguments)


class PoliciesArguments(Arguments):
    """A policy to declare or change, and one to remove."""

    name: str = ""  # "" changes none
    classes: list[str] = Field(default=[])  # of none, those that it has; of a new policy the class of its name
    recall: float | None = None
    remove: str = ""
    known: bool = False  # the one to remove was there when it was asked; if it has gone since, it was removed for this


class GuidelineArguments(Arguments):
    """A version of the labelling guideline."""

    name: str
    by: str


class EncoderArguments(Arguments):
    """An encoder that the workspace has embeddings of."""

    name: str


class ColumnsArguments(Arguments):
    """A score column to remove, then one to stack with the probe."""

    remove: str = ""
    known: bool = False  # the one to remove was there when it was asked; if it has gone since, it was removed for this
    stack: str = ""


class FitArguments(Arguments):
    """Where it computes."""

    device: str = "auto"


class PromiseArguments(Arguments):
    """What is changed of the check set: another one, its terms, an opening.

    A server that is killed does a job again, but a set is begun and opened once: what is newer than these was done for it.
    """

    new_set: bool = False
    known_set: int = 0  # number of the check set when it was asked
    recall: float | None = None
    confidence: float | None = None
    size: int | None = Field(default=None, ge=1)
    reveal: bool = False
    known_opening: int = 0  # number of the newest opening for the policy by the scorer when it was asked; 0 for none
    policy: str = ""
    scorer: str
    by: str


def policies_changed(workspace: Workspace, asked: PoliciesArguments) -> Outcome:
    """Change the policies."""
    from core.labels.policies import policies_ended, remove_policy, set_policy

    if asked.name:
        set_policy(workspace, asked.name, classes=asked.classes or None, recall=asked.recall)
    if asked.remove and (not asked.known or asked.remove in [policy.name for policy in workspace.policies]):
        remove_policy(workspace, asked.remove)
    return Outcome(*policies_ended(workspace))


def guideline_changed(workspace: Workspace, asked: GuidelineArguments) -> Outcome:
    """Set the guideline."""
    from core.labels.class_edits import guideline_ended, set_guideline

    if asked.name.strip() != workspace.guideline:  # else it was set before the server was killed
        set_guideline(workspace, asked.name, analyst=asked.by)
    return Outcome(*guideline_ended(workspace))


def encoder_changed(workspace: Workspace, asked: EncoderArguments) -> Outcome:
    """Make another encoder the one in use."""
    from core.encoders.chosen import use_encoder

    use_encoder(workspace, asked.name)
    return Outcome(f"The encoder in use is {asked.name}; the labels stay.")


def columns_changed(workspace: Workspace, asked: ColumnsArguments) -> Outcome:
    """Remove and stack score columns."""
    from core.probe.stacked import keep_stacked
    from core.score_columns.keep import remove_column, score_columns

    said = []
    if asked.remove:
        if not asked.known or asked.remove in [column.name for column in score_columns(workspace)]:
            remove_column(workspace, asked.remove)
        said.append(f"The score column '{asked.remove}' is removed.")
    if asked.stack:
        said.append(f"The score column '{keep_stacked(workspace, asked.stack).name}' is kept.")
    return Outcome(" ".join(said))


def promise_changed(workspace: Workspace, asked: PromiseArguments) -> Outcome:
    """Begin another check set, change its terms, open it."""
    from core.evidence import check_sets
    from core.evidence.subject import Subject
    from core.probe.live import refit

    newest, said = newest_opening(workspace, asked.policy, asked.scorer), []
    if asked.new_set and workspace.check_set.number == asked.known_set:
        begun = check_sets.begin_set(workspace, analyst=asked.by)
        said.append(f"Check set {begun.number} has started.")
    if (asked.recall, asked.confidence, asked.size) != (None, None, None):
        check_sets.change_terms(
            workspace, recall=asked.recall, confidence=asked.confidence, size=asked.size, policy=asked.policy
        )
        said.append("The terms of the promise are set.")
    if asked.reveal and newest == asked.known_opening:
        refit(workspace)
        opened = check_sets.open_check_set(workspace, Subject(asked.policy, asked.scorer), analyst=asked.by)
        said.append(f"Check set {opened.check_set} is opened: look {opened.look}.")
    elif asked.reveal:
        said.append(f"Opening {newest} has been made since this was asked; it stands.")
    return Outcome(" ".join(said) or "Nothing was left to do.")


def newest_opening(workspace: Workspace, policy: str, scorer: str) -> int:
    """Return the number of the newest opening for a policy by a scorer; 0 if there is none."""
    rows = workspace.catalog.evidence.openings()
    return max((row["number"] for row in rows if (row["policy"], row["scorer"]) == (policy, scorer)), default=0)


def probe_fitted(workspace: Workspace, asked: FitArguments) -> Outcome:
    """Fit the probe on the device that the workspace is open on, and keep it as a version.

    Raises:
        InputError: if another device is wanted.
        WorkspaceError: if labels are missing.
    """
    from core.devices import AUTO, pick_device
    from core.errors import InputError, WorkspaceError
    from core.missing import missing_for_probe
    from core.probe.live import fit_ended, refit

    if asked.device != AUTO and (wanted := pick_device(asked.device)) != (here := pick_device(workspace.device)):
        raise InputError(
            f"The server computes on {here}, and so does a fit beside it, got --device {wanted}; leave it out, or start the "
            f"server with --device {wanted}."
        )
    fitted = refit(workspace)
    if fitted is None:
        raise WorkspaceError(missing_for_probe(workspace))
    return Outcome(*fit_ended(workspace, fitted))


def _job(change: Callable[[Workspace, A], Outcome], *changes: Change) -> Callable[[Work[A]], Outcome]:
    """Return a job that makes a change of one moment, and tells windows what is another after it."""

    def run(work: Work[A]) -> Outcome:
        with work.workspace.steady():
            outcome = change(work.workspace, work.arguments)
        for what in changes:
            work.changed(what)
        return outcome

    return run


set_policies = _job(policies_changed, Change.CLASSES, Change.EVIDENCE)
set_guideline = _job(guideline_changed, Change.CLASSES)
set_encoder = _job(encoder_changed, Change.MAP)
set_columns = _job(columns_changed, Change.COLUMNS)
set_promise = _job(promise_changed, Change.LABELS, Change.EVIDENCE)
fit = _job(probe_fitted, Change.LABELS)
