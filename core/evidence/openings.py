"""Openings of check sets, as they were, and what each shows. Each verb takes the workspace."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.embeddings.scores import score_with
from core.evidence.focus import focus_draws, focus_rows, inclusion
from core.evidence.threshold import PointFigures, Range, Sample, binomial_range, figures_at
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.checking")
DRIFT_LEVEL = 0.01  # of Fisher's exact test between owed and earlier labels


@dataclass(frozen=True)
class Opening:
    """One opening of a check set, as it was: nothing in it changes afterwards."""

    number: int  # over all sets
    check_set: int
    look: int  # k: of this set
    probe: int  # version
    analyst: str
    at: str  # ISO 8601, UTC
    encoder: str
    recall: float  # to be promised
    confidence: float  # of all looks at this set together
    live: bool
    alpha: float  # error of this look
    threshold: float | None  # flag scores >= it; None = no promise
    misses: int  # flagged check labels that may lie below it
    n_teach: int  # labels the model learned from
    frame: int  # images it covers: rows 0 to frame - 1
    frame_hash: str
    flagged_names: tuple[str, ...]
    guideline: str
    reread: int  # check labels of this batch read by a second analyst
    disagreed: int
    rows: IntArray  # (n,) int64, in the permanent order
    flagged: BoolArray  # (n,)
    scores: FloatArray  # (n,) float64 logits

    @property
    def n(self) -> int:
        """Count the labels."""
        return len(self.rows)

    @property
    def n_flagged(self) -> int:
        """Count the flagged ones."""
        return int(self.flagged.sum())

    @property
    def disagreement(self) -> Range:
        """Share of the second readings that came out otherwise."""
        return binomial_range(self.disagreed, self.reread)


def openings(workspace: Workspace) -> list[Opening]:
    """Return every opening that can be read, newest first; one that cannot stands in the way of no other."""
    found = (readable(known) for known in workspace.catalog.evidence.openings())
    return [opened for opened in found if opened is not None]


def readable(known: Mapping[str, Any]) -> Opening | None:
    """Read an opening as the catalog keeps it; None, and a line in the log, where it cannot be read."""
    try:
        return _opening_of(known)
    except (KeyError, TypeError, ValueError):  # its place in the counter of looks stays taken: `status` reads the catalog
        LOG.warning("opening %s cannot be read and is passed over", known.get("number"))
        return None


def _opening_of(known: Mapping[str, Any]) -> Opening:
    record = known["record"]
    arrays = {
        "rows": np.array(record["rows"], np.int64),
        "flagged": np.array(record["flagged"], bool),
        "scores": np.array(record["scores"], np.float64),
        "flagged_names": tuple(record["flagged_names"]),
    }
    columns = {key: known[key] for key in ("number", "check_set", "look", "probe", "analyst", "at")}
    return Opening(**(columns | record | arrays))


def mark(workspace: Workspace) -> tuple[Any, ...]:
    """Return what changes whenever an opening, a second reading, a point, the point in force or a focus draw is added."""
    return workspace.catalog.evidence.mark()


def frozen_scores(workspace: Workspace, opened: Opening) -> FloatArray:
    """Score the frame of an opening with its frozen model: (frame,) float32 logits, the same to the bit at any time."""
    return score_probe(workspace, opened.encoder, opened.probe)[: opened.frame]


def score_probe(workspace: Workspace, encoder: str, probe: int) -> FloatArray:
    """Score all embedded images by any kept probe: (M,) float32 logits."""
    return score_with(workspace.catalog.models.probe_weights(probe), workspace.embedded(encoder).need_matrix())


def sample_of(workspace: Workspace, opened: Opening, scores: FloatArray) -> Sample:
    """Put an opening's labels, the focus labels there are for it, and the scores of its frame together.

    Args:
        scores: (frame,) by its frozen model (`frozen_scores`).
    """
    uniform = Sample.uniform(opened.scores, opened.flagged, scores)
    draws = [d for d in focus_draws(workspace, opened.check_set) if d.n_frame <= opened.frame]
    asked = focus_rows(draws)
    extra = np.setdiff1d(asked[workspace.evidence()[asked]], opened.rows)
    if not len(extra):
        return uniform
    chance = inclusion(workspace, draws, n_uniform=opened.n, n_frame=opened.frame)
    flagged = np.isin(workspace.labels.codes[extra], flagged_then(workspace, opened))
    weights = 1 / chance[np.concatenate([opened.rows, extra])]
    return replace(uniform, extra_scores=scores[extra].astype(np.float64), extra_flagged=flagged, weights=weights)


def flagged_then(workspace: Workspace, opened: Opening) -> list[int]:
    """Return today's codes of the classes that were flagged at an opening."""
    return [code for code, name in enumerate(workspace.class_names) if name in opened.flagged_names]


def left_to_read(workspace: Workspace, opened: Opening) -> int:
    """Count the images that a later look could add to an opening's labels; none once another set has begun."""
    if opened.check_set != workspace.check_set.number:
        return 0
    frame = workspace.matrix.rows if workspace.matrix else 0
    return max(int(workspace.sealed[:frame].sum()) - opened.n, 0)


def read_since(workspace: Workspace, opened: Opening) -> int:
    """Count the sealed check labels that stand now and that an opening has not seen, or has seen otherwise."""
    now_ = np.flatnonzero(workspace.evidence() & workspace.sealed)
    if opened.check_set != workspace.check_set.number:
        return 0
    then = dict(zip(opened.rows.tolist(), opened.flagged.tolist(), strict=True))
    codes = flagged_then(workspace, opened)
    flagged = np.isin(workspace.labels.codes[now_], codes)
    return sum(then.get(row) != mark for row, mark in zip(now_.tolist(), flagged.tolist(), strict=True))


def promised_figures(opened: Opening, sample: Sample) -> PointFigures | None:
    """Work out the promise's threshold; None if nothing was promised."""
    return None if opened.threshold is None else figures_at(sample, opened.threshold)


def drift_of_owed(workspace: Workspace, opened: Opening) -> float | None:
    """Compare how many are flagged among labels of images added since the opening before, and among the earlier ones.

    Returns:
        Fisher's exact p-value where it is below 1%, else None.
    """
    from scipy.stats import fisher_exact

    before = next((r for r in openings(workspace) if r.check_set == opened.check_set and r.number < opened.number), None)
    if before is None or before.frame == opened.frame:
        return None
    new = opened.rows >= before.frame
    table = [[int((opened.flagged & side).sum()), int((~opened.flagged & side).sum())] for side in (new, ~new)]
    p = float(fisher_exact(table).pvalue)
    return p if p < DRIFT_LEVEL else None
