"""Actions as columns: what the label book keeps of each of them in memory. Imports numpy only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import IntArray
from core.catalog.criterion import Tie
from core.catalog.records import Action, ActionKind

NONE = -1  # the code of what an action does not have


@dataclass(frozen=True)
class ActionColumns:
    """A actions in the order they were taken, with the P rows of their images one after the other."""

    seqs: IntArray  # (A,) int64
    kinds: Sequence[ActionKind]
    class_names: Sequence[str | None]
    analysts: Sequence[str]
    days: Sequence[str]  # "2026-11-27", UTC
    sources: Sequence[str]  # as stored: one of a newer program is kept as it is
    ties: Sequence[Tie]
    targets: Sequence[int | None]
    rows: IntArray  # (P,) int64
    counts: IntArray  # (A,) int64, how many of the rows are each action's

    @classmethod
    def of(cls, actions: Sequence[Action]) -> "ActionColumns":
        """Take actions apart."""
        return cls(
            np.array([action.seq for action in actions], np.int64),
            [action.kind for action in actions],
            [action.class_name for action in actions],
            [action.analyst for action in actions],
            [action.at[:10] for action in actions],
            [action.source for action in actions],
            [action.criterion for action in actions],
            [action.target for action in actions],
            np.concatenate([np.zeros(0, np.int64), *(action.rows for action in actions)]),
            np.array([len(action.rows) for action in actions], np.int64),
        )


class Texts:
    """Texts that come up again and again, each kept once and named by its position."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = list(texts)
        self._codes = {text: code for code, text in enumerate(self.texts)}

    def code(self, text: str | None) -> int:
        """Return the code of a text; NONE if it never came up."""
        return NONE if text is None else self._codes.get(text, NONE)

    def add(self, texts: Sequence[str | None]) -> IntArray:
        """Return the code of each text, (K,) int32; new ones are kept, None is NONE."""
        for text in dict.fromkeys(texts):
            if text is not None and text not in self._codes:
                self._codes[text] = len(self.texts)
                self.texts.append(text)
        return np.fromiter((NONE if text is None else self._codes[text] for text in texts), np.int32, len(texts))


class GrowingArray:
    """An array that grows at its end: its room doubles, so that adding n values takes time in n."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self._room, self._length = values, len(values)

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """Return what it holds; valid until it grows."""
        return self._room[: self._length]

    def grow(self, length: int, *, fill: object = 0) -> None:
        """Make it at least this long."""
        if length > len(self._room):
            room = np.full(max(length, 2 * len(self._room), 16), fill, self._room.dtype)
            room[: self._length] = self.values
            self._room = room
        self._length = max(self._length, length)

    def extend(self, more: np.ndarray[Any, Any]) -> None:
        """Add values at the end."""
        start = self._length
        self.grow(start + len(more))
        self._room[start : self._length] = more
