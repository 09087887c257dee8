"""Second readings of check images by another analyst, and decisions where two differ. Each verb takes the workspace."""

import numpy as np

from core.arrays import IntArray
from core.catalog.criterion import Criterion
from core.catalog.records import Source
from core.errors import InputError
from core.labels.actions import LabelResult, label, label_action
from core.labels.classes import class_today
from core.workspace import Workspace

SECOND_SHARE = 0.1  # of the check labels that are not flagged; all flagged ones get a second reading


def waiting_for_second(workspace: Workspace, analyst: str) -> IntArray:
    """Return the images waiting for this analyst's second reading: of others' sealed readings, all flagged and 10% of the rest.

    Returns:
        (K,) int64 rows, ascending.
    """
    read = np.flatnonzero(workspace.evidence() & workspace.sealed)
    flagged = np.isin(workspace.book.codes_of(read), workspace.flagged_codes)
    tenth = np.modf(workspace.check_order[read] * 2**30)[0] < SECOND_SHARE
    rows = read[flagged | tenth]
    done = {reading["row"] for reading in workspace.catalog.evidence.second_readings()}
    givers = zip(rows.tolist(), workspace.book.givers_of(rows).tolist(), strict=True)
    return np.array([row for row, seq in givers if row not in done and workspace.book.analyst_of(seq) != analyst], np.int64)


def read_again(workspace: Workspace, row: int, class_name: str, *, analyst: str) -> None:
    """Save a second analyst's reading of a check image; its label does not change.

    Raises:
        InputError: if the class is unknown, or the image needs no second reading from this analyst.
    """
    class_name = class_today(workspace, class_name)
    if row not in waiting_for_second(workspace, analyst):
        raise InputError("This image needs no second reading from you: it has one already, or the first was yours.")
    workspace.catalog.evidence.add_second_reading(row, class_name, analyst, workspace.guideline)


def change_second(workspace: Workspace, row: int, class_name: str | None, *, analyst: str) -> None:
    """Give an analyst's own second reading another class; None takes the reading back.

    Raises:
        InputError: if the class is unknown, or the image has no second reading by this analyst that is not decided on.
    """
    class_name = None if class_name is None else class_today(workspace, class_name)
    mine = any(r["row"] == row and r["analyst"] == analyst for r in workspace.catalog.evidence.second_readings())
    if not mine or label_action(workspace, row).criterion.adjudicates is not None:
        raise InputError("There is no second reading of yours to change here: it was decided on, or it is another analyst's.")
    workspace.catalog.evidence.change_second_reading(row, class_name)


def disagreements(workspace: Workspace) -> IntArray:
    """Return the rows of check images whose two readings differ and are not decided yet, (K,) int64, ascending."""
    evidence = workspace.evidence()
    return np.array(
        [r for r, second in _second_classes(workspace).items() if evidence[r] and _differs(workspace, r, second)], np.int64
    )


def adjudicate(workspace: Workspace, row: int, class_name: str, *, analyst: str) -> LabelResult:
    """Decide between two readings; the decision becomes the label.

    Raises:
        InputError: if there is nothing to decide.
    """
    if row not in disagreements(workspace):
        raise InputError("The two readings of this image agree, or somebody has already decided between them.")
    second = _second_classes(workspace)[row]
    first = workspace.class_names[int(workspace.labels.codes[row])]
    criterion = Criterion(adjudicates=(first, second))
    return label(workspace, np.array([row]), class_name, analyst=analyst, source=Source.CHECK, criterion=criterion)


def second_class(workspace: Workspace, row: int) -> str | None:
    """Return the class of an image's second reading; None if it has none."""
    return _second_classes(workspace).get(row)


def _second_classes(workspace: Workspace) -> dict[int, str]:
    names = workspace.renames
    found = {reading["row"]: reading["class_name"] for reading in workspace.catalog.evidence.second_readings()}
    return {row: names.get(name, name) for row, name in found.items()}


def _differs(workspace: Workspace, row: int, second: str) -> bool:
    decided = label_action(workspace, row).criterion.adjudicates is not None
    return not decided and workspace.class_names[int(workspace.labels.codes[row])] != second


def second_outcome(workspace: Workspace, rows: IntArray) -> tuple[int, int]:
    """Return how many of these rows have a second reading, and how many of those differ from the first."""
    again = {row: second for row, second in _second_classes(workspace).items() if row in set(rows.tolist())}
    disagreed = 0
    for row, second in again.items():
        pair = label_action(workspace, row).criterion.adjudicates
        first = workspace.renames.get(pair[0], pair[0]) if pair else workspace.class_names[int(workspace.labels.codes[row])]
        disagreed += first != second
    return len(again), disagreed
