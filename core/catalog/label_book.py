"""The label book: which label every image carries now, folded from the append-only actions. Imports numpy only.

A snapshot is never changed after it was given out, so readers need no lock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from core.arrays import BoolArray, IntArray
from core.catalog.records import Action, ActionKind, ImageClass, Source
from core.errors import InputError

UNLABELLED = -1
EVIDENCE_RANKS = {Source.IMPORT: 1, Source.CHECK: 2}  # bulk and hand-picked labels on check images are no random sample
READ_RANK = EVIDENCE_RANKS[Source.CHECK]  # nothing but undo and a decision between two readings changes these
EVIDENCE_SOURCES = frozenset(EVIDENCE_RANKS)
KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
COLOUR = "#777777"  # of a class whose own record is lost
STANDS, CODE, GIVER, RANK, IS_UNSURE = range(5)  # the columns of what the book notes of each label action


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


def with_lost_classes(classes: Sequence[ImageClass], actions: Sequence[Action], *, n_images: int) -> list[ImageClass]:
    """Add the classes that images carry and the list has not: it is damaged. They are not flagged, and get free keys."""
    names = [c.name for c in classes]
    unknown = [n for n in dict.fromkeys(a.class_name for a in actions) if n is not None and n not in names]
    if not unknown:
        return list(classes)
    carried = LabelBook(n_images, [*names, *unknown], actions).labels.counts(len(names) + len(unknown))[len(names) :]
    lost = [name for name, n in zip(unknown, carried, strict=True) if n]
    keys = [key for key in KEYS if key not in {c.key for c in classes}]
    return [*classes, *(ImageClass(name, COLOUR, key, flagged=False) for name, key in zip(lost, keys, strict=False))]


class LabelBook:
    """Folds actions into `Labels`; undo restores what each image carried before.

    Every label action is numbered by its seq, and every (action, image) pair is one entry of `_pairs`; what an image carries
    is said by the last of its entries whose action stands. So folding and undoing are array operations: 200,000 images with
    100,000 actions are read in about a second.
    """

    def __init__(self, n_images: int, class_names: Sequence[str], actions: Sequence[Action] = ()) -> None:
        self._codes_by_name = {name: code for code, name in enumerate(class_names)}
        self._actions: dict[int, Action] = {}
        self._active: dict[int, bool] = {}  # label actions only, in seq order
        self._tied: dict[str, list[int]] = {}  # token of `tie_of` -> its label actions
        self._labelled_on: Counter[tuple[str, str]] = Counter()
        self._pairs = _Growing(2)  # (P, 2): row, seq; in seq order
        self._by_seq = _Growing(5)  # of each seq: stands, code, giver, evidence rank, unsure; see `_note`
        self._given: dict[str, tuple[int, BoolArray, BoolArray | None]] = {}
        self.labels = Labels(0, np.full(n_images, UNLABELLED, np.int16), np.zeros(n_images, np.int32))
        self.apply_all(actions)

    def apply(self, action: Action) -> None:
        """Fold in the next action (already committed to the catalog)."""
        self.apply_all([action])

    def apply_all(self, actions: Sequence[Action]) -> None:
        """Fold in the next actions; readers see all of them at once."""
        if not actions:
            return
        added: list[Action] = []
        touched: list[IntArray] = []
        for action in actions:
            self._actions[action.seq] = action
            if action.kind == ActionKind.LABEL:
                self._note(action)
                added.append(action)
            elif action.kind != ActionKind.LOOK and action.target in self._active:  # a look changes no label
                self._set_standing(action.target, action.kind == ActionKind.REDO)
                touched.append(self._actions[action.target].rows)
        if added:
            self._pairs.extend(_pairs_of(added))
        codes, givers = self.labels.codes.copy(), self.labels.actions.copy()
        if touched:
            self._replay(np.concatenate([*touched, *(action.rows for action in added)]), codes, givers)
        elif added:
            self._write(_pairs_of(added), codes, givers)
        self.labels = Labels(actions[-1].seq, codes, givers)

    def _note(self, action: Action) -> None:
        self._active[action.seq] = True
        self._by_seq.grow_to(action.seq + 1)
        code, is_unsure = self._code(action), action.source == Source.UNSURE
        giver = action.seq if code != UNLABELLED or is_unsure else 0
        self._by_seq.values[action.seq] = (1, code, giver, EVIDENCE_RANKS.get(action.source, 0), is_unsure)
        if (token := tie_of(action)) is not None:
            self._tied.setdefault(token, []).append(action.seq)
        self._count(action, 1)

    def _set_standing(self, seq: int, stands: bool) -> None:
        if self._active[seq] != stands:
            self._count(self._actions[seq], 1 if stands else -1)
        self._active[seq] = stands
        self._by_seq.values[seq, STANDS] = stands

    def _count(self, action: Action, sign: int) -> None:
        if action.class_name is not None and action.source != Source.IMPORT:
            self._labelled_on[action.analyst, action.at[:10]] += sign * len(action.rows)

    def _code(self, action: Action) -> int:
        """Return the code of an action's class; UNLABELLED where it has none, or the class has left the list since."""
        return UNLABELLED if action.class_name is None else self._codes_by_name.get(action.class_name, UNLABELLED)

    def _replay(self, rows: IntArray, codes: IntArray, givers: IntArray) -> None:
        """Recompute the given rows from the newest active action that names each."""
        codes[rows], givers[rows] = UNLABELLED, 0
        self._write(self._standing_pairs(rows), codes, givers)

    def _standing_pairs(self, rows: IntArray) -> IntArray:
        """Return the (row, seq) entries of these images whose action stands, in seq order."""
        wanted = np.zeros(len(self.labels.codes), bool)
        wanted[rows] = True
        pairs = self._pairs.used
        pairs = pairs[wanted[pairs[:, 0]]]
        return pairs[self._by_seq.values[pairs[:, 1], STANDS] == 1]

    def _write(self, pairs: IntArray, codes: IntArray, givers: IntArray) -> None:
        """Let each entry say what its image carries; numpy lets the last one of an image stand."""
        rows, said = pairs[:, 0], self._by_seq.values[pairs[:, 1]]
        codes[rows], givers[rows] = said[:, CODE], said[:, GIVER]

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
        return [seq] if token is None else list(self._tied[token])

    def decided_at(self, rows: IntArray) -> list[str]:
        """Return when each image got what it carries now, its being cleared included: ISO 8601 UTC; "" = never touched."""
        seqs = np.zeros(len(self.labels.codes), np.int64)
        pairs = self._standing_pairs(rows)
        seqs[pairs[:, 0]] = pairs[:, 1]
        return [self._actions[seq].at if seq else "" for seq in seqs[rows].tolist()]

    def labelled_on(self) -> Mapping[tuple[str, str], int]:
        """Return the images in label actions that stand, by (analyst, day); imports and cleared labels do not count."""
        return MappingProxyType(self._labelled_on)

    def newest_active(self, analyst: str | None = None) -> int | None:
        """Return the newest label action that stands (of one analyst, if named), or None."""
        mine = (s for s in reversed(self._active) if self._active[s] and analyst in (None, self._actions[s].analyst))
        return next(mine, None)

    def check_target(self, kind: ActionKind, seq: int) -> None:
        """Make sure that an undo or redo of `seq` has something to do.

        Raises:
            InputError: if it is no label action, or is undone (or stands) already.
        """
        if self.action(seq).kind != ActionKind.LABEL:
            raise InputError(f"Action {seq} is no label action; only label actions can be undone or redone.")
        if self._active[seq] == (kind == ActionKind.REDO):
            state = "stands already" if kind == ActionKind.REDO else "is undone already"
            raise InputError(f"Action {seq} {state}; nothing was changed.")

    def history(self) -> list[Action]:
        """Return all actions, newest first."""
        return list(reversed(self._actions.values()))

    def is_evidence(self, is_check: BoolArray) -> BoolArray:
        """Tell which labels count for curves: check half, and given by reading rather than in bulk.

        Args:
            is_check: (N,) bool.
        Returns:
            (N,) bool, not to be written to: the same array until the labels change.
        """
        labels, known = self.labels, self._given.get("evidence")
        if known is None or known[0] != labels.version or known[2] is not is_check:
            found = is_check & (labels.codes != UNLABELLED) & (self._of_givers(labels, RANK) > 0)
            found.flags.writeable = False
            known = self._given["evidence"] = (labels.version, found, is_check)
        return known[1]

    def is_unsure(self) -> BoolArray:
        """Tell which images an analyst has looked at and left open, (N,) bool, not to be written to."""
        labels, known = self.labels, self._given.get("unsure")
        if known is None or known[0] != labels.version:
            found = self._of_givers(labels, IS_UNSURE) == 1
            found.flags.writeable = False
            known = self._given["unsure"] = (labels.version, found, None)
        return known[1]

    def _of_givers(self, labels: Labels, what: int) -> IntArray:
        """Return what is noted of the action that gave each label, (N,); 0 where there is none."""
        noted = self._by_seq.values[: int(labels.actions.max(initial=0)) + 1, what].copy()
        noted[0] = 0
        return noted[labels.actions]


class _Growing:
    """An integer table that grows at its end; what was added before is never moved for a reader."""

    def __init__(self, width: int) -> None:
        self.values = np.zeros((16, width), np.int32)
        self._length = 0

    @property
    def used(self) -> IntArray:
        return self.values[: self._length]

    def grow_to(self, length: int) -> None:
        if length > len(self.values):
            grown = np.zeros((max(length, 2 * len(self.values)), self.values.shape[1]), np.int32)
            grown[: self._length] = self.used
            self.values = grown
        self._length = max(self._length, length)

    def extend(self, more: IntArray) -> None:
        start = self._length
        self.grow_to(start + len(more))
        self.values[start : self._length] = more


def _pairs_of(actions: Sequence[Action]) -> IntArray:
    """Return (P, 2) int32 rows and seqs of label actions, in their order."""
    rows = np.concatenate([action.rows for action in actions])
    seqs = np.repeat([action.seq for action in actions], [len(action.rows) for action in actions])
    return np.column_stack([rows, seqs]).astype(np.int32)
