"""The label book: which label every image carries now, folded from the append-only actions. Imports numpy only.

A snapshot is never changed after it was given out, so readers need no lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from core.arrays import BoolArray, IntArray
from core.catalog import Action
from core.errors import InputError

UNLABELLED = -1
UNSURE = "unsure"  # the source of an action that leaves an image open: kept, never trained on, not asked for again
LOOK = "look"  # the kind of an action that tells which images of a bulk label were looked at
EVIDENCE_RANKS = {"import": 1, "check": 2}  # bulk and hand-picked labels on check images are no random sample
READ_RANK = EVIDENCE_RANKS["check"]  # nothing but undo and a decision between two readings changes these
EVIDENCE_SOURCES = frozenset(EVIDENCE_RANKS)


@dataclass(frozen=True)
class Labels:
    """All labels at one moment."""

    version: int  # the seq of the newest action; 0 before the first
    codes: IntArray  # (N,) int16: position in the class list, UNLABELLED = -1
    actions: IntArray  # (N,) int32: seq of the action that gave the label (or said "unsure"), 0 = none

    @property
    def n_labelled(self) -> int:
        """Count the labelled images."""
        return int(np.count_nonzero(self.codes != UNLABELLED))

    def counts(self, n_classes: int) -> list[int]:
        """Count the images of each class."""
        return np.bincount(self.codes[self.codes >= 0], minlength=n_classes).tolist()


def bulk_token(action: Action) -> str | None:
    """Return what ties the actions of one bulk label together, None for others."""
    return action.criterion.get("bulk") if isinstance(action.criterion, dict) else None


def tie_of(action: Action) -> str | None:
    """Return what ties actions together that are undone as one: those of a bulk label, or of a grid that was read."""
    told = action.criterion if isinstance(action.criterion, dict) else {}
    return told.get("bulk") or told.get("together")


class LabelBook:
    """Folds actions into `Labels`; undo restores what each image carried before."""

    def __init__(self, n_images: int, class_names: Sequence[str], actions: Sequence[Action] = ()) -> None:
        self._codes_by_name = {name: code for code, name in enumerate(class_names)}
        self._actions: dict[int, Action] = {}
        self._active: dict[int, bool] = {}  # label actions only, in seq order
        self.labels = Labels(0, np.full(n_images, UNLABELLED, np.int16), np.zeros(n_images, np.int32))
        for action in actions:
            self.apply(action)

    def apply(self, action: Action) -> None:
        """Fold in the next action (already committed to the catalog)."""
        codes, givers = self.labels.codes.copy(), self.labels.actions.copy()
        self._actions[action.seq] = action
        if action.kind == "label":
            self._active[action.seq] = True
            codes[action.rows] = self._code(action)
            givers[action.rows] = self._giver(action)
        elif action.kind != LOOK:  # a look changes no label
            assert action.target is not None  # noqa: S101  `check_target` ran before the commit
            self._active[action.target] = action.kind == "redo"
            self._replay(self._actions[action.target].rows, codes, givers)
        self.labels = Labels(action.seq, codes, givers)

    def _code(self, action: Action) -> int:
        """Return the code of an action's class; UNLABELLED where it has none, or the class has left the list since."""
        return UNLABELLED if action.class_name is None else self._codes_by_name.get(action.class_name, UNLABELLED)

    def _giver(self, action: Action) -> int:
        return action.seq if self._code(action) != UNLABELLED or action.source == UNSURE else 0

    def _replay(self, rows: IntArray, codes: IntArray, givers: IntArray) -> None:
        """Recompute the given rows from the newest active action that names each."""
        codes[rows], givers[rows] = UNLABELLED, 0
        pending = np.sort(rows)
        for seq in reversed(self._active):
            if not len(pending):
                return
            if self._active[seq]:
                action = self._actions[seq]
                found = np.intersect1d(pending, action.rows)
                codes[found] = self._code(action)
                givers[found] = self._giver(action)
                pending = np.setdiff1d(pending, found, assume_unique=True)

    @property
    def active(self) -> Mapping[int, bool]:
        """Map the seq of every label action to whether it stands (was not undone)."""
        return MappingProxyType(self._active)

    def action(self, seq: int) -> Action:
        """Return an action by its seq.

        Raises:
            InputError: if there is none.
        """
        if seq not in self._actions:
            raise InputError(f"There is no action {seq}; the history has {len(self._actions)} actions.")
        return self._actions[seq]

    def together(self, seq: int) -> list[int]:
        """Return the label actions that are undone and redone with this one: of one bulk label, or of one grid."""
        token = tie_of(self._actions[seq])
        if token is None:
            return [seq]
        return [other for other in self._active if tie_of(self._actions[other]) == token]

    def decided_at(self, rows: IntArray) -> list[str]:
        """Return when each image got what it carries now, its being cleared included: ISO 8601 UTC; "" = never touched."""
        found = {int(row): "" for row in rows}
        for seq, stands in self._active.items():
            action = self._actions[seq]
            for row in action.rows.tolist() if stands else ():
                if row in found:
                    found[row] = action.at
        return [found[row] for row in rows.tolist()]

    def newest_active(self, analyst: str | None = None) -> int | None:
        """Return the newest label action that stands (of one analyst, if named), or None."""
        mine = (s for s in reversed(self._active) if self._active[s] and analyst in (None, self._actions[s].analyst))
        return next(mine, None)

    def check_target(self, kind: str, seq: int) -> None:
        """Make sure that an undo or redo of `seq` has something to do.

        Raises:
            InputError: if it is no label action, or is undone (or stands) already.
        """
        if self.action(seq).kind != "label":
            raise InputError(f"Action {seq} is no label action; only label actions can be undone or redone.")
        if self._active[seq] == (kind == "redo"):
            state = "stands already" if kind == "redo" else "is undone already"
            raise InputError(f"Action {seq} {state}; nothing was changed.")

    def history(self) -> list[Action]:
        """Return all actions, newest first."""
        return list(reversed(self._actions.values()))

    def is_evidence(self, is_check: BoolArray) -> BoolArray:
        """Tell which labels count for curves: check half, and given by reading rather than in bulk.

        Args:
            is_check: (N,) bool.
        Returns:
            (N,) bool.
        """
        return is_check & (self.labels.codes != UNLABELLED) & self._given_by(EVIDENCE_SOURCES)

    def is_unsure(self) -> BoolArray:
        """Tell which images an analyst has looked at and left open, (N,) bool."""
        return self._given_by(frozenset({UNSURE}))

    def _given_by(self, wanted: frozenset[str]) -> BoolArray:
        sources = np.zeros(max(self._actions, default=0) + 1, bool)
        for seq, action in self._actions.items():
            sources[seq] = action.source in wanted
        return sources[self.labels.actions]
