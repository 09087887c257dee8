"""A probe on the embedding with a score column as one more feature. Each verb takes the workspace."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.score_columns import NewColumn, ScoreColumn
from core.embeddings.embedded import Embedded
from core.errors import InputError
from core.maths.logistic import fit_probe
from core.missing import missing_for_score
from core.score_columns.files import STACKED
from core.score_columns.keep import flagged_scores, openings_about, score_column
from core.wording import counted
from core.workspace import Workspace

if TYPE_CHECKING:
    import torch

WEIGHT = 4.0  # of the feature among standardised ones: 1 shrinks a good column away, more costs a bad one (decision 0027)

AT_ONCE = 65_536  # images whose embeddings are in memory


def stacked_name(column: str) -> str:
    """Return the name of a probe that is stacked with a score column."""
    return f"{STACKED}{column}"


def is_stacked(column: str) -> bool:
    """Tell whether a score column was kept by `keep_stacked`."""
    return column.startswith(STACKED)


def keep_stacked(workspace: Workspace, name: str) -> ScoreColumn:
    """Keep the scores that the stacked probe gives all images now as a score column, to be shown, opened and promised as one.

    Later labels do not change it: keep it again. It replaces the one from before, unless a check set was opened for that one:
    then the new one is called "probe + NAME, 2", and so on.

    Args:
        name: of the score column to stack.
    Raises:
        InputError: if there is no such column, it is a stacked one itself, or labels are missing for a score.
    """
    if is_stacked(name):
        raise InputError(f"'{name}' is stacked already; name the column of the other model.")
    if missing := missing_for_score(workspace):
        raise InputError(missing)
    scores = stacked_scores(workspace, flagged_scores(workspace, score_column(workspace, name)), np.arange(workspace.n_images))
    n_labels = len(workspace.teach_rows(workspace.labels.codes, workspace.current.need_matrix()))
    source = f"'{name}' and {counted(n_labels, 'teach label')}"
    with workspace.lock:
        own = next(own for own in _names(name) if not openings_about(workspace, own))
        workspace.catalog.score_columns.put([NewColumn(own, False, source, scores)])
    return score_column(workspace, own)


def _names(column: str) -> Iterator[str]:
    """Yield the names that a stacked probe may be kept under, in order."""
    yield stacked_name(column)
    yield from (f"{stacked_name(column)}, {number}" for number in itertools.count(2))


def stacked_scores(workspace: Workspace, column: FloatArray, rows: IntArray) -> FloatArray:
    """Score images with a probe on the embedding and a score column, fitted on the teach half.

    Args:
        column: (N,) higher = more likely flagged, NaN where an image has no score.
        rows: (n,) images to score.
    Returns:
        (n,) float64 logits of flagged; NaN without an embedding.
    """
    embedded, codes = workspace.current, workspace.labels.codes
    matrix = embedded.need_matrix()
    teach = workspace.teach_rows(codes, matrix)
    feature = column_feature(column)
    scored = rows < matrix.rows

    def fit(mine: Embedded) -> FloatArray:
        from core.devices import to_host

        statistics = mine.standardisation
        wide = np.append(statistics.mean, 0.0), np.append(statistics.scale, 1 / WEIGHT)
        probe = fit_probe(
            _beside(mine, teach, feature), codes[teach], flagged_codes=workspace.flagged_codes, mean=wide[0], scale=wide[1]
        )
        assert probe.flagged_weights is not None  # noqa: S101  as for the probe without the column, on the same labels
        asked = rows[scored]
        blocks = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
        parts = [to_host(_beside(mine, block, feature))[0] @ probe.flagged_weights for block in blocks]
        return np.concatenate([*parts, np.zeros(0)]) + probe.flagged_bias

    found = np.full(len(rows), np.nan)
    found[scored] = embedded.compute(fit)
    return found


def column_feature(column: FloatArray) -> FloatArray:
    """Return a score column as a feature on one scale for all models: the normal scores of its ranks.

    Args:
        column: (N,) on any scale, NaN where an image has no score.
    Returns:
        (N,) float32, mean 0 and variance about 1; 0 without a score. Only the order of the scores matters.
    Source: van der Waerden 1952.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    known = ~np.isnan(column)
    feature = np.zeros(len(column), np.float32)
    feature[known] = ndtri(rankdata(column[known]) / (known.sum() + 1))
    return feature


def _beside(mine: Embedded, rows: IntArray, feature: FloatArray) -> "torch.Tensor":
    """Return embeddings with a feature behind them, (n, D + 1) float32 where the arithmetic runs."""
    import torch

    from core.devices import to_device

    x = mine.on_device.take(rows)
    return torch.cat([x, to_device(feature[rows], x.device)[:, None]], dim=1)
