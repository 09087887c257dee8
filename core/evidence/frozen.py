"""Scores that do not change any more: by a saved probe, or of a score column. Each verb takes the workspace."""

import math

import numpy as np

from core.arrays import FloatArray, IntArray
from core.embeddings.scores import score_with
from core.evidence.subject import PROBE, Subject
from core.maths.logistic import probe_from_bytes
from core.score_columns.keep import flagged_scores, hash_of, score_column, scores_as_kept
from core.wording import counted, verb
from core.workspace import Workspace


def score_probe(workspace: Workspace, encoder: str, probe: int, policy: str = "") -> FloatArray:
    """Score all embedded images with a saved probe, for a policy or all flagged classes: (M,) float32 logits."""
    return score_with(workspace.catalog.models.probe_weights(probe), workspace.embedded(encoder).need_matrix(), policy)


def score_subject(workspace: Workspace, subject: Subject, encoder: str, probe: int) -> FloatArray:
    """Score all embedded images by a subject's scorer: (M,) float32 logits of the probe, or (M,) float64 of a score column.

    Args:
        encoder, probe: of the opening.
    Returns:
        higher = more likely of the policy's classes; NaN where a score column has no score. Of a removed image, any.
    Raises:
        InputError: if this workspace has no such scorer.
    """
    if subject.scorer == PROBE:
        return score_probe(workspace, encoder, probe, subject.policy)
    n_embedded = workspace.embedded(encoder).need_matrix().rows
    return scores_as_kept(workspace, score_column(workspace, subject.scorer))[:n_embedded]


def score_rows(workspace: Workspace, subject: Subject, encoder: str, probe: int, rows: IntArray) -> FloatArray:
    """Score some images by a subject's scorer, (K,); NaN where one is not embedded, or its column has no score of it.

    Raises:
        InputError: if this workspace has no such scorer.
    """
    found = np.full(len(rows), math.nan)
    if subject.scorer != PROBE:
        scores = flagged_scores(workspace, score_column(workspace, subject.scorer))
        known = rows < len(scores)
        found[known] = scores[rows[known]]
        return found
    matrix = (workspace.current if encoder == workspace.encoder_name else workspace.embedded(encoder)).need_matrix()
    kept = probe_from_bytes(workspace.catalog.models.probe_weights(probe))
    column = kept.column_of(subject.policy)
    if column is None:
        return found
    weights, bias = kept.columns()
    known = rows < matrix.rows
    found[known] = matrix.take(rows[known]) @ weights[:, column] + bias[column]
    return found


def score_row(workspace: Workspace, subject: Subject, encoder: str, probe: int, row: int) -> float:
    """Score one image as `score_rows` does."""
    return float(score_rows(workspace, subject, encoder, probe, np.array([row]))[0])


def scores_hash(subject: Subject, scores: FloatArray) -> str:
    """Hash the scores of a column, so that others imported later are noticed; "" for the probe, whose weights are kept."""
    return "" if subject.scorer == PROBE else hash_of(scores)


def missing_for_subject(workspace: Workspace, subject: Subject) -> str:
    """Return what a score column lacks for a promise about all embedded images; "" if nothing, or for the probe."""
    if subject.scorer == PROBE:
        return ""
    n_embedded = workspace.matrix.rows if workspace.matrix else 0
    scores = flagged_scores(workspace, score_column(workspace, subject.scorer))[:n_embedded]
    n = int((np.isnan(scores) & ~workspace.removed[:n_embedded]).sum())
    if not n:
        return ""
    return (
        f"'{subject.scorer}' has no score for {counted(n, 'image')}, and a promise is about all of them; import "
        f"{verb(n, 'its score', 'their scores')} first."
    )
