"""Records that pass between the catalog and its callers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Self

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.criterion import NO_CRITERION, Criterion
from core.maths.halves import in_live_part


@dataclass(frozen=True)
class ImageRecord:
    """One image as ingested."""

    id: str
    path: str
    width: int  # pixels, after EXIF rotation
    height: int
    n_bytes: int
    format: str
    hash: str  # hex of the perceptual hash
    group: str  # id of the first image of its near-duplicate group
    gold: Mapping[str, str] = field(default_factory=dict)  # manifest columns, for the experiment only
    text: float | None = None  # probability of text on dark, in [0, 1]; None = not measured yet
    frames: int = 1  # of an animated or multi-page file, as far as they were counted
    frames_shown: int = 1
    all_frames_seen: bool = True


@dataclass(frozen=True)
class PathRecord:
    """One file of a known image."""

    path: str
    image_id: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Rejected:
    """One file that could not be ingested."""

    path: str
    reason: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Removal:
    """What is kept of an image that was removed, beside its id: who removed it, and the label it had."""

    row: int
    at: str  # ISO 8601, UTC
    analyst: str
    reason: str  # "" if none was given
    class_name: str | None  # None if it had no label
    rank: int  # of its label as evidence (`core.catalog.label_book.EVIDENCE_RANKS`)
    erased: bool  # nothing of its picture is in any file of the workspace any more


@dataclass(frozen=True)
class ImageClass:
    """A class that analysts label images with."""

    name: str
    colour: str  # "#rrggbb"
    key: str  # one character; "" for a retired class, which keeps its labels and takes no more
    flagged: bool  # images of this class are what the operating point has to find

    @property
    def retired(self) -> bool:
        """Tell whether it takes no new labels."""
        return not self.key


@dataclass(frozen=True)
class Policy:
    """Flagged classes that have an operating point of their own."""

    name: str  # "" for all flagged classes together, while no policy is declared
    classes: tuple[str, ...]  # their names
    recall: float  # to be promised


class Known(StrEnum):
    """Words of the catalog; one that this program does not know is read as UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        return cls("unknown")


class ActionKind(Known):
    """What an action does."""

    LABEL = "label"  # gives a class, or clears it
    UNDO = "undo"
    REDO = "redo"
    SPOT_CHECK = "look"  # of a bulk label; changes no label. "look" is what existing catalogs hold
    UNKNOWN = "unknown"  # changes no label


class Source(Known):
    """How a label was given."""

    SINGLE = "single"
    LASSO = "lasso"
    CLUSTER = "cluster"
    CHECK = "check"  # read in Check
    IMPORT = "import"
    REVIEW = "review"  # what a point in force has sent to review, and the sample of what it leaves up
    UNSURE = "unsure"  # no class: left open, never trained on, not asked for again
    SPOT_CHECK = "look"  # gives no label; "look" is what existing catalogs hold
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Action:
    """One thing an analyst did: a label action, the undo or redo of one, or a spot check of a bulk label."""

    seq: int
    id: str
    kind: ActionKind
    class_name: str | None  # None where a label action clears
    analyst: str
    at: str  # ISO 8601, UTC
    source: Source
    criterion: Criterion  # what chose the images; `NO_CRITERION` for single labels
    guideline: str
    target: int | None  # for undo and redo: the seq of the label action
    rows: IntArray  # (K,) int64, empty for undo and redo


@dataclass(frozen=True)
class ActionDraft:
    """An action before the catalog gave it a number; the fields mean what they mean in `Action`."""

    kind: ActionKind
    analyst: str
    source: Source
    rows: IntArray
    class_name: str | None = None
    criterion: Criterion = NO_CRITERION
    guideline: str = "v1"
    target: int | None = None
    at: str | None = None  # None = the moment of the commit


@dataclass(frozen=True)
class ImageColumns:
    """The columns of all N images that a workspace keeps in memory, in row order."""

    ids: np.ndarray[tuple[int], np.dtype[np.bytes_]]  # (N,) S32
    is_check: BoolArray  # (N,)
    check_order: FloatArray  # (N,) in [0, 1)
    groups: IntArray  # (N,) int64: row of the first image of its near-duplicate group, its own if it has no near-duplicate
    removed: BoolArray  # (N,); the group of a removed image keeps its half and its place in the check order

    def extended(self, more: "ImageColumns") -> "ImageColumns":
        """Return them with those of the images after them."""
        mine, theirs = (vars(columns) for columns in (self, more))
        found = ImageColumns(**{f.name: np.concatenate([mine[f.name], theirs[f.name]]) for f in fields(ImageColumns)})
        # Not anew of all: a million images grow every second while others are read.
        vars(found)["in_live"] = np.concatenate([self.in_live, in_live_part(found.check_order[more.groups])])
        return found

    def first(self, n: int) -> "ImageColumns":
        """Return those of the first n images."""
        if n == len(self.ids):
            return self
        return ImageColumns(**{f.name: getattr(self, f.name)[:n] for f in fields(ImageColumns)})

    @cached_property
    def in_live(self) -> BoolArray:
        """Which images live curves may use if they are in the check half, (N,), also after a group's first image has gone."""
        return in_live_part(self.check_order[self.groups])

    @cached_property
    def removed_rows(self) -> IntArray:
        """Rows of the removed images, (K,) int64, ascending."""
        return np.flatnonzero(self.removed)

    @cached_property
    def groups_now(self) -> IntArray:
        """Row of the oldest image of each one's group that was not removed, (N,) int64; a removed image has its own."""
        if not len(self.removed_rows):
            return self.groups
        found = self.groups.copy()
        found[self.removed_rows] = self.removed_rows
        orphans = np.flatnonzero(~self.removed & self.removed[self.groups])
        leaders, oldest = np.unique(self.groups[orphans], return_index=True)
        found[orphans] = orphans[oldest[np.searchsorted(leaders, self.groups[orphans])]]
        return found

    @cached_property
    def check_rows(self) -> IntArray:
        """Rows of the check half in the permanent order, (C,) int32, sorted once: two million take most of a second."""
        check = np.flatnonzero(self.is_check & ~self.removed)
        return check[np.argsort(self.check_order[check], kind="stable")].astype(np.int32)

    @cached_property
    def copies(self) -> IntArray:
        """Rows of the images that are near-duplicates of an older one, (K,) int64, ascending."""
        return np.flatnonzero(self.groups_now != np.arange(len(self.groups)))

    @cached_property
    def with_copies(self) -> IntArray:
        """Rows of all images whose near-duplicate group has other images, (K,) int64, ascending."""
        return np.union1d(self.copies, self.groups_now[self.copies])
