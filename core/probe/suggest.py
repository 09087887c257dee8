"""Which images to label next, and why. Each verb takes the workspace."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from core.arrays import IntArray
from core.catalog.label_book import UNLABELLED
from core.embeddings.neighbours import nearest
from core.errors import InputError
from core.maths.uncertainty import probability
from core.missing import missing_for_score
from core.probe.strategies import FIRST_ROUND, STRATEGIES, Need, Pool, automatic
from core.wording import percent
from core.workspace import Workspace


@dataclass(frozen=True)
class Suggestion:
    """An image suggested for labelling."""

    row: int
    id: str
    strategy: str
    reason: str  # for the analyst


def suggest(
    workspace: Workspace, n: int = FIRST_ROUND, *, strategy: str = "auto", seed: int = 0, without: Collection[int] = ()
) -> list[Suggestion]:
    """Choose unlabelled images of the teach half that are worth a label.

    Args:
        n: how many.
        strategy: a name in `STRATEGIES`, or "auto": diverse until there are 10 labels and a score, then uncertain.
        seed: the same seed and labels give the same picks.
        without: rows not to choose, because another analyst is asked for them now.
    Returns:
        at most n distinct ones; fewer if no more are left (`missing_for_suggestions` says why).
    Raises:
        InputError: if the strategy is unknown, or needs a probe that is missing.
    """
    if n < 1:
        raise InputError(f"A round needs at least 1 image, got {n}.")
    with workspace.lock:
        embedded, codes, fitted = workspace.current, workspace.labels.codes, workspace.fitted
    matrix = embedded.need_matrix()
    labelled = workspace.teach_rows(codes, matrix)
    score = fitted.score if fitted is not None and fitted.probe.flagged_weights is not None else None
    if strategy == "auto":
        strategy = automatic(len(labelled), has_score=score is not None)
    if strategy not in STRATEGIES:
        raise InputError(f"There is no strategy '{strategy}'; choose auto, {', '.join(STRATEGIES)}.")
    if STRATEGIES[strategy].needs == Need.SCORE and score is None and (missing := missing_for_score(workspace)):
        raise InputError(f"Strategy '{strategy}' needs scores. {missing}")
    free = (codes == UNLABELLED) & ~workspace.is_check & ~workspace.book.is_unsure()
    free[list(without)] = False
    pool = Pool(
        rows=np.flatnonzero(free[: matrix.rows]),
        embeddings=lambda rows: embedded.standardisation.apply(matrix.take(rows)),
        uncertainty=fitted.uncertainty if fitted else None,
        score=score,
        labelled=labelled[np.argsort(workspace.labels.actions[labelled], kind="stable")],
        groups=workspace.groups,
    )
    chosen = STRATEGIES[strategy]
    rows = chosen.choose(pool, n, np.random.default_rng([seed, len(labelled)]))
    return [Suggestion(int(r), workspace.image_id(int(r)), strategy, _reason(workspace, chosen.reason, int(r))) for r in rows]


def _reason(workspace: Workspace, reason: str, row: int) -> str:
    if workspace.fitted is None or np.isnan(workspace.fitted.score[row]):
        return reason
    p = float(probability(np.array(workspace.fitted.score[row], np.float64)))
    return f"{reason} (the probe gives {percent(p)} for flagged)"


def more_like(workspace: Workspace, rows: IntArray, n: int) -> IntArray:
    """Return the n embedded images nearest to any of the given ones, (<= n,) int64 rows, nearest first.

    Raises:
        InputError: if no embedded image is given.
    """
    embedded = workspace.current
    known = rows[rows < embedded.need_matrix().rows]
    if not len(known):
        raise InputError("There is no image to compare with; click one on the map, or lasso some.")
    return nearest(embedded, known, n)
