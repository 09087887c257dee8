"""The label book: which label every image carries now, folded from the append-only actions. Imports numpy only.

What it returns is never changed afterwards, so readers need no lock.
"""

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.arrays import BoolArray, IntArray
from core.catalog.action_columns import NONE, ActionColumns, GrowingArray, Texts
from core.catalog.class_names import CLASS_KEYS
from core.catalog.records import Action, ActionKind, ImageClass, Source
from core.errors import InputError
from core.palette import GREY

UNLABELLED = -1
KINDS = (None, ActionKind.LABEL, ActionKind.UNDO, ActionKind.REDO, ActionKind.SPOT_CHECK)  # None of a seq that no action has
LABEL = KINDS.index(ActionKind.LABEL)
# Bulk and hand-picked labels on check images are no random sample.
EVIDENCE_RANKS: dict[str, int] = {Source.IMPORT: 1, Source.CHECK: 2}
READ_RANK = EVIDENCE_RANKS[Source.CHECK]  # nothing but undo and a decision between two readings changes these
EVIDENCE_SOURCES = frozenset(EVIDENCE_RANKS)
KEYS = CLASS_KEYS + "abcdefghijklmnoprstuvxyz"  # the first free one is taken
COLOUR = GREY  # of a class whose own record is lost
TEXTS = ("class_name", "analyst", "day", "source", "tie")
NOTED = np.dtype(
    [
        ("kind", "i1"),  # position in KINDS
        ("stands", "?"),  # a label action that was not undone
        ("rank", "i1"),  # of its source, EVIDENCE_RANKS
        ("bulk", "?"),  # part of a bulk label
        *((name, "<i4") for name in TEXTS),  # codes in the book's texts
        ("first", "<i8"),  # where its rows begin
        ("n", "<i8"),  # how many rows it has
    ]
)
IMAGE_COLUMNS = {"head": (np.int32, NONE), "codes": (np.int16, UNLABELLED), "givers": (np.int32, 0), "ranks": (np.int8, 0)}
PAIR_COLUMNS = ("row", "seq", "before")
STATE_ARRAYS: dict[str, np.dtype[Any]] = {
    "noted": NOTED,
    **{name: np.dtype(dtype) for name, (dtype, _) in IMAGE_COLUMNS.items()},
    **{f"pair_{name}": np.dtype(np.int32) for name in PAIR_COLUMNS},
}


@dataclass(frozen=True)
class Labels:
    """All labels at one moment."""

    version: int  # the seq of the newest action; 0 before the first
    codes: IntArray  # (N,) int16: position in the class list, UNLABELLED = -1
    actions: IntArray  # (N,) int32: seq of the action that gave the label (or said "unsure"), 0 = none
    by_class: tuple[int, ...]  # images of each class

    @property
    def n_labelled(self) -> int:
        """Count the labelled images."""
        return sum(self.by_class)

    def first(self, n_images: int) -> "Labels":
        """Return those of the first images."""
        return (
            self if len(self.codes) == n_images else replace(self, codes=self.codes[:n_images], actions=self.actions[:n_images])
        )


@dataclass(frozen=True)
class BookState:
    """All that a label book holds, to be kept in a file and restored (`LabelBook.state`)."""

    arrays: Mapping[str, np.ndarray[Any, Any]]
    texts: Mapping[str, Sequence[str]]
    class_names: Sequence[str]
    version: int
    n_actions: int


def add_lost_classes(
    book: "LabelBook", classes: Sequence[ImageClass], renames: Mapping[str, str] | None = None
) -> list[ImageClass]:
    """Add the classes that images carry and the list does not have: it is damaged. They are not flagged, and get free keys.

    The book takes the list that is returned, and the names that classes had before.
    """
    names = [c.name for c in classes]
    book.set_class_names(names, renames)
    unknown = [name for name in book.known_names() if name not in names]
    book.set_class_names([*names, *unknown])
    carried = book.labels.by_class[len(names) :]
    lost = [name for name, n in zip(unknown, carried, strict=True) if n]
    keys = [key for key in KEYS if key not in {c.key for c in classes}]
    found = [*classes, *(ImageClass(name, COLOUR, key, flagged=False) for name, key in zip(lost, keys, strict=False))]
    book.set_class_names([c.name for c in found])
    return found


class LabelBook:
    """Folds actions into `Labels`; undo restores what each image carried before.

    Each (label action, image) pair is one entry of a list that links it to the image's entry before it. An image carries what
    the newest of its entries says whose action stands. So a label costs time in its own images, an undo in its images and the
    actions since, and neither in the images or actions there are. The columns of all images are copied when they are asked
    for, once a version. One thread at a time may change a book; any may read it.
    """

    def __init__(self, n_images: int, class_names: Sequence[str], actions: Sequence[Action] = ()) -> None:
        self._lock = threading.Lock()
        self._texts = {name: Texts() for name in TEXTS}
        self._noted = GrowingArray(np.zeros(0, NOTED))  # by seq
        self._pairs = {name: GrowingArray(np.zeros(0, np.int32)) for name in PAIR_COLUMNS}
        self._images = {name: np.full(n_images, fill, dtype) for name, (dtype, fill) in IMAGE_COLUMNS.items()}
        self._left_out = np.zeros(n_images, bool)
        self._version, self._n_actions = 0, 0
        self._renames: dict[str, str] = {}
        self._labelled_on: Counter[tuple[int, int]] = Counter()
        self._labels: Labels | None = None
        self._evidence: tuple[BoolArray, BoolArray] | None = None
        self._unsure: BoolArray | None = None
        self._take_class_names(class_names)
        self.apply_all(actions)

    # -- folding --

    def apply_all(self, actions: Sequence[Action]) -> None:
        """Fold in the next actions (already committed to the catalog); readers see all of them at once."""
        self.fold(ActionColumns.of(actions))

    def fold(self, actions: ActionColumns) -> None:
        """Fold in the next actions, given as columns; readers see all of them at once."""
        if not len(actions.seqs):
            return
        with self._lock:
            first = len(self._pairs["row"].values)
            self._note(actions, first)
            for name, values in (("row", actions.rows), ("seq", np.repeat(actions.seqs, actions.counts))):
                self._pairs[name].extend(values)
            of_labels = self._noted.values["kind"][self._pairs["seq"].values[first:]] == LABEL
            self._link(first, of_labels)
            touched = [actions.rows[of_labels]]
            for seq, kind, target in zip(actions.seqs.tolist(), actions.kinds, actions.targets, strict=True):
                if kind not in (ActionKind.UNDO, ActionKind.REDO) or target is None or target > seq:
                    continue
                if self._kind(target) == ActionKind.LABEL:
                    self._set_standing(target, kind == ActionKind.REDO)
                    touched.append(self._rows(target))
            self._carry(np.unique(np.concatenate(touched)))
            self._version, self._n_actions = int(actions.seqs[-1]), self._n_actions + len(actions.seqs)

    def _note(self, actions: ActionColumns, first: int) -> None:
        noted = np.zeros(len(actions.seqs), NOTED)
        noted["kind"] = [KINDS.index(kind) if kind in KINDS else 0 for kind in actions.kinds]
        noted["stands"] = noted["kind"] == LABEL
        noted["rank"] = [EVIDENCE_RANKS.get(source, 0) for source in actions.sources]
        noted["bulk"] = [tie.bulk is not None for tie in actions.ties]
        values: dict[str, Sequence[str | None]] = {
            "class_name": actions.class_names,
            "analyst": actions.analysts,
            "day": actions.days,
            "source": actions.sources,
            "tie": [tie.tie for tie in actions.ties],
        }
        for name, texts in values.items():
            noted[name] = self._texts[name].add(texts)
        noted["n"], noted["first"] = actions.counts, first + np.cumsum(actions.counts) - actions.counts
        self._noted.grow(int(actions.seqs.max()) + 1)
        self._noted.values[actions.seqs] = noted
        self._code_names()
        self._count(actions.seqs[noted["stands"]], 1)

    def _link(self, first: int, of_labels: BoolArray) -> None:
        """Link the entries from `first` on that are labels to the entries of their images before them."""
        head, before = self._images["head"], self._pairs["before"]
        before.grow(len(self._pairs["row"].values))
        entries = first + np.flatnonzero(of_labels)
        if not len(entries):
            return
        rows = self._pairs["row"].values[entries]
        order = np.argsort(rows, kind="stable")
        entries, rows = entries[order], rows[order]
        starts = np.concatenate([[True], rows[1:] != rows[:-1]])
        ends = np.concatenate([starts[1:], [True]])
        links = np.concatenate([[NONE], entries[:-1]])
        links[starts] = head[rows[starts]]
        before.values[entries] = links
        head[rows[ends]] = entries[ends]

    def _set_standing(self, seq: int, stands: bool) -> None:
        if self._noted.values["stands"][seq] != stands:
            self._noted.values["stands"][seq] = stands
            self._count(np.array([seq]), 1 if stands else -1)

    def _count(self, seqs: IntArray, sign: int) -> None:
        noted = self._noted.values[seqs]
        noted = noted[(noted["class_name"] != NONE) & (noted["source"] != self._texts["source"].code(Source.IMPORT))]
        kept, place = np.unique(noted[["analyst", "day"]], return_inverse=True)
        for (analyst, day), n in zip(kept.tolist(), np.bincount(place.ravel(), noted["n"]).tolist(), strict=True):
            self._labelled_on[analyst, day] += sign * int(n)

    def _carry(self, rows: IntArray) -> None:
        """Write what these images carry now, (K,) unique rows."""
        seqs = np.where(self._left_out[rows], 0, self._standing(rows))
        said, images = self._noted.values[seqs], self._images
        codes = np.where(seqs > 0, self._codes[said["class_name"]], UNLABELLED)
        unsure = (seqs > 0) & (said["source"] == self._texts["source"].code(Source.UNSURE))
        self._by_class -= self._tally(images["codes"][rows])
        self._by_class += self._tally(codes)
        images["codes"][rows] = codes
        images["givers"][rows] = np.where((codes != UNLABELLED) | unsure, seqs, 0)
        images["ranks"][rows] = np.where(codes != UNLABELLED, said["rank"], 0)
        self._labels = self._evidence = self._unsure = None

    def _standing(self, rows: IntArray) -> IntArray:
        """Return the seq of the newest standing action that names each image, (K,) int64; 0 where there is none."""
        entries = self._images["head"][rows].astype(np.int64)
        seqs, before, stands = self._pairs["seq"].values, self._pairs["before"].values, self._noted.values["stands"]
        waiting = np.flatnonzero(entries != NONE)
        while len(waiting := waiting[~stands[seqs[entries[waiting]]]]):
            entries[waiting] = before[entries[waiting]]
            waiting = waiting[entries[waiting] != NONE]
        found = np.zeros(len(entries), np.int64)
        found[entries != NONE] = seqs[entries[entries != NONE]]
        return found

    def _tally(self, codes: IntArray) -> IntArray:
        return np.bincount(codes[codes != UNLABELLED], minlength=len(self._class_names)).astype(np.int64)

    # -- classes and images --

    def grow(self, n_images: int) -> None:
        """Take in more images, which carry nothing."""
        with self._lock:
            for name, (dtype, fill) in IMAGE_COLUMNS.items():
                column = self._images[name]
                if n_images > len(column):
                    self._images[name] = np.concatenate([column, np.full(n_images - len(column), fill, dtype)])
            self._left_out = np.concatenate([self._left_out, np.zeros(max(n_images - len(self._left_out), 0), bool)])
            self._labels = self._evidence = self._unsure = None

    def leave_out(self, rows: IntArray) -> None:
        """Let images carry nothing from now on, whatever actions say of them: they were removed. The actions stay."""
        with self._lock:
            self._left_out[rows] = True
            if len(labelled := rows[self._images["head"][rows] != NONE]):
                self._carry(labelled)

    def known_names(self) -> list[str]:
        """Return every class name that an action gave, by its name of today, in the order they came up."""
        return list(dict.fromkeys(self._renames.get(name, name) for name in self._texts["class_name"].texts))

    def set_class_names(self, class_names: Sequence[str], renames: Mapping[str, str] | None = None) -> None:
        """Take another class list: codes are positions in it. A class that is not in it labels nothing.

        Args:
            renames: names that classes had before -> their names in the list; None leaves them as they are.
        """
        wanted = self._renames if renames is None else dict(renames)
        if list(class_names) != self._class_names or wanted != self._renames:
            with self._lock:
                self._renames = wanted
                self._take_class_names(class_names)
                labelled = np.flatnonzero(self._images["head"] != NONE)
                self._images["codes"][:] = UNLABELLED
                self._carry(labelled)

    def _take_class_names(self, class_names: Sequence[str]) -> None:
        self._class_names = list(class_names)
        self._by_class: IntArray = np.zeros(len(class_names), np.int64)
        self._codes = np.zeros(0, np.int16)
        self._code_names()

    def _code_names(self) -> None:
        """Give each class name that came up its code; UNLABELLED where the class has left the list."""
        names = self._texts["class_name"].texts
        if len(names) >= len(self._codes):
            by_name = {name: code for code, name in enumerate(self._class_names)}
            self._codes = np.array(
                [*(by_name.get(self._renames.get(name, name), UNLABELLED) for name in names), UNLABELLED], np.int16
            )  # last: NONE

    # -- keeping --

    def state(self) -> BookState:
        """Return all that it holds, copied."""
        with self._lock:
            arrays = {f"pair_{name}": grown.values.copy() for name, grown in self._pairs.items()}
            arrays |= {name: column.copy() for name, column in self._images.items()}
            arrays["noted"] = self._noted.values.copy()
            texts = {name: list(kept.texts) for name, kept in self._texts.items()}
            return BookState(arrays, texts, list(self._class_names), self._version, self._n_actions)

    @classmethod
    def restored(cls, state: BookState, n_images: int) -> "LabelBook":
        """Make a book of what another held (`STATE_ARRAYS`); there may be more images now."""
        book = cls(n_images, state.class_names)
        arrays = state.arrays
        book._texts = {name: Texts(state.texts[name]) for name in TEXTS}
        book._noted = GrowingArray(arrays["noted"])
        book._pairs = {name: GrowingArray(arrays[f"pair_{name}"]) for name in PAIR_COLUMNS}
        for name in IMAGE_COLUMNS:
            book._images[name][: len(arrays[name])] = arrays[name]
        book._version, book._n_actions = state.version, state.n_actions
        book._code_names()
        book._by_class = book._tally(book._images["codes"])
        book._count(np.flatnonzero(book._noted.values["stands"]), 1)
        return book

    # -- what images carry --

    @property
    def labels(self) -> Labels:
        """Return the labels as they stand now."""
        labels = self._labels
        if labels is None:
            with self._lock:
                codes, givers = self._images["codes"].copy(), self._images["givers"].copy()
                labels = self._labels = Labels(self._version, codes, givers, tuple(self._by_class.tolist()))
        return labels

    @property
    def version(self) -> int:
        """Return the seq of the newest action; 0 before the first."""
        return self._version

    def codes_of(self, rows: IntArray) -> IntArray:
        """Return the label codes of a few images, (K,) int16, without copying those of all."""
        return self._images["codes"][rows]

    def givers_of(self, rows: IntArray) -> IntArray:
        """Return the seqs of the actions that gave a few images their labels, (K,) int32; 0 = none."""
        return self._images["givers"][rows]

    def ranks_of(self, rows: IntArray) -> IntArray:
        """Return how strong the evidence is that the labels of a few images were given with, (K,) int8."""
        return self._images["ranks"][rows]

    def given_by(self, analysts: Sequence[str]) -> BoolArray:
        """Tell which images carry a label that one of these analysts has given, (N,) bool."""
        codes = [self._texts["analyst"].code(analyst) for analyst in analysts]
        with self._lock:
            theirs = np.isin(self._noted.values["analyst"], codes)
            if len(theirs):
                theirs[0] = False  # no action has this number
            return (self._images["codes"] != UNLABELLED) & self._taken(theirs)

    def analysts(self) -> dict[str, int]:
        """Return how many images carry a label of each analyst, by name; only those of whom some do."""
        with self._lock:
            seqs = self._images["givers"][self._images["codes"] != UNLABELLED]
            found = np.bincount(self._noted.values["analyst"][seqs]) if len(seqs) else np.zeros(0, np.int64)
            texts = self._texts["analyst"].texts
            return dict(sorted((texts[code], int(found[code])) for code in np.flatnonzero(found)))

    def _taken(self, of_actions: BoolArray) -> BoolArray:
        """Return what holds for the action that each image is as it is by, (N,) bool; False without one."""
        return of_actions[self._images["givers"]] if len(of_actions) else np.zeros(len(self._images["givers"]), bool)

    def decided_by(self, rows: IntArray) -> IntArray:
        """Return the seq of the action that each image is as it is by, its being cleared included, (K,); 0 = never touched."""
        with self._lock:
            return self._standing(np.asarray(rows, np.int64))

    def is_evidence(self, is_check: BoolArray) -> BoolArray:
        """Tell which labels count for curves: check half, and given by reading rather than in bulk.

        Args:
            is_check: (N,) bool.
        Returns:
            (N,) bool, not to be written to: the same array until the labels change.
        """
        known = self._evidence
        if known is None or known[0] is not is_check:
            with self._lock:
                found = is_check & (self._images["ranks"][: len(is_check)] > 0)
                found.flags.writeable = False
                known = self._evidence = (is_check, found)
        return known[1]

    def named_before(self, seq: int) -> BoolArray:
        """Tell which images an earlier action than this one named, whether it stands or not, (N,) bool."""
        with self._lock:
            found = np.zeros(len(self._images["codes"]), bool)
            n = int(np.searchsorted(self._pairs["seq"].values, seq))  # they are kept in the order of the actions
            found[self._pairs["row"].values[:n]] = True
            return found

    def is_unsure(self) -> BoolArray:
        """Tell which images an analyst has seen and left open, (N,) bool, not to be written to."""
        found = self._unsure
        if found is None:
            with self._lock:
                found = (self._images["givers"] > 0) & (self._images["codes"] == UNLABELLED)
                found.flags.writeable = False
                self._unsure = found
        return found

    # -- actions --

    def _kind(self, seq: int) -> ActionKind | None:
        return KINDS[self._noted.values["kind"][seq]] if 0 <= seq < len(self._noted.values) else None

    def _rows(self, seq: int) -> IntArray:
        noted = self._noted.values[seq]
        return self._pairs["row"].values[noted["first"] : noted["first"] + noted["n"]]

    def rows_of(self, seq: int) -> IntArray:
        """Return the rows that an action names, (K,) int64, ascending.

        Raises:
            InputError: if there is no such action.
        """
        self.need(seq)
        with self._lock:
            return self._rows(seq).astype(np.int64)

    def need(self, seq: int) -> None:
        """Make sure that there is an action.

        Raises:
            InputError: if there is none.
        """
        if self._kind(seq) is None:
            raise InputError(f"There is no action {seq}; the history has {self._n_actions} actions.")

    def stands(self, seq: int) -> bool | None:
        """Tell whether a label action stands (was not undone); None for other actions."""
        return bool(self._noted.values["stands"][seq]) if self._kind(seq) == ActionKind.LABEL else None

    def analyst_of(self, seq: int) -> str:
        """Return who took an action."""
        return self._texts["analyst"].texts[self._noted.values["analyst"][seq]]

    def source_of(self, seq: int) -> str:
        """Return how an action's labels were given, as stored: a `Source`, or the word of a newer program."""
        return self._texts["source"].texts[self._noted.values["source"][seq]]

    def class_of(self, seq: int) -> str | None:
        """Return the class that an action gave, by its name of today; None where it gave none."""
        code = int(self._noted.values["class_name"][seq])
        name = None if code == NONE else self._texts["class_name"].texts[code]
        return name if name is None else self._renames.get(name, name)

    def together(self, seq: int) -> list[int]:
        """Return the label actions that are undone and redone with this one: of one bulk label, or of one grid."""
        noted, tie = self._noted.values, self._noted.values["tie"][seq]
        return [seq] if tie == NONE else np.flatnonzero((noted["tie"] == tie) & (noted["kind"] == LABEL)).tolist()

    def bulk_actions(self, tokens: Collection[str]) -> list[int]:
        """Return the seqs of all actions that belong to these bulk labels, ascending."""
        noted, ties = self._noted.values, [self._texts["tie"].code(token) for token in tokens]
        return np.flatnonzero(noted["bulk"] & np.isin(noted["tie"], ties)).tolist()

    def labelled_on(self) -> dict[tuple[str, str], int]:
        """Return the images in label actions that stand, by (analyst, day); imports and cleared labels do not count."""
        analysts, days = self._texts["analyst"].texts, self._texts["day"].texts
        with self._lock:
            return {(analysts[analyst], days[day]): n for (analyst, day), n in self._labelled_on.items() if n}

    def newest_active(self, analyst: str | None = None) -> int | None:
        """Return the newest label action that stands (of one analyst, if named), or None."""
        noted = self._noted.values
        mine = (
            noted["stands"] & (noted["analyst"] == self._texts["analyst"].code(analyst))
            if analyst is not None
            else noted["stands"]
        )
        found = np.flatnonzero(mine)
        return int(found[-1]) if len(found) else None

    def check_target(self, kind: ActionKind, seq: int) -> None:
        """Make sure that an undo or redo of `seq` has something to do.

        Raises:
            InputError: if it is no label action, or is undone (or stands) already.
        """
        self.need(seq)
        if self._kind(seq) != ActionKind.LABEL:
            raise InputError(f"Action {seq} is no label action; only label actions can be undone or redone.")
        if self.stands(seq) == (kind == ActionKind.REDO):
            state = "stands already" if kind == ActionKind.REDO else "is undone already"
            raise InputError(f"Action {seq} {state}; nothing was changed.")
