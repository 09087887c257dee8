"""The nearest neighbours of given images: exact, in one pass over the embeddings."""

import numpy as np

from core.arrays import IntArray
from core.embeddings.embedded import Embedded
from core.embeddings.matrix import linear_scores
from core.maths.representatives import medoids

MOST_QUERIES = 16  # a larger set is represented by this many of its images
DRAWN = 2_000  # images of a set sampled to choose those from


def nearest(embedded: Embedded, rows: IntArray, n: int) -> IntArray:
    """Find the images nearest to any of the given ones, by cosine of the standardised embeddings.

    Args:
        embedded: the encoder's embeddings, M rows.
        rows: (K,) rows in [0, M), K >= 1; more than `MOST_QUERIES` are represented by k-means medoids.
        n: how many others to return.
    Returns:
        (<= n,) int64 rows, nearest first, without `rows`.
    Raises:
        WorkspaceError: if nothing is embedded.
    """
    matrix, standardisation = embedded.need_matrix(), embedded.standardisation
    rng = np.random.default_rng(0)
    drawn = rows if len(rows) <= DRAWN else rng.choice(rows, DRAWN, replace=False)
    x = standardisation.apply(matrix.take(drawn))
    if len(x) > MOST_QUERIES:
        x = x[medoids(x, n=MOST_QUERIES, rng=rng)]
    queries = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    weights = (queries / standardisation.scale).T
    products = linear_scores(matrix, weights, -(standardisation.mean @ weights))
    likeness = products.max(axis=1) / embedded.norms
    likeness[rows] = -np.inf
    found = np.argpartition(-likeness, min(n, matrix.rows - 1))[:n]
    found = found[np.argsort(-likeness[found], kind="stable")]
    return found[likeness[found] > -np.inf]
