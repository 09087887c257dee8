"""Openings of one check set by different scorers, beside each other on the labels they share. Each verb takes the workspace."""

from dataclasses import dataclass

import numpy as np

from core.evidence.check_sets import CheckStatus
from core.evidence.openings import Opening, openings
from core.evidence.subject import PROBE
from core.evidence.threshold import FEWEST_FOR_AP
from core.maths.paired import Difference, paired_difference
from core.score_columns.keep import score_columns
from core.wording import changed, counted, target
from core.workspace import Workspace


@dataclass(frozen=True)
class Beside:
    """How far one opening's scorer exceeds another's on the sealed labels that both were opened with."""

    other: str  # the other scorer
    n: int  # shared labels
    difference: Difference


def beside(workspace: Workspace, opened: Opening) -> list[Beside]:
    """Compare an opening with the newest of every other scorer, for the same policy and check set.

    It is no look: both have been opened, and nothing but their recorded labels and scores is read.

    Returns:
        one for each other scorer, by name, with at least 20 flagged labels that both share.
    """
    newest: dict[str, Opening] = {}
    for other in openings(workspace):
        flagged_names = (set(workspace.named_today(each.flagged_names)) for each in (other, opened))
        same = (other.check_set, other.policy) == (opened.check_set, opened.policy) and next(flagged_names) == next(
            flagged_names
        )
        if same and other.scorer != opened.scorer:
            newest.setdefault(other.scorer, other)
    found = []
    for name, other in sorted(newest.items()):
        rows, mine, theirs = np.intersect1d(opened.rows, other.rows, return_indices=True)
        kept = opened.flagged[mine] == other.flagged[theirs]  # a label that was changed in between judges neither
        mine, theirs = mine[kept], theirs[kept]
        flagged = opened.flagged[mine]
        if flagged.sum() >= FEWEST_FOR_AP and not flagged.all():
            difference = paired_difference(opened.scores[mine], other.scores[theirs], flagged, recall=opened.recall)
            found.append(Beside(name, len(rows[kept]), difference))
    return found


def beside_words(opened: Opening, found: Beside) -> str:
    """State a comparison: which scorer is better, by how much, on how many labels."""
    average, precision = found.difference.average_precision, found.difference.precision
    verdict = "better than" if average.low > 0 else "worse than" if average.high < 0 else "not shown to differ from"
    labels = f"the {counted(found.n, 'check label')} that both were opened with"
    return (
        f"On {labels}, '{opened.scorer}' is {verdict} '{found.other}': average precision {changed(*average)}, "
        f"precision at {target(opened.recall)} recall {changed(*precision)} (95% ranges, paired)."
    )


def order_words(workspace: Workspace, status: CheckStatus) -> str:
    """Advise which scorer to open a new check set for first; "" unless it is about to be opened for the probe."""
    columns = [column.name for column in score_columns(workspace)]
    opened = any(opening["check_set"] == status.check_set.number for opening in workspace.catalog.evidence.openings())
    if not columns or opened or status.subject.scorer != PROBE:
        return ""
    which = f"'{columns[0]}'" if len(columns) == 1 else f"one of the score columns ({', '.join(columns)})"
    return (
        f"If you will open this set for {which} too, do that first: it then shares the set's error equally with the probe. "
        "Each further scorer gets a share of what those before it left, and after a look by the probe alone little is left. "
        "Choose the column by its figures on the labels for live curves: a choice by the sealed ones would make the promise "
        "too optimistic."
    )
