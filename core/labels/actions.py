"""Give labels, clear them, undo and redo: each an action that is on disk before it is seen. Each verb takes the workspace."""

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import BoolArray, IntArray
from core.catalog.criterion import NO_CRITERION, Criterion
from core.catalog.label_book import EVIDENCE_RANKS, READ_RANK, UNLABELLED
from core.catalog.labels import ActionFilter
from core.catalog.records import Action, ActionDraft, ActionKind, Source
from core.errors import InputError
from core.labels.classes import bring_back, class_today
from core.wording import counted
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.labels")

EVERY_ACTION = ActionFilter()


@dataclass(frozen=True)
class Replaced:
    """Labels by somebody else that a label action has taken the place of."""

    analyst: str
    class_name: str
    n: int


@dataclass(frozen=True)
class LabelResult:
    """What a label action did."""

    action: Action
    n_teach: int  # images of the teach half: the model learns from these
    n_check: int  # images of the check half: coloured on the map, not learned from
    n_kept: int = 0  # check images left out, because they keep what was read
    replaced: tuple[Replaced, ...] = ()

    @property
    def sentence(self) -> str:
        """Say it to the person."""
        kept = (
            f" {counted(self.n_kept, 'check image')} keep{'s' if self.n_kept == 1 else ''} what was read."
            if self.n_kept
            else ""
        )
        before = "".join(f" {r.n:,} had been labelled '{r.class_name}' by {r.analyst}." for r in self.replaced)
        return self._did() + kept + before

    def _did(self) -> str:
        name, n = self.action.class_name, len(self.action.rows)
        if self.action.source == Source.UNSURE:
            return f"{counted(n, 'image')} marked as unsure: not learned from, and not asked for again."
        if name is None:
            return f"Cleared the label of {counted(n, 'image')}."
        if self.action.source == Source.CHECK:
            return f"{counted(n, 'check-half image')} read as '{name}'."
        if not self.n_check:
            return f"Labelled {n:,} '{name}': the model learns from {'it' if n == 1 else 'all of them'}."
        if not self.n_teach:
            them = "it is" if n == 1 else "all of them are"
            return f"Labelled {n:,} '{name}': {them} in the check half, coloured on the map but not learned from."
        return (
            f"Labelled {n:,} '{name}': the model learns from {self.n_teach:,}; {self.n_check:,} "
            f"{'is' if self.n_check == 1 else 'are'} in the check half, coloured on the map but not learned from."
        )


@dataclass(frozen=True)
class Reversal:
    """What an undo or redo took back or brought back: one label action, or several that belong together."""

    kind: ActionKind  # UNDO or REDO
    actions: tuple[Action, ...]

    @property
    def rows(self) -> IntArray:
        """Return the rows whose labels changed, (K,) int64, ascending."""
        return np.unique(np.concatenate([action.rows for action in self.actions]))

    @property
    def sentence(self) -> str:
        """Say it to the person."""
        n = len(self.rows)
        names = " and ".join(f"'{name}'" if name else "a cleared label" for name in dict.fromkeys(self._names()))
        return f"{'Undone' if self.kind == ActionKind.UNDO else 'Redone'}: {counted(n, 'image')}, {names}."

    def _names(self) -> list[str | None]:
        by_size = sorted(self.actions, key=lambda action: -len(action.rows))
        return ["unsure" if action.source == Source.UNSURE else action.class_name for action in by_size]


def label(
    workspace: Workspace,
    rows: IntArray,
    class_name: str | None,
    *,
    analyst: str,
    source: Source = Source.SINGLE,
    criterion: Criterion = NO_CRITERION,
) -> LabelResult:
    """Give one class (None clears) to images; on return it is on disk. A class that has left the list comes back with it.

    A check image that was read keeps its reading (`open_to`).

    Args:
        rows: (K,) rows, K >= 1.
        source: `Source.UNSURE` has no class: seen and left open.
        criterion: what chose the images; with `adjudicates` it decides between two readings.
    Raises:
        InputError: if there are no rows, the class is unknown, or all of them keep their reading.
    """
    rows = np.unique(np.asarray(rows, np.int64))
    if not len(rows):
        raise InputError("Nothing is selected; lasso or pick images first.")
    if rows[0] < 0 or rows[-1] >= workspace.n_images:
        raise InputError(f"There is no row {rows[0] if rows[0] < 0 else rows[-1]}; rows go from 0 to {workspace.n_images - 1}.")
    if workspace.removed[rows].any():
        raise InputError("Some of these images were removed meanwhile; nothing was labelled. Select again.")
    if class_name is not None:
        [today] = workspace.named_today([class_name])
        if today not in workspace.class_names:
            bring_back(workspace, today)
        class_name = class_today(workspace, today)
    if source == Source.UNSURE and class_name is not None:
        raise InputError(f"Unsure means no class, got '{class_name}'; give the class with another source.")
    draft = ActionDraft(ActionKind.LABEL, analyst, source, rows, class_name, criterion, workspace.guideline)
    with workspace.lock:
        draft = replace(draft, rows=_open_rows(workspace, draft))
        replaced = _replaced(workspace, draft.rows, class_name, analyst)
        action = commit(workspace, [draft])[0]
    return label_result(workspace, action, n_kept=len(rows) - len(draft.rows), replaced=replaced)


def read_anew(workspace: Workspace, row: int, class_name: str, *, analyst: str, criterion: Criterion) -> LabelResult:
    """Take back an analyst's own reading of a check image and keep another one in its place, both or neither.

    Raises:
        InputError: if the class is unknown, or the reading is not this analyst's or was saved together with others.
    """
    class_name = class_today(workspace, class_name)
    with workspace.lock:
        before = label_action(workspace, row)
        if before.analyst != analyst or before.source != Source.CHECK:
            raise InputError(f"This image was not read by {analyst}; to change its reading, undo it on the History page.")
        if len(before.rows) > 1 or before.criterion.together:
            raise InputError(
                "This reading was saved together with others; to change it, undo them with Z or on the History page."
            )
        decided, nothing, guideline = before.criterion.adjudicates, np.array([], np.int64), workspace.guideline
        told = criterion if decided is None else criterion | Criterion(adjudicates=decided)
        back = ActionDraft(ActionKind.UNDO, analyst, Source.SINGLE, nothing, guideline=guideline, target=before.seq)
        anew = ActionDraft(ActionKind.LABEL, analyst, Source.CHECK, before.rows, class_name, told, guideline)
        done = workspace.append([back, anew])
    return label_result(workspace, done[1])


def read_together(
    workspace: Workspace, readings: Mapping[str, IntArray], *, analyst: str, criterion: Criterion
) -> list[Action]:
    """Keep readings of several check images, by class, as one: committed together and undone together.

    Args:
        readings: class name -> (K,) rows; a class without rows is passed over.
    Raises:
        InputError: if there is nothing to keep, a class is unknown, or an image is in two classes.
    """
    wanted = [
        (class_today(workspace, name), np.unique(np.asarray(rows, np.int64))) for name, rows in readings.items() if len(rows)
    ]
    if not wanted:
        raise InputError("There is nothing to keep: no image was read.")
    everything = np.concatenate([rows for _, rows in wanted])
    if len(np.unique(everything)) < len(everything):
        raise InputError("One image was read as two classes; read it again.")
    told = criterion | Criterion(together=secrets.token_hex(8))
    with workspace.lock:
        return commit(
            workspace,
            [
                ActionDraft(ActionKind.LABEL, analyst, Source.CHECK, rows, name, told, workspace.guideline)
                for name, rows in wanted
            ],
        )


def label_action(workspace: Workspace, row: int) -> Action:
    """Return the action that gave an image its label (or left it unsure).

    Raises:
        InputError: if it carries none.
    """
    seq = int(workspace.book.givers_of(np.array([row]))[0])
    workspace.book.need(seq)
    return workspace.catalog.labels.actions([seq])[0]


def standing(workspace: Workspace, rows: IntArray) -> dict[str, IntArray]:
    """Return the labels that images carry now: class name -> (K,) rows of those given."""
    rows = np.asarray(rows, np.int64)
    codes = workspace.book.codes_of(rows)
    return {workspace.class_names[code]: rows[codes == code] for code in np.unique(codes[codes != UNLABELLED]).tolist()}


def _replaced(workspace: Workspace, rows: IntArray, class_name: str | None, analyst: str) -> tuple[Replaced, ...]:
    book, code = workspace.book, UNLABELLED if class_name is None else workspace.class_names.index(class_name)
    codes = book.codes_of(rows)
    givers = book.givers_of(rows[(codes != UNLABELLED) & (codes != code)])
    counts: dict[tuple[str, str], int] = {}
    for seq, n in zip(*np.unique(givers, return_counts=True), strict=True):
        if (giver := book.analyst_of(int(seq))) != analyst:
            key = (giver, str(book.class_of(int(seq))))
            counts[key] = counts.get(key, 0) + int(n)
    return tuple(Replaced(*key, n) for key, n in sorted(counts.items()))


def keeps(workspace: Workspace, draft: ActionDraft) -> BoolArray:
    """Return which images of a label keep their reading, (K,) bool: the one rule for every way of giving a label.

    A reading of Check is changed by nothing but undo and the decision between two readings; other evidence (imported)
    by a reading or a newer import. Analysts who give labels elsewhere see scores, and could make the check half say what
    the model says.
    """
    if draft.criterion.adjudicates is not None:
        return np.zeros(len(draft.rows), bool)
    stands = evidence_ranks(workspace, draft.rows)
    return (stands == READ_RANK) | (EVIDENCE_RANKS.get(draft.source, 0) < stands)


def evidence_ranks(workspace: Workspace, rows: IntArray) -> IntArray:
    """Return how strong the evidence is that images carry, (K,) int64: 0 where there is none."""
    return np.where(workspace.is_check[rows], workspace.book.ranks_of(rows), 0)


def open_to_bulk(workspace: Workspace, rows: IntArray) -> IntArray:
    """Leave out the check images that keep what was read of them against labels of other tools, and removed images.

    Raises:
        InputError: if none is left.
    """
    return _open_rows(workspace, ActionDraft(ActionKind.LABEL, "", Source.LASSO, rows[~workspace.removed[rows]]))


def _open_rows(workspace: Workspace, draft: ActionDraft) -> IntArray:
    left = draft.rows[~keeps(workspace, draft)]
    if not len(left):
        which = f"all {len(draft.rows):,} of these were read"
        if len(draft.rows) == 1:
            row = int(draft.rows[0])
            read_as = workspace.class_names[int(workspace.book.codes_of(draft.rows)[0])]
            which = f"this one was read as '{read_as}' by {workspace.labelled_by(row)}"
        raise InputError(
            f"Images that were read in Check keep that label, and {which}; to change it, undo the reading on the History page."
        )
    return left


def label_result(workspace: Workspace, action: Action, *, n_kept: int = 0, replaced: tuple[Replaced, ...] = ()) -> LabelResult:
    """Say which halves the images of a label action are in."""
    n_check = int(workspace.is_check[action.rows].sum())
    return LabelResult(action, len(action.rows) - n_check, n_check, n_kept, replaced)


def commit(workspace: Workspace, drafts: Sequence[ActionDraft]) -> list[Action]:
    """Append checked actions, all or none: to the catalog, then to what is in memory.

    Raises:
        InputError: if a label would change what was read in Check (`keeps`).
    """
    with workspace.lock:  # disk first: what memory shows has been acknowledged
        if any(draft.kind == ActionKind.LABEL and keeps(workspace, draft).any() for draft in drafts):
            raise InputError("Some of these images have just been read in Check and keep that label; try again.")
        done = workspace.append(drafts)
    for action in done:
        facts = {"action": action.seq, "kind": action.kind, "source": action.source, "images": len(action.rows)}
        LOG.info("labels changed", extra=facts)
    return done


def undo(workspace: Workspace, seq: int | None = None, *, analyst: str) -> Reversal:
    """Undo a label action: the named one, or this analyst's newest that stands, with those that belong together with it.
    Raises:
        InputError: if there is nothing to undo.
    """
    with workspace.lock:
        target = workspace.book.newest_active(analyst) if seq is None else seq
        if target is None:
            raise InputError("There is nothing of yours to undo; other analysts' actions are on the History page.")
        return _reverse(workspace, ActionKind.UNDO, target, analyst)


def redo(workspace: Workspace, seq: int, *, analyst: str) -> Reversal:
    """Let an undone label action stand again.

    Raises:
        InputError: if it is not undone.
    """
    with workspace.lock:
        return _reverse(workspace, ActionKind.REDO, seq, analyst)


def _reverse(workspace: Workspace, kind: ActionKind, seq: int, analyst: str) -> Reversal:
    workspace.book.check_target(kind, seq)
    name = workspace.book.class_of(seq)
    if kind == ActionKind.REDO and name is not None and name not in workspace.class_names:
        raise InputError(
            f"Action {seq} gave the class '{name}', which is not in the list any more; add it with 'lassoscope classes', "
            "then redo this."
        )
    nothing = np.array([], np.int64)
    tied = [other for other in workspace.book.together(seq) if workspace.book.stands(other) == (kind == ActionKind.UNDO)]
    commit(
        workspace, [ActionDraft(kind, analyst, Source.SINGLE, nothing, guideline=workspace.guideline, target=t) for t in tied]
    )
    return Reversal(kind, tuple(workspace.catalog.labels.actions(tied)))


def history(
    workspace: Workspace, n: int | None = None, *, wanted: ActionFilter = EVERY_ACTION
) -> list[tuple[Action, bool | None]]:
    """Return the newest n wanted actions (all if None), newest first, with whether a label action stands (None for others)."""
    with workspace.lock:
        kept = workspace.catalog.labels
        newest_last = kept.actions(newest=n) if wanted == EVERY_ACTION else kept.actions(kept.matching(wanted, newest=n))
        return [(action, workspace.book.stands(action.seq)) for action in reversed(newest_last)]


def rows_of(workspace: Workspace, seqs: Iterable[int]) -> dict[int, IntArray]:
    """Return the images of a few actions, by seq: (K,) rows each."""
    wanted = sorted(set(seqs))
    return {action.seq: action.rows for action in workspace.catalog.labels.actions(wanted)} if wanted else {}


def named(workspace: Workspace) -> tuple[list[str], list[str]]:
    """Return the analysts and the classes that actions name, each sorted."""
    return workspace.catalog.labels.named()


def labelled_on(workspace: Workspace) -> Mapping[tuple[str, str], int]:
    """Return the images in label actions that stand, by (analyst, day); imports and cleared labels do not count."""
    return workspace.book.labelled_on()
