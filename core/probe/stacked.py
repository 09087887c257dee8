"""A probe on the embedding with a score column as one more feature. Each verb takes the workspace."""

from typing import TYPE_CHECKING

import numpy as np

from core.arrays import FloatArray, IntArray
from core.embeddings.embedded import Embedded
from core.maths.logistic import fit_probe
from core.workspace import Workspace

if TYPE_CHECKING:
    import torch

WEIGHT = 4.0  # of the feature among standardised ones: 1 shrinks a good column away, more costs a bad one (decision 0027)


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
        x = to_host(_beside(mine, rows[scored], feature))[0]
        return np.asarray(x @ probe.flagged_weights + probe.flagged_bias)

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
