"""Decisions that leave: what people answered in Review, and what became of it, in the order in which it happened.

The log of actions is the outbox. A decision's id is that of its action and its image, so it stays the same for ever; a place in
the log is the number of an action.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from core.arrays import JsonObject
from core.catalog.label_book import UNLABELLED
from core.catalog.records import Action, ActionKind, Source
from core.evidence.points import points
from core.triage.answers import Answers, is_answer
from core.triage.queue import Side
from core.workspace import Workspace

POSTED = "webhook_through"  # the setting: how far the receiver has taken the log
AT_ONCE = 200  # actions read at a time
MOST_READ = 5_000  # actions that one page looks at: most of them may be others' work
KINDS = (ActionKind.LABEL, ActionKind.UNDO, ActionKind.REDO)
# Readings of Check are evidence and sealed; imports come from other tools.
SOURCES = (Source.REVIEW, Source.UNSURE, Source.SINGLE, Source.LASSO, Source.CLUSTER)


@dataclass(frozen=True)
class DecisionOut:
    """What one action has decided about one image."""

    id: str
    seq: int  # of the action
    image: str
    kind: str  # label, undo, redo
    class_name: str | None  # that it gave, took back or gave again; None where it cleared, or left open
    unsure: bool
    sample: bool  # the image is left up, and was drawn at random
    point: str | None  # in force when it was asked; None where it was labelled elsewhere
    policy: str | None
    analyst: str
    at: str  # ISO 8601, UTC
    now: str | None  # the class that the image carries at this moment
    now_flagged: bool | None

    def record(self) -> JsonObject:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Page:
    """Some decisions."""

    decisions: list[DecisionOut]
    through: int  # the place up to which they are told; the next page begins behind it
    is_last: bool  # nothing later is known now


def decisions_after(workspace: Workspace, answers: Answers, place: int, *, most: int = 500) -> Page:
    """Return the decisions after a place in the log, about `most` of them: those of one action stay together.

    Call it outside of `workspace.steady()`: a label may be of an image that has just come.

    Told are answers of Review, later labels of images that were answered there, and the undo and redo of both.
    """
    found: list[DecisionOut] = []
    policy_of = {point.name: point.policy for point in points(workspace)}
    newest, read = workspace.book.version, 0
    while place < newest:
        actions = workspace.catalog.labels.after(place, most=AT_ONCE, kinds=KINDS, sources=SOURCES)
        read += len(actions)
        targets = _targets(workspace, actions)
        for action in actions:
            if len(found) >= most:
                return Page(found, place, False)
            found += _of_action(workspace, answers, action, targets.get(action.target or 0), policy_of)
            place = action.seq
        if len(actions) < AT_ONCE:
            return Page(found, max(newest, place), True)
        if read >= MOST_READ:
            return Page(found, place, False)
    return Page(found, place, True)


def _targets(workspace: Workspace, actions: Sequence[Action]) -> dict[int, Action]:
    wanted = sorted({action.target for action in actions if action.target is not None})
    return {action.seq: action for action in workspace.catalog.labels.actions(wanted)} if wanted else {}


def _of_action(
    workspace: Workspace, answers: Answers, action: Action, target: Action | None, policy_of: dict[str, str]
) -> list[DecisionOut]:
    what = action if action.kind == ActionKind.LABEL else target
    if what is None or what.source not in SOURCES:
        return []
    rows = what.rows if is_answer(what) else answers.answered_before(what)
    told, point = what.criterion, what.criterion.point
    codes = workspace.book.codes_of(rows).tolist()
    return [
        DecisionOut(
            id=f"{action.id}-{workspace.image_id(row)}",
            seq=action.seq,
            image=workspace.image_id(row),
            kind=action.kind.value,
            class_name=what.class_name,
            unsure=what.source == Source.UNSURE,
            sample=told.drawn == Side.LEFT,
            point=point,
            policy=None if point is None else policy_of.get(point),
            analyst=action.analyst,
            at=action.at,
            now=None if code == UNLABELLED else workspace.class_names[code],
            now_flagged=None if code == UNLABELLED else workspace.classes[code].flagged,
        )
        for row, code in zip(rows.tolist(), codes, strict=True)
    ]


def posted_through(workspace: Workspace) -> int:
    """Return the place up to which a receiver has taken decisions; one that is asked for the first time begins now."""
    newest, kept = workspace.book.version, workspace.catalog.settings.get(POSTED)
    if not isinstance(kept, int):
        keep_posted(workspace, newest)
        return newest
    return min(kept, newest)  # a copy from before may have been restored


def keep_posted(workspace: Workspace, place: int) -> None:
    """Keep how far the receiver has taken decisions."""
    workspace.catalog.settings.set(POSTED, place)
