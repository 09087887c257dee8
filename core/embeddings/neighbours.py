"""The nearest neighbours of given images, and of all: exact, where the embeddings are. torch."""

import numpy as np
import torch

from core.arrays import BoolArray, IntArray
from core.devices import to_device, to_host
from core.embeddings.embedded import Embedded
from core.embeddings.products import linear_scores
from core.maths.neighbours import unit_rows
from core.maths.representatives import medoids

MOST_QUERIES = 16  # a larger set is represented by this many of its images
DRAWN = 2_000  # images of a set sampled to choose those from


def likeness(embedded: Embedded, rows: IntArray) -> torch.Tensor:
    """Return how like every image is to the likest of the given ones: the cosine of the standardised embeddings.

    Args:
        embedded: the encoder's embeddings, M rows.
        rows: (K,) rows in [0, M), K >= 1; more than `MOST_QUERIES` are represented by k-means medoids.
    Returns:
        (M,) float32 in [-1, 1] where the arithmetic runs.
    Raises:
        WorkspaceError: if nothing is embedded.
    """
    embeddings, standardisation = embedded.on_device, embedded.standardisation
    rng = np.random.default_rng(0)
    drawn = rows if len(rows) <= DRAWN else rng.choice(rows, DRAWN, replace=False)
    x = embedded.standardised(drawn)
    if len(x) > MOST_QUERIES:
        x = x[to_device(medoids(x, n=MOST_QUERIES, rng=rng), x.device)]
    mean, scale = (to_device(a, x.device) for a in (standardisation.mean, standardisation.scale))
    weights = (unit_rows(x) / scale).T.double()
    return linear_scores(embeddings, weights, -(mean @ weights)).amax(dim=1) / embedded.norms


def nearest(embedded: Embedded, rows: IntArray, n: int, *, among: BoolArray | None = None) -> IntArray:
    """Find the images nearest to any of the given ones, as `likeness` compares them.

    Args:
        rows: (K,) rows in [0, M), K >= 1.
        n: how many others to return.
        among: (>= M,) bool, which images may be returned; None = all.
    Returns:
        (<= n,) int64 rows, nearest first, without `rows`.
    Raises:
        WorkspaceError: if nothing is embedded.
    """
    found_likeness = likeness(embedded, rows)
    found_likeness[to_device(rows, found_likeness.device)] = -torch.inf
    if among is not None:
        found_likeness[~to_device(among[: len(found_likeness)], found_likeness.device)] = -torch.inf
    best = found_likeness.topk(min(n, len(found_likeness)))
    found, values = to_host(best.indices, best.values)
    return np.asarray(found[values > -np.inf], np.int64)


def unit_embeddings(embedded: Embedded, *, standardised: bool = True) -> torch.Tensor:
    """Return all embeddings, standardised or raw, scaled to length 1, (M, D) float32 where the arithmetic runs.

    Raises:
        WorkspaceError: if nothing is embedded.
    """
    embeddings, standardisation = embedded.on_device, embedded.standardisation if standardised else None
    unit = torch.empty((embeddings.rows, embeddings.dim), dtype=torch.float32, device=embeddings.device)

    def scale(start: int, block: torch.Tensor) -> None:
        x = block.float() if standardisation is None else standardisation.apply_(block.float())
        unit[start : start + len(block)] = unit_rows(x)

    embeddings.each(scale)
    return unit
