"""Representative images: one real image per k-means cluster; and farthest-first selection, as a reference."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import FloatArray, IntArray
from core.errors import ShapeError

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

NEIGHBOURS = 20  # of TypiClust's typicality
START_LEAST, START_PER_CENTRE = 2_000, 20  # images sampled for the initial centres
STARTS = 4  # with one, 4% of 10-image picks missed a cluster of 5% of the images; with four, none of 100 did
LLOYD_STEPS = 15  # more improve the fit by under 1%


def medoids(x: FloatArray, *, n: int, rng: np.random.Generator, taken: FloatArray | None = None) -> IntArray:
    """Pick n images, one per cluster of x without taken images: the one nearest to the cluster's centre.

    Args, returns and errors: as `representatives`.
    Source: Xu et al. 2003 (representative sampling).
    """
    return representatives(x, n=n, rng=rng, taken=taken, badness=_to_centre)


def typical(x: FloatArray, *, n: int, rng: np.random.Generator, taken: FloatArray | None = None) -> IntArray:
    """Pick n images, one per cluster of x without taken images: the one in the densest region.

    Args, returns and errors: as `representatives`.
    Source: TypiClust (Hacohen et al. 2022); typicality is 1 / mean distance to the 20 nearest in the cluster.
    """
    return representatives(x, n=n, rng=rng, taken=taken, badness=_sparseness)


def representatives(
    x: FloatArray, *, n: int, rng: np.random.Generator, taken: FloatArray | None, badness: "Badness"
) -> IntArray:
    """Pick one image per cluster of x.

    k-means with n + T centres; clusters that contain one of the T taken images are covered already. Each of the others, largest
    first, contributes its image with the least badness.

    Args:
        x: (N, D) embeddings of the candidates, N >= 1.
        n: how many to pick; fewer come back if N is smaller.
        rng: decides the k-means start.
        taken: (T, D) embeddings that are represented already.
        badness: (x, cluster of each image (N,), centres (K, D)) -> (N,), lower = represents its cluster better.
    Returns:
        (min(n, N),) int64 positions in x, distinct, in the order to ask for them.
    Raises:
        ShapeError: if x is not a non-empty matrix.
    """
    if x.ndim != 2 or not len(x):
        raise ShapeError(f"Representatives need (N>=1, D) embeddings, got {x.shape}.")
    wanted = min(n, len(x))
    n_taken = 0 if taken is None else len(taken)
    k = min(wanted + n_taken, len(x))
    model = _k_means(x, k, rng)
    sizes = np.bincount(model.labels_, minlength=k)
    covered = np.zeros(k, bool)
    if taken is not None and n_taken:
        covered[model.predict(taken.astype(x.dtype))] = True
    best_first = np.lexsort((np.arange(len(x)), badness(x, model.labels_, model.cluster_centers_)))
    chosen_of = np.full(k, -1)
    chosen_of[model.labels_[best_first[::-1]]] = best_first[::-1]  # the last write to a cluster is its best image
    by_use = sorted(range(k), key=lambda cluster: (bool(covered[cluster]), -int(sizes[cluster]), cluster))
    picked = [int(chosen_of[cluster]) for cluster in by_use if chosen_of[cluster] >= 0][:wanted]
    spare = best_first[~np.isin(best_first, picked)]  # used if duplicates leave clusters empty
    return np.array([*picked, *spare[: wanted - len(picked)]], np.int64)


def _k_means(x: FloatArray, k: int, rng: np.random.Generator) -> "KMeans":
    """Run Lloyd's algorithm from the best of several runs on a sample; runs on all images would take most of the time."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    size, seed = max(START_LEAST, START_PER_CENTRE * k), int(rng.integers(2**31))
    sample = x if len(x) <= size else x[rng.choice(len(x), size, replace=False)]
    # One thread: on a busy machine, two were 8 times slower.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct images than clusters: handled by the caller
        best = KMeans(n_clusters=k, n_init=STARTS, max_iter=LLOYD_STEPS, random_state=seed).fit(sample)
        return KMeans(n_clusters=k, init=best.cluster_centers_, n_init=1, max_iter=LLOYD_STEPS).fit(x)


def farthest(x: FloatArray, *, n: int, rng: np.random.Generator, taken: FloatArray | None = None) -> IntArray:
    """Pick n images, each the farthest from all picked and taken so far (greedy k-centre). Prefers outliers.

    Args:
        x: (N, D) embeddings of the candidates, N >= 1.
        n: how many; fewer come back if N is smaller.
        rng: picks the first if nothing is taken.
        taken: (T, D) embeddings.
    Returns:
        (min(n, N),) int64 positions in x, distinct.
    Source: Sener & Savarese 2018 (core-set); Gonzalez 1985.
    """
    squares = (x * x).sum(axis=1)

    def distance(to: FloatArray) -> FloatArray:
        return np.maximum(squares - 2 * (x @ to) + to @ to, 0)

    near = np.full(len(x), np.inf, x.dtype)
    for known in () if taken is None else taken.astype(x.dtype):
        near = np.minimum(near, distance(known))
    picked: list[int] = []
    for _ in range(min(n, len(x))):
        nearest_known = near.copy()
        nearest_known[picked] = -1.0
        nothing_known = not picked and (taken is None or not len(taken))
        picked.append(int(rng.integers(len(x))) if nothing_known else int(nearest_known.argmax()))
        near = np.minimum(near, distance(x[picked[-1]]))
    return np.array(picked, np.int64)


Badness = Callable[[FloatArray, IntArray, FloatArray], FloatArray]


def _to_centre(x: FloatArray, labels: IntArray, centres: FloatArray) -> FloatArray:
    return np.linalg.norm(x - centres[labels], axis=1)


def _sparseness(x: FloatArray, labels: IntArray, _centres: FloatArray) -> FloatArray:
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    sparse = np.zeros(len(x))
    for cluster in np.unique(labels):
        rows = np.flatnonzero(labels == cluster)
        k = min(NEIGHBOURS, len(rows) - 1)
        if k:
            with threadpool_limits(1):
                sparse[rows] = NearestNeighbors(n_neighbors=k).fit(x[rows]).kneighbors()[0].mean(axis=1)
    return sparse
