"""Which images to label next, and why. Each verb takes the workspace."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from core.arrays import BoolArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.devices import to_device, to_host
from core.embeddings.embedded import Embedded
from core.embeddings.neighbours import nearest
from core.errors import InputError
from core.maths.uncertainty import probability
from core.missing import missing_for_score
from core.probe.offered import FIRST_ROUND, WITHOUT_COLUMN
from core.probe.strategies import STRATEGIES, Need, Pool, automatic
from core.score_columns.files import header_of
from core.score_columns.keep import flagged_scores, score_columns
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
    workspace: Workspace,
    n: int = FIRST_ROUND,
    *,
    strategy: str = "auto",
    seed: int = 0,
    without: Collection[int] = (),
    among: BoolArray | None = None,
) -> list[Suggestion]:
    """Choose unlabelled images of the teach half that are worth a label.

    Args:
        n: how many.
        strategy: a name in `STRATEGIES`, or "auto": diverse until there are 10 labels and a score, then uncertain; or the
            header of a score column, such as "score:vendor", for that column's top and its doubts.
        seed: the same seed and labels give the same picks.
        without: rows not to choose, because another analyst is asked for them now.
        among: (N,) bool, which images to choose from; None = all.
    Returns:
        at most n distinct ones; fewer if no more are left (`missing_for_suggestions` says why).
    Raises:
        InputError: if the strategy is unknown, or needs a probe or score column that is missing.
    """
    if n < 1:
        raise InputError(f"A round needs at least 1 image, got {n}.")
    with workspace.lock:
        embedded, codes, fitted = workspace.current, workspace.labels.codes, workspace.fitted
    if fitted is not None and len(fitted.score) != len(codes):  # images have come since; the next refit scores them
        fitted = None
    matrix = embedded.need_matrix()
    labelled = workspace.teach_rows(codes, matrix)
    score = fitted.on_device.score if fitted is not None and fitted.probe.flagged_weights is not None else None
    if strategy == "auto":
        strategy = automatic(len(labelled), has_score=score is not None)
    columns = {header_of(column.name): column for column in score_columns(workspace)}
    if strategy not in (*WITHOUT_COLUMN, *columns):
        raise InputError(f"There is no strategy '{strategy}'; choose auto, {', '.join([*WITHOUT_COLUMN, *columns])}.")
    chosen = STRATEGIES["vendor" if strategy in columns else strategy]
    column = flagged_scores(workspace, columns[strategy]) if strategy in columns else None
    if chosen.needs == Need.SCORE and score is None and (missing := missing_for_score(workspace)):
        raise InputError(f"Strategy '{strategy}' needs scores. {missing}")
    free = (codes == UNLABELLED) & workspace.is_teach & ~workspace.unsure
    free[list(without)] = False
    if among is not None:
        free &= among
    oldest_first = labelled[np.argsort(workspace.labels.actions[labelled], kind="stable")]

    def choose(mine: Embedded) -> IntArray:
        device = mine.on_device.device
        pool = Pool(
            rows=torch.nonzero(to_device(free[: matrix.rows], device))[:, 0],
            embeddings=lambda rows: mine.standardised(to_host(rows)[0]),
            uncertainty=fitted.on_device.uncertainty.to(device) if fitted else None,
            score=None if score is None else score.to(device),
            labelled=to_device(oldest_first, device),
            groups=to_device(workspace.groups, device),
            column=None if column is None else to_device(column, device),
        )
        return chosen.choose(pool, n, np.random.default_rng([seed, len(labelled)]))

    rows = embedded.compute(choose)
    return [Suggestion(int(r), workspace.image_id(int(r)), strategy, _reason(workspace, chosen.reason, int(r))) for r in rows]


def _reason(workspace: Workspace, reason: str, row: int) -> str:
    if workspace.fitted is None or np.isnan(workspace.fitted.score[row]):
        return reason
    p = float(probability(np.array(workspace.fitted.score[row], np.float64)))
    return f"{reason} (the probe gives {percent(p)} for flagged)"


def more_like(workspace: Workspace, rows: IntArray, n: int, *, among: BoolArray | None = None) -> IntArray:
    """Return the n embedded images nearest to any of the given ones, (<= n,) int64 rows, nearest first.

    Args:
        among: (N,) bool, which images to choose from; None = all.
    Raises:
        InputError: if no embedded image is given.
    """
    embedded = workspace.current
    known = rows[rows < embedded.need_matrix().rows]
    if not len(known):
        raise InputError("There is no image to compare with; click one on the map, or lasso some.")
    if len(workspace.columns.removed_rows):
        among = ~workspace.removed if among is None else among & ~workspace.removed
    return embedded.compute(lambda mine: nearest(mine, known, n, among=among))
