"""Which images fulfil a condition: one mask each, and all of them together. Each verb takes the workspace.

Masks read files and the catalog, so no event loop makes them. What one needs of all images is read once where the caller keeps
it (`keep`).
"""

import datetime as dt
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.filters.conditions import (
    UNLABELLED_NAME,
    UNSURE_NAME,
    AddedSince,
    ClassIs,
    ColumnBetween,
    ColumnIs,
    Condition,
    Copies,
    FileNamed,
    HalfIs,
    InCluster,
    LabelledBy,
    LongerSide,
    NearDuplicates,
    PredictedIs,
    Reads,
    ScoreBetween,
    Tells,
    UncertaintyBetween,
    WordsRead,
)
from core.map.clusters import clustering, stored_clusters
from core.map.density import GRAINS
from core.maths.halves import Half
from core.notices.find import search_words
from core.score_columns.files import header_of
from core.score_columns.keep import flagged_scores, score_columns
from core.workspace import Workspace


class Keep(Protocol):
    """Returns `work()` for a key, worked out now or earlier."""

    def __call__(self, kind: str, key: Hashable, work: Callable[[], Any]) -> Any:
        """Return the result."""


def straight(kind: str, key: Hashable, work: Callable[[], Any]) -> Any:
    """Work it out now."""
    return work()


def mask(workspace: Workspace, condition: Condition, *, keep: Keep = straight) -> BoolArray:
    """Return which images fulfil a condition, (N,) bool, not to be written to."""
    found = _mask(workspace, condition, keep)
    found.flags.writeable = False
    return found


def made_of(workspace: Workspace, condition: Condition) -> tuple[object, ...]:
    """Return what a mask is made from, to be compared by identity or, for texts and numbers, by value."""
    match condition.reads:
        case Reads.LABELS:
            return (workspace.labels, tuple(workspace.class_names))
        case Reads.PROBE:
            return (workspace.fitted, tuple(workspace.class_names))
        case Reads.GROUPS:
            return (workspace.columns,)
        case Reads.CLUSTERS:
            return (_clusters(workspace),)
        case Reads.WORDS:
            return (_clusters(workspace), workspace.catalog.images.count_words())
    return ()


def leaves_sealed_out(conditions: Iterable[Condition], *, beside_model: bool) -> bool:
    """Tell whether sealed check images are left out: where answers would meet what the model says, a promise would leak.

    Args:
        beside_model: colours or the order of the pictures show what a model says.
    """
    told = {condition.tells for condition in conditions}
    return Tells.MODEL in told or (beside_model and Tells.ANSWER in told)


def all_of(
    workspace: Workspace, conditions: Sequence[Condition], masks: Sequence[BoolArray], *, beside_model: bool
) -> BoolArray:
    """Return which images fulfil all conditions, (N,) bool, not to be written to.

    Args:
        masks: of each condition.
        beside_model: as in `leaves_sealed_out`.
    """
    found = ~workspace.removed
    for one in masks:
        found &= one
    if leaves_sealed_out(conditions, beside_model=beside_model):
        found &= ~workspace.sealed
    found.flags.writeable = False
    return found


def _clusters(workspace: Workspace) -> str:
    stored, map_ = stored_clusters(workspace), workspace.projection
    return "" if stored is None or map_ is None else f"{stored.file} {map_['version']}"


def _mask(workspace: Workspace, condition: Condition, keep: Keep) -> BoolArray:
    n = workspace.n_images
    match condition:
        case ClassIs(names=names):
            found = _is_class(workspace.labels.codes, workspace.named_today(names), workspace.class_names)
            if UNLABELLED_NAME in names:
                found |= workspace.labels.codes == UNLABELLED
            return found | workspace.unsure if UNSURE_NAME in names else found
        case PredictedIs(names=names):
            today, known = workspace.named_today(names), workspace.class_names
            return _of_probe(workspace, "predicted", lambda codes: _is_class(codes, today, known))
        case ScoreBetween(low=low, high=high):
            return _of_probe(workspace, "score", lambda score: _between(score, _logit(low), _logit(high)))
        case UncertaintyBetween(low=low, high=high):
            return _of_probe(workspace, "uncertainty", lambda values: _between(values, low, high))
        case HalfIs(half=half):
            return workspace.is_check if half == Half.CHECK else workspace.is_teach
        case InCluster(names=names):
            return _in_clusters(workspace, names)
        case LabelledBy(names=names):
            return workspace.book.given_by(names)[: workspace.n_images]
        case AddedSince(since=since):
            return _added_since(workspace, since)
        case FileNamed(text=text):
            return _of_rows(n, workspace.among(rows_named(workspace, text)))
        case WordsRead(text=text):
            return _of_rows(n, workspace.among(search_words(workspace, text)))
        case ColumnIs(column=column, names=names):
            found_rows = workspace.catalog.images.gold_rows(column, names)
            return _of_rows(n, workspace.among(np.concatenate([np.zeros(0, np.int64), *found_rows.values()])))
        case ColumnBetween(column=column, low=low, high=high):
            return _between(numbers(workspace, column, keep=keep), low, high)
        case NearDuplicates(copies=copies):
            found = _of_rows(n, workspace.columns.with_copies)
            return found if copies == Copies.SOME else ~found
        case LongerSide(low=low, high=high):
            return _between(longer_sides(workspace, keep=keep), low, high)


def _of_rows(n: int, rows: IntArray) -> BoolArray:
    found = np.zeros(n, bool)
    found[rows] = True
    return found


def _of_probe(workspace: Workspace, column: str, test: Callable[[Any], BoolArray]) -> BoolArray:
    """Test a column of the newest probe; images without a score, all of them without a probe, do not pass."""
    found, fitted = np.zeros(workspace.n_images, bool), workspace.fitted
    if fitted is not None:
        passed = test(getattr(fitted, column))
        found[: len(passed)] = passed
    return found


def _is_class(codes: IntArray, names: Sequence[str], class_names: Sequence[str]) -> BoolArray:
    wanted = np.zeros(len(class_names) + 1, bool)  # the last is -1
    wanted[[code for code, name in enumerate(class_names) if name in names]] = True
    return wanted[codes]


def _between(values: FloatArray | IntArray, low: float | None, high: float | None) -> BoolArray:
    """Return which values are in a range, its ends included; NaN is in none."""
    found = values >= (-math.inf if low is None else low)
    if high is not None:
        found &= values <= high
    return np.asarray(found)


def _logit(share: float | None) -> float | None:
    if share is None or share in (0, 1):
        return None if share is None else math.inf if share else -math.inf
    return math.log(share / (1 - share))


def _in_clusters(workspace: Workspace, names: Sequence[str]) -> BoolArray:
    """Return which images are in clusters of these names: a name begins with the letter of its grain."""
    found = np.zeros(workspace.n_images, bool)
    for grain in GRAINS:
        mine = [name for name in names if name[:1] == grain[0].upper()]
        if mine and (clusters := clustering(workspace, grain)) is not None:
            found |= _is_class(clusters.codes, mine, clusters.names)
    return found


def added(workspace: Workspace) -> FloatArray:
    """Return when every image was added, (N,) float64 seconds since 1970 UTC; NaN where that was not written down."""
    found = np.full(workspace.n_images, np.nan)
    for first, at in workspace.catalog.images.additions():
        try:
            found[first:] = dt.datetime.fromisoformat(at).timestamp()
        except ValueError:  # damaged
            found[first:] = np.nan
    return found


def _added_since(workspace: Workspace, since: dt.datetime) -> BoolArray:
    return np.asarray(added(workspace) >= since.timestamp())


def rows_named(workspace: Workspace, text: str) -> IntArray:
    """Return the images with a text in the name of one of their files, or in its path if the text has "/"; (K,) int64."""
    wanted, whole = text.casefold(), "/" in text
    pattern = "".join("%" if ord(letter) > 127 else f"!{letter}" if letter in "!%_" else letter for letter in text)
    found = workspace.catalog.images.rows_with_path(f"%{pattern}%")
    return np.array(
        sorted({row for row, path in found if wanted in (path if whole else path.rpartition("/")[2]).casefold()}), np.int64
    )


def longer_sides(workspace: Workspace, *, keep: Keep = straight) -> IntArray:
    """Return the longer side of every image in px, (N,) int32."""
    n = workspace.n_images
    found: IntArray = keep("longer sides", n, lambda: workspace.catalog.images.sizes()[:n].max(axis=1, initial=0))
    return found


def numbers(workspace: Workspace, column: str, *, keep: Keep = straight) -> FloatArray:
    """Return the numbers of a score column (higher = more likely flagged), or of a column that came with the images.

    Returns:
        (N,) float64; NaN where an image has no number, and everywhere if there is no such column.
    """

    def read() -> FloatArray:
        scores = {header_of(c.name, higher_is_safer=False): c for c in score_columns(workspace)}
        if column in scores:
            return flagged_scores(workspace, scores[column])
        rows, values = workspace.catalog.images.gold(column)
        known = {value: as_number(value) for value in set(values)}
        found = np.full(workspace.n_images, np.nan)
        found[workspace.among(rows)] = [
            known[value] for row, value in zip(rows.tolist(), values, strict=True) if row < len(found)
        ]
        return found

    found: FloatArray = keep(f"numbers {column}", workspace.n_images, read)
    return found


def as_number(text: str) -> float:
    """Return a text as a finite number; NaN if it is none."""
    try:
        found = float(text)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan
