"""Keep the score columns of files, and read them with higher = more likely flagged. Each verb takes the workspace."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.evidence import OpeningRow
from core.catalog.score_columns import NewColumn, ScoreColumn
from core.errors import DamageError, InputError
from core.score_columns.files import FileColumn, header_of
from core.wording import counted, verb
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.scores")
DIRECTIONS = {False: "higher = more likely flagged", True: "higher = safer"}  # by `higher_is_safer`


@dataclass(frozen=True, eq=False)
class _Merge:
    """A column of a file, and what the workspace has of it before and after the import."""

    column: FileColumn
    lines: IntArray  # ascending, those with a score of an image in the workspace
    rows: IntArray  # (L,) the image of each line; -1 = not in the workspace
    known: ScoreColumn | None  # before
    before: FloatArray  # (N,) float64 as imported, NaN = no score
    after: FloatArray  # (N,)


def score_columns(workspace: Workspace) -> list[ScoreColumn]:
    """Return the score columns by name."""
    return workspace.catalog.score_columns.all()


def score_column(workspace: Workspace, name: str) -> ScoreColumn:
    """Return a score column.

    Raises:
        InputError: if there is none of this name.
    """
    known = {column.name: column for column in score_columns(workspace)}
    if name not in known:
        there = f"there {verb(len(known))} {', '.join(known)}" if known else "a manifest or label file brings some"
        raise InputError(f"There is no score column '{name}'; {there}.")
    return known[name]


def flagged_scores(workspace: Workspace, column: ScoreColumn) -> FloatArray:
    """Return a column's scores, higher = more likely flagged: (N,) float64, NaN where an image has none.

    Scores declared "higher = safer" come with the opposite sign. Removed images have none.
    """
    values = scores_as_kept(workspace, column)
    values[workspace.columns.removed_rows] = np.nan
    return values


def scores_as_kept(workspace: Workspace, column: ScoreColumn) -> FloatArray:
    """Return `flagged_scores` with those of removed images, which what a promise was hashed of has, too."""
    values = _kept(workspace, column.name)
    return -values if column.higher_is_safer else values


def readable_columns(workspace: Workspace) -> list[tuple[ScoreColumn, FloatArray]]:
    """Return the score columns by name, each with its `flagged_scores`; damaged ones are left out with a warning."""
    found = []
    for column in score_columns(workspace):
        try:
            found.append((column, flagged_scores(workspace, column)))
        except DamageError as error:
            LOG.warning("the score column '%s' is not shown: %s", column.name, error)
    return found


def keep_columns(workspace: Workspace, columns: Sequence[FileColumn], rows: IntArray, file: Path) -> list[str]:
    """Keep the score columns of a file, all or none; an image's new score replaces its old one.

    Args:
        columns: of L lines each.
        rows: (L,) int64, the image of each line; -1 = it is not in the workspace. Of several lines for one image the first with
            a score counts.
    Returns:
        a sentence or more per column.
    Raises:
        InputError: if a column has no score for any image, turns the direction of scores that are not in the file, or changes
            scores that a check set was opened for.
    """
    with workspace.lock:
        known = {column.name: column for column in score_columns(workspace)}
        merged = [_merge(workspace, column, rows, known.get(column.name)) for column in columns]
        for merge in merged:
            _check_merge(workspace, merge, file)
        workspace.catalog.score_columns.put(
            [NewColumn(m.column.name, m.column.higher_is_safer, file.name, m.after) for m in merged]
        )
    return [_sentence(merge) for merge in merged]


def openings_about(workspace: Workspace, name: str) -> list[OpeningRow]:
    """Return the openings of check sets that are about a score column, newest first."""
    return [opening for opening in workspace.catalog.evidence.openings() if opening["scorer"] == name]


def hash_of(scores: FloatArray) -> str:
    """Hash `flagged_scores`, so that a change is noticed."""
    return hashlib.blake2b(np.ascontiguousarray(scores, "<f8").view(np.uint8).data, digest_size=12).hexdigest()


def remove_column(workspace: Workspace, name: str) -> None:
    """Remove a score column.

    Raises:
        InputError: if there is none of this name, or an opening of a check set is about it.
    """
    score_column(workspace, name)
    with workspace.lock:
        if about := openings_about(workspace, name):
            raise InputError(f"The score column '{name}' stays: opening {about[0]['number']} of a check set is about it.")
        workspace.catalog.score_columns.remove(name)


def _kept(workspace: Workspace, name: str) -> FloatArray:
    """Return a column's scores as they were imported, (N,) float64; images that came later have none."""
    kept = workspace.catalog.score_columns.values(name)
    values = np.full(workspace.n_images, np.nan)
    values[: len(kept)] = kept[: len(values)]
    return values


def _merge(workspace: Workspace, column: FileColumn, rows: IntArray, known: ScoreColumn | None) -> _Merge:
    try:
        before = _kept(workspace, column.name)
    except DamageError:  # the file replaces what is lost
        before = np.full(workspace.n_images, np.nan)
    lines, after = np.flatnonzero((rows >= 0) & ~np.isnan(column.values)), before.copy()
    first = lines[::-1]  # numpy keeps the last of several values, and the first line is to count
    after[rows[first]] = column.values[first]
    return _Merge(column, lines, rows, known, before, after)


def _check_merge(workspace: Workspace, merge: _Merge, file: Path) -> None:
    """Check that a file's column may be kept beside the scores there are.

    Raises:
        InputError: as `keep_columns`.
    """
    name, known, safer = merge.column.name, merge.known, merge.column.higher_is_safer
    nothing, other = "None of its scores were imported.", header_of(f"{name}-2", higher_is_safer=safer)
    if not len(merge.lines):
        raise InputError(f"{file} has no score of '{name}' for any image of this workspace. {nothing}")
    if known is None:
        return
    left = int((~np.isnan(np.delete(merge.before, merge.rows[merge.lines]))).sum())
    if known.higher_is_safer != safer and left:
        raise InputError(
            f"{file} declares '{name}' '{DIRECTIONS[safer]}', but {counted(left, 'image')} that it does not name "
            f"{verb(left, 'has', 'have')} scores declared '{DIRECTIONS[known.higher_is_safer]}'. Import all scores again under "
            f"the new declaration, or call the column '{other}'. {nothing}"
        )
    was = -merge.before if known.higher_is_safer else merge.before
    now = -merge.after if safer else merge.after
    for opening in openings_about(workspace, name):
        frame, promised = opening["record"].get("frame"), opening["record"].get("scores_hash")
        if hash_of(was[:frame]) == promised != hash_of(now[:frame]):
            raise InputError(
                f"Opening {opening['number']} of a check set is about the scores of '{name}', and {file} changes them. Import "
                f"other scores under another name, for example '{other}'. {nothing}"
            )


def _sentence(merge: _Merge) -> str:
    column, rows, lines, values = merge.column, merge.rows, merge.lines, merge.after
    n_scored, n_without = int((~np.isnan(values)).sum()), int(np.isnan(values).sum())
    n_new = len(np.unique(rows[lines]))
    said = [f"Scores of '{column.name}' ({DIRECTIONS[column.higher_is_safer]}): {counted(n_new, 'image')} in this file"]
    said[0] += "." if n_new == n_scored else f", {n_scored:,} in all."
    if n_changed := int((~np.isnan(merge.before) & (merge.before != values)).sum()):
        said.append(
            f"{counted(n_changed, 'image')} had another score before; scores of another model need a name of their own."
        )
    if merge.known is not None and merge.known.higher_is_safer != column.higher_is_safer:
        said.append(f"Before, the whole column was declared '{DIRECTIONS[merge.known.higher_is_safer]}'.")
    if n_without:
        said.append(f"{counted(n_without, 'image')} of the workspace {verb(n_without, 'has', 'have')} no score.")
    if n_empty := int(np.isnan(column.values).sum()):
        first = int(np.isnan(column.values).argmax()) + 2
        said.append(f"{counted(n_empty, 'line')} without a number (empty or NaN), the first is line {first}.")
    if n_strange := int((rows < 0).sum()):
        first = int((rows < 0).argmax()) + 2
        said.append(
            f"{counted(n_strange, 'line')} left out because the image is not in this workspace, the first is line {first}."
        )
    if n_several := _contradicted(rows[lines], column.values[lines]):
        said.append(f"{counted(n_several, 'image')} {verb(n_several, 'has', 'have')} several scores; the first one counts.")
    return " ".join(said)


def _contradicted(rows: IntArray, values: FloatArray) -> int:
    """Count the rows that have different values."""
    order = np.argsort(rows, kind="stable")
    row, value = rows[order], values[order]
    differs = (row[1:] == row[:-1]) & (value[1:] != value[:-1])
    return len(np.unique(row[1:][differs]))
