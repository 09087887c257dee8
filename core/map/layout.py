"""UMAP of the embeddings, and its trustworthiness. umap-learn is imported inside functions: that takes seconds."""

import io
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.errors import ShapeError

N_NEIGHBOURS = 15
EXACT_UP_TO = 20_000  # images: 6 s by brute force, while NN-descent compiles for 27 s in every process
TRUST_SAMPLE = 2_000  # trustworthiness is quadratic; 2,000 images take about a second


@dataclass(frozen=True)
class Projection:
    """A map of N images."""

    xy: FloatArray  # (N, 2) float32, UMAP units (no meaning across refits)
    neighbour_rows: IntArray  # (N, K) int32, nearest first, self excluded; -1 if fewer were found
    trustworthiness: float  # in [0, 1], on a subsample; NaN if too few images


class _EpochLog(io.StringIO):
    """Report progress by parsing UMAP's tqdm bar, the only progress it offers."""

    def __init__(self, on_progress: Progress) -> None:
        super().__init__()
        self.on_progress = on_progress

    def write(self, text: str) -> int:
        if found := re.search(r"(\d+)/(\d+)", text):
            self.on_progress(int(found[1]), int(found[2]))
        return len(text)


def lay_out(
    x: FloatArray,
    *,
    n_neighbours: int = N_NEIGHBOURS,
    min_dist: float = 0.05,
    seed: int = 0,
    on_epoch: Progress = ignore,
) -> Projection:
    """Lay N images out in the plane so that neighbours stay neighbours.

    Args:
        x: (N, D) float32 embeddings.
        n_neighbours: neighbours per image, self excluded.
        min_dist: how tight clusters may pack, in map units.
        seed: the same seed and input give the same map.
        on_epoch: called with (epoch, epochs) of the layout.
    Raises:
        ShapeError: if x is not a non-empty matrix.
    Source: McInnes, Healy & Melville 2018 (UMAP); Dong et al. 2011 (NN-descent); Venna & Kaski 2001 (trustworthiness).
    """
    if x.ndim != 2 or not len(x):
        raise ShapeError(f"A layout needs (N>=1, D) embeddings, got {x.shape}; embed images first.")
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    k = min(n_neighbours, len(x) - 1)
    if k < 4:  # too few images for UMAP: arrange them in a circle
        angle = np.arange(len(x)) / len(x) * 2 * math.pi
        circle = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
        return Projection(circle, np.full((len(x), 0), -1, np.int32), math.nan)
    knn = _neighbours(unit, k + 1, seed=seed)
    xy = _layout(unit, knn, min_dist=min_dist, seed=seed, on_epoch=on_epoch)
    return Projection(xy, knn[0][:, 1:].astype(np.int32), _trust(unit, xy, seed=seed))


def _neighbours(unit: FloatArray, k: int, *, seed: int) -> tuple[IntArray, FloatArray, Any]:
    """Return UMAP's `precomputed_knn`: (N, k) rows with self first, (N, k) cosine distances, the search index or None."""
    if len(unit) <= EXACT_UP_TO:
        from sklearn.neighbors import NearestNeighbors

        distances, rows = NearestNeighbors(n_neighbors=k - 1, metric="cosine", algorithm="brute").fit(unit).kneighbors()
        own = np.arange(len(unit))[:, None]
        return np.hstack([own, rows]), np.hstack([np.zeros_like(own), distances]).astype(np.float32), None
    from pynndescent import NNDescent

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warns about rows with fewer neighbours, which UMAP handles
        index = NNDescent(unit, n_neighbors=k, metric="cosine", random_state=seed, compressed=True)
        rows, distances = index.neighbor_graph
    return rows, distances, index


def _layout(
    unit: FloatArray, knn: tuple[IntArray, FloatArray, Any], *, min_dist: float, seed: int, on_epoch: Progress
) -> FloatArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Tensorflow not installed" at import; it is not needed
        from umap import UMAP

    model = UMAP(
        n_neighbors=knn[0].shape[1],
        min_dist=min_dist,
        metric="cosine",
        init="pca",
        random_state=seed,
        precomputed_knn=knn,
        force_approximation_algorithm=True,  # else UMAP ignores precomputed neighbours below 4,096 images
        tqdm_kwds={
            "disable": False,
            "file": _EpochLog(on_epoch),
            "bar_format": "{n_fmt}/{total_fmt}",
            "mininterval": 0.5,
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "n_jobs overridden to 1 by setting random_state": intended
        return np.asarray(model.fit_transform(unit), np.float32)


def _trust(unit: FloatArray, xy: FloatArray, *, seed: int) -> float:
    from sklearn.manifold import trustworthiness

    rows = np.arange(len(xy))
    if len(rows) > TRUST_SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, TRUST_SAMPLE, replace=False))
    n_neighbours = min(N_NEIGHBOURS, (len(rows) - 1) // 2 - 1)
    if n_neighbours < 1:
        return math.nan
    return float(trustworthiness(unit[rows], xy[rows], n_neighbors=n_neighbours, metric="cosine"))
