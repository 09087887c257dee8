"""Focus labels: extra check labels where the model is uncertain, to narrow the precision range. Never for the recall promise.

Each draw is an independent Poisson sample with known inclusion probabilities, so that its labels can be weighted. It draws
from the first half of the rest of the permanent order, so that a later check set still finds images nobody was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.rows import now
from core.errors import InputError
from core.evidence.frozen import score_probe
from core.missing import missing_for_score
from core.workspace import Workspace

OFFERED_AFTER, OFFERED_BELOW = (
    100,
    15,
)  # uniform labels, and flagged ones among them; with more, precision is narrow enough
REACH = 0.5  # of the permanent order after the set's start
ROUNDS = 20  # of redistributing what the cap at 1 leaves; 3 are usual


@dataclass(frozen=True)
class FocusDraw:
    """One draw, with everything needed to recompute each image's inclusion probability."""

    check_set: int
    after: float  # where the check set starts in the permanent order
    until: float  # last place in the permanent order that could be drawn
    probe: int  # version of the model whose uncertainty it follows
    encoder: str
    n_asked: int
    n_frame: int  # rows 0 to n_frame - 1 could be drawn
    rows: list[int]
    analyst: str
    at: str


def focus_probabilities(logits: FloatArray, n_asked: float) -> FloatArray:
    """Return each image's inclusion probability, proportional to sqrt(p (1 - p)) and at most 1.

    Args:
        logits: (N,) of the model in use.
        n_asked: expected number of images drawn.
    Returns:
        (N,) float64 in [0, 1] with sum min(n_asked, N).
    Source: Poisson sampling for metrics (Yilmaz et al. 2021).
    """
    size = np.abs(np.asarray(logits, np.float64))
    doubt = np.exp(-size / 2) / (1 + np.exp(-size))  # sqrt(p (1 - p)) without overflow
    chance = np.minimum(1.0, n_asked * doubt / max(float(doubt.sum()), 1e-300))
    for _ in range(ROUNDS):
        free = chance < 1
        more = (n_asked - (~free).sum()) / max(float(chance[free].sum()), 1e-300)
        if not free.any() or abs(more - 1) < 1e-9:
            break
        chance[free] = np.minimum(1.0, chance[free] * more)
    return chance


def _population(workspace: Workspace, after: float, until: float, n_frame: int) -> IntArray:
    return np.flatnonzero((workspace.sealed_after(after) & (workspace.check_order <= until))[:n_frame])


def draw_focus(workspace: Workspace, n: int, *, analyst: str) -> FocusDraw:
    """Draw about n check images where the newest model is uncertain; they are then read blind, like the others.

    Raises:
        InputError: if there is no saved model, or n exceeds the images left to draw.
    """
    fitted, terms = workspace.fitted, workspace.check_set
    if fitted is None or fitted.probe.flagged_weights is None or not fitted.version:
        raise InputError(missing_for_score(workspace) or "There is no model yet; label images of the teach half first.")
    n_frame = workspace.matrix.rows if workspace.matrix else 0
    begin = max(terms.after, 0.0)
    until = begin + REACH * (1 - begin)
    population = _population(workspace, terms.after, until, n_frame)
    if not 1 <= n <= len(population):
        raise InputError(f"A focus draw needs 1 to {len(population):,} images, got {n}.")
    draws = workspace.catalog.evidence.focus_draws()
    scores = score_probe(workspace, str(workspace.encoder_name), fitted.version)
    chance = focus_probabilities(scores[population], n)
    rng = np.random.default_rng([terms.number, len(draws), int(workspace.check_order[0] * 2**32)])
    rows = population[rng.random(len(population)) < chance]
    found = FocusDraw(
        check_set=terms.number,
        after=terms.after,
        until=until,
        probe=fitted.version,
        encoder=str(workspace.encoder_name),
        n_asked=n,
        n_frame=n_frame,
        rows=rows.tolist(),
        analyst=analyst,
        at=now(),
    )
    workspace.catalog.evidence.add_focus_draw(vars(found))
    return found


def focus_draws(workspace: Workspace, check_set: int) -> list[FocusDraw]:
    """Return the draws of a check set, oldest first."""
    found = [FocusDraw(**draw) for draw in workspace.catalog.evidence.focus_draws()]
    return [draw for draw in found if draw.check_set == check_set]


def focus_rows(draws: Sequence[FocusDraw]) -> IntArray:
    """Return all rows drawn, (K,) int64, ascending and distinct."""
    return np.unique(np.concatenate([np.array([], np.int64), *(np.array(draw.rows, np.int64) for draw in draws)]))


def inclusion(workspace: Workspace, draws: Sequence[FocusDraw], *, n_uniform: int, n_frame: int) -> FloatArray:
    """Return each image's probability to be among the uniform labels or in one of the draws of a check set.

    Args:
        draws: at least one.
        n_uniform: number of uniform labels, the first in the permanent order.
        n_frame: images the opening covers.
    Returns:
        (n_frame,) float64 in (0, 1]; NaN for images outside the set.
    """
    everybody = _population(workspace, draws[0].after, 1.0, n_frame)
    within = _population(workspace, draws[0].after, draws[0].until, n_frame)
    uniform, reach = n_uniform / len(everybody), len(within) / len(everybody)
    not_drawn = np.ones(n_frame)
    for draw in draws:
        could = _population(workspace, draw.after, draw.until, draw.n_frame)
        scores = score_probe(workspace, draw.encoder, draw.probe)
        not_drawn[could] *= 1 - focus_probabilities(scores[could], draw.n_asked)
    chance = np.full(n_frame, np.nan)
    # An image's place in the order puts it among the uniform labels, or within reach behind them, where it is drawn or not.
    chance[everybody] = uniform + max(reach - uniform, 0.0) * (1 - not_drawn[everybody])
    return chance


def is_offered(n: int, n_flagged: int) -> bool:
    """Tell whether focus labels are worth offering: flagged images are rare among the uniform labels."""
    return n >= OFFERED_AFTER and n_flagged < OFFERED_BELOW * n / OFFERED_AFTER
