"""Keep the score columns of files, and read them with higher = more likely flagged. Each verb takes the workspace."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.score_columns import NewColumn, ScoreColumn
from core.errors import DamageError, InputError
from core.score_columns.files import FileColumn
from core.wording import counted, verb
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.scores")
DIRECTIONS = {False: "higher = more likely flagged", True: "higher = safer"}  # by `higher_is_safer`


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

    Scores declared "higher = safer" come with the opposite sign.
    """
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
    """
    with workspace.lock:
        known = {column.name: column for column in score_columns(workspace)}
        merged = [(column, _merged(workspace, column, rows)) for column in columns]
        workspace.catalog.score_columns.put([NewColumn(c.name, c.higher_is_safer, file.name, values) for c, values in merged])
    return [_sentence(column, rows, values, known.get(column.name)) for column, values in merged]


def remove_column(workspace: Workspace, name: str) -> None:
    """Remove a score column.

    Raises:
        InputError: if there is none of this name, or an opening of a check set is about it.
    """
    score_column(workspace, name)
    with workspace.lock:
        about = [opening["number"] for opening in workspace.catalog.evidence.openings() if opening["scorer"] == name]
        if about:
            raise InputError(f"The score column '{name}' stays: opening {about[0]} of a check set is about it.")
        workspace.catalog.score_columns.remove(name)


def _kept(workspace: Workspace, name: str) -> FloatArray:
    """Return a column's scores as they were imported, (N,) float64; images that came later have none."""
    kept = workspace.catalog.score_columns.values(name)
    values = np.full(workspace.n_images, np.nan)
    values[: len(kept)] = kept[: len(values)]
    return values


def _merged(workspace: Workspace, column: FileColumn, rows: IntArray) -> FloatArray:
    try:
        values = _kept(workspace, column.name)
    except DamageError:  # the file replaces what is lost
        values = np.full(workspace.n_images, np.nan)
    lines = _counted_lines(column, rows)[::-1]  # numpy keeps the last of several values, and the first line is to count
    values[rows[lines]] = column.values[lines]
    return values


def _counted_lines(column: FileColumn, rows: IntArray) -> IntArray:
    """Return the lines with a score of an image in the workspace, ascending."""
    return np.flatnonzero((rows >= 0) & ~np.isnan(column.values))


def _sentence(column: FileColumn, rows: IntArray, values: FloatArray, before: ScoreColumn | None) -> str:
    lines = _counted_lines(column, rows)
    n_scored, n_without = int((~np.isnan(values)).sum()), int(np.isnan(values).sum())
    n_new = len(np.unique(rows[lines]))
    said = [f"Scores of '{column.name}' ({DIRECTIONS[column.higher_is_safer]}): {counted(n_new, 'image')} in this file"]
    said[0] += "." if n_new == n_scored else f", {n_scored:,} in all."
    if before is not None and before.higher_is_safer != column.higher_is_safer:
        said.append(f"Before, the whole column was declared '{DIRECTIONS[before.higher_is_safer]}'.")
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
