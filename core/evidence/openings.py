"""Openings of check sets as they were recorded, and what each shows. Each verb takes the workspace."""

import logging
import math
from dataclasses import replace
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, Strict

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.evidence import OpeningRow
from core.errors import InputError
from core.evidence.focus import focus_draws, focus_rows, inclusion
from core.evidence.frozen import score_row, score_subject, scores_hash
from core.evidence.subject import PROBE, Subject
from core.evidence.threshold import PointFigures, Sample, figures_at
from core.maths.precision_recall import Range, binomial_range
from core.wording import counted, verb
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.evidence")
DRIFT_LEVEL = 0.01  # p-value of Fisher's exact test between labels of added images and earlier ones


def _array_of(dtype: type[np.generic]) -> PlainValidator:
    return PlainValidator(partial(np.array, dtype=dtype))


_AS_LIST = PlainSerializer(lambda values: values.tolist())
_AS_BITS = PlainSerializer(lambda values: values.astype(int).tolist())


class OpeningColumns(BaseModel):
    """What the catalog keeps of an opening in columns."""

    model_config = ConfigDict(frozen=True)

    number: int  # over all check sets
    check_set: int
    look: int  # k, within its check set, for its policy and scorer (`core.evidence.subject.Look`)
    probe: int  # its version
    analyst: str
    at: str  # ISO 8601, UTC
    policy: str = ""  # its name; "" = all flagged classes together
    scorer: str = PROBE
    share: float = 1.0  # of the check set's error, for all looks of this policy and scorer


class OpeningTerms(BaseModel):
    """What was promised with an opening, and what about."""

    model_config = ConfigDict(frozen=True)

    encoder: str
    recall: float  # to promise
    confidence: float  # of all promises from this check set together
    live: bool  # watched after every label
    alpha: float  # error allowed to this look
    threshold: float | None  # images that score >= it are reviewed; None = no promise
    misses: int  # flagged check labels allowed below the threshold; -1 without a promise
    n_teach: int  # labels the model learned from
    frame: int  # images it covers: rows 0 to frame - 1
    frame_hash: str  # of their ids
    flagged_names: Annotated[tuple[str, ...], Strict(False)]  # JSON has no tuples
    guideline: str
    reread: int  # check labels of this batch with a second reading
    disagreed: int  # of those, where the two readings differ
    scores_hash: str = ""  # of a score column's scores of the images it covers; "" = the probe's
    higher_is_safer: bool = False  # the column's; its scores are kept with the opposite sign then


class OpeningRecord(OpeningTerms):
    """What the catalog keeps of an opening beside its columns: the terms, and the labels of the batch."""

    rows: Annotated[IntArray, _array_of(np.int64), _AS_LIST]  # (n,) int64, in the permanent order
    flagged: Annotated[BoolArray, _array_of(np.bool_), _AS_BITS]  # (n,)
    scores: Annotated[FloatArray, _array_of(np.float64), _AS_LIST]  # (n,) float64 logits


class Opening(OpeningRecord, OpeningColumns):
    """One opening of a check set, as it was recorded: nothing in it changes afterwards."""

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return Subject(self.policy, self.scorer)

    def as_given(self, score: float) -> float:
        """Turn a score kept here into one as its scorer gives it, or back: the sign changes where higher is safer."""
        return -score if self.higher_is_safer else score

    @property
    def error(self) -> float:
        """Return the error of all looks of its policy and scorer together."""
        return self.share * (1 - self.confidence)

    @property
    def n(self) -> int:
        """Return the number of labels."""
        return len(self.rows)

    @property
    def n_flagged(self) -> int:
        """Return the number of flagged labels."""
        return int(self.flagged.sum())

    @property
    def disagreement(self) -> Range:
        """Return the share of second readings that differ from the first."""
        return binomial_range(self.disagreed, self.reread)


def openings(workspace: Workspace) -> list[Opening]:
    """Return every readable opening, newest first; a warning counts those that are damaged."""
    kept = workspace.catalog.evidence.openings()
    found = [opened for opened in map(readable, kept) if opened is not None]
    if n_lost := len(kept) - len(found):
        LOG.warning(
            "%s cannot be read and %s not shown; restore a copy of the workspace", counted(n_lost, "opening"), verb(n_lost)
        )
    return found


def readable(kept: OpeningRow) -> Opening | None:
    """Read an opening from its row; None if its record is damaged. Its look still counts: `status` reads the rows."""
    try:
        return Opening.model_validate({**kept["record"], **kept})
    except (TypeError, ValueError):  # numpy's and pydantic's
        return None


def mark(workspace: Workspace) -> tuple[int, ...]:
    """Return a value that changes whenever an opening, second reading, point, point in force or focus draw is added."""
    return workspace.catalog.evidence.mark()


def frozen_scores(workspace: Workspace, opened: Opening) -> FloatArray:
    """Score the images an opening covers with its frozen model: (frame,) float32 logits, NaN for images removed since.

    Its check images keep the scores they were certified with: another version of a library may score in other last digits, and
    the image that sets the threshold must not fall below it.

    Raises:
        InputError: if it is about a score column whose scores are others now.
    """
    scores = score_subject(workspace, opened.subject, opened.encoder, opened.probe)[: opened.frame].copy()
    if scores_hash(opened.subject, scores) != opened.scores_hash:
        raise InputError(
            f"The scores of '{opened.scorer}' have changed since opening {opened.number}; import the file from before again to "
            "see its figures, or open the check set for the new scores."
        )
    scores[opened.rows] = opened.scores
    scores[workspace.removed[: opened.frame]] = np.nan
    return scores


def frozen_score(workspace: Workspace, opened: Opening, row: int) -> float:
    """Score one image with an opening's frozen model, also one that is newer than the opening; NaN if it cannot be scored yet.

    Raises:
        InputError: if this workspace has no such scorer.
    """
    if workspace.removed[row : row + 1].any():
        return math.nan
    place = np.flatnonzero(opened.rows == row)
    if len(place):  # as in `frozen_scores`
        return float(opened.scores[place[0]])
    return score_row(workspace, opened.subject, opened.encoder, opened.probe, row)


class Coverage(NamedTuple):
    """Which images a promise is about, and what has become of them."""

    frame: int  # images there were then
    added: int  # since then
    removed: int  # of those of the frame, since then
    readings_removed: int  # of its check labels


def coverage(workspace: Workspace, opened: Opening) -> Coverage:
    """Return which images an opening covers; reads the catalog where images were removed."""
    frame, removed = opened.frame, workspace.removed
    since: IntArray = np.zeros(0, np.int64)
    if len(workspace.columns.removed_rows):
        since = workspace.catalog.removals.rows_since(opened.at)
    n_since, n_before = int((since < frame).sum()), int(removed[:frame].sum()) - int((since < frame).sum())
    added = int((~removed[frame:]).sum())
    return Coverage(frame - n_before, added, n_since, int(np.isin(opened.rows, since).sum()))


def sample_of(workspace: Workspace, opened: Opening, scores: FloatArray, pool: FloatArray | None = None) -> Sample:
    """Combine an opening's labels, its focus labels and the scores of the images it covers.

    Args:
        scores: (frame,) logits by its frozen model (`frozen_scores`).
        pool: the same without NaN in ascending order, if they were sorted before.
    """
    uniform = Sample.uniform(opened.scores, opened.flagged, scores[~np.isnan(scores)] if pool is None else pool)
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
    """Return the current codes of the classes that an opening's policy was about."""
    return [
        workspace.class_names.index(name)
        for name in workspace.named_today(opened.flagged_names)
        if name in workspace.class_names
    ]


def read_since(workspace: Workspace, opened: Opening) -> int:
    """Return how many sealed check labels were added or changed since an opening; 0 once another check set was started."""
    now_ = np.flatnonzero(workspace.evidence() & workspace.sealed)
    if opened.check_set != workspace.check_set.number:
        return 0
    then = dict(zip(opened.rows.tolist(), opened.flagged.tolist(), strict=True))
    codes = flagged_then(workspace, opened)
    flagged = np.isin(workspace.labels.codes[now_], codes)
    return sum(then.get(row) != mark for row, mark in zip(now_.tolist(), flagged.tolist(), strict=True))


def promised_figures(opened: Opening, sample: Sample) -> PointFigures | None:
    """Return the figures at the promised threshold; None if nothing was promised."""
    return None if opened.threshold is None else figures_at(sample, opened.threshold)


def drift_of_owed(workspace: Workspace, opened: Opening) -> float | None:
    """Compare the share of flagged labels between images added since its subject's previous opening and earlier ones.

    Returns:
        the p-value of Fisher's exact test if it is below 1%, else None.
    """
    from scipy.stats import fisher_exact

    mine = (r for r in openings(workspace) if (r.check_set, r.subject) == (opened.check_set, opened.subject))
    before = next((r for r in mine if r.number < opened.number), None)
    if before is None or before.frame == opened.frame:
        return None
    new = opened.rows >= before.frame
    table = [[int((opened.flagged & side).sum()), int((~opened.flagged & side).sum())] for side in (new, ~new)]
    p = float(fisher_exact(table).pvalue)
    return p if p < DRIFT_LEVEL else None
