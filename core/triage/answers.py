"""The answers given in Review, read from the catalog as they come. Safe to call from any thread."""

import datetime as dt
import threading
from dataclasses import dataclass

import numpy as np

from core.arrays import IntArray
from core.catalog.records import Action, ActionKind, Source
from core.workspace import Workspace

AT_ONCE = 1_000  # actions read at a time
SOURCES = (Source.REVIEW, Source.UNSURE)


@dataclass(frozen=True)
class Answer:
    """One answer; it may have been undone since."""

    seq: int
    rows: tuple[int, ...]  # the image, and its near-duplicates
    analyst: str
    at: float  # seconds since 1970
    point: str
    since: str


def is_answer(action: Action) -> bool:
    """Tell whether a label was given in Review."""
    return action.kind == ActionKind.LABEL and action.source in SOURCES and action.criterion.point is not None


class Answers:
    """All answers given in Review."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._through = 0
        self._all: list[Answer] = []
        self._standing: tuple[object, list[Answer]] = (None, [])
        self._first: dict[int, int] = {}  # row -> seq of the first answer about it

    def read(self) -> list[Answer]:
        """Return them, oldest first, not to be changed."""
        with self._lock:
            newest = self._workspace.book.version
            while self._through < newest:
                found = self._workspace.catalog.labels.after(
                    self._through, most=AT_ONCE, kinds=(ActionKind.LABEL,), sources=SOURCES
                )
                self._all = [*self._all, *(_answer(action) for action in found if is_answer(action))]
                for action in found:
                    if is_answer(action):
                        for row in action.rows.tolist():
                            self._first.setdefault(row, action.seq)
                self._through = found[-1].seq if len(found) == AT_ONCE else max(newest, *(action.seq for action in found), 0)
            return self._all

    def answered_before(self, action: Action) -> IntArray:
        """Return the images of an action that were answered in Review before it, (K,) int64."""
        self.read()
        with self._lock:
            mine = [row for row in action.rows.tolist() if self._first.get(row, action.seq) < action.seq]
        return np.array(mine, np.int64)

    def standing(self, point: str, since: str) -> list[Answer]:
        """Return the answers under a point since it was put in force, without those that were undone; not to be changed."""
        book = self._workspace.book
        key = (point, since, book.version)
        known, found = self._standing
        if known != key:  # all windows ask after every label
            mine = (answer for answer in self.read() if answer.point == point and answer.since == since)
            found = [answer for answer in mine if book.stands(answer.seq)]
            self._standing = (key, found)
        return found


def _answer(action: Action) -> Answer:
    told = action.criterion
    at = dt.datetime.fromisoformat(action.at).timestamp()
    return Answer(action.seq, tuple(action.rows.tolist()), action.analyst, at, str(told.point), told.since or "")
