"""Images that stand for many: k-means and the real image nearest to each centre."""

import warnings

import numpy as np

from core.arrays import FloatArray, IntArray
from core.errors import ShapeError


def medoids(x: FloatArray, *, n: int, rng: np.random.Generator, taken: FloatArray | None = None) -> IntArray:
    """Pick n images that spread over the clusters of x, away from those already taken.

    k-means with n + T centres; clusters that hold one of the T taken images are covered already, the others give the
    image nearest to their centre, largest cluster first.

    Args:
        x: (N, D) embeddings of the candidates, N >= 1.
        n: how many to pick; fewer come back if N is smaller.
        rng: decides the k-means start.
        taken: (T, D) embeddings that are represented already.
    Returns:
        (min(n, N),) int64 positions in x, distinct, in the order to ask for them.
    Raises:
        ShapeError: if x is no non-empty matrix.
    Source: k-means representatives as in TypiClust (Hacohen et al. 2022); Xu et al. 2003 (representative sampling).
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if x.ndim != 2 or not len(x):
        raise ShapeError(f"medoids needs (N>=1, D) embeddings, got {x.shape}.")
    wanted = min(n, len(x))
    n_taken = 0 if taken is None else len(taken)
    k = min(wanted + n_taken, len(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct images than clusters: handled below
        model = KMeans(n_clusters=k, n_init=1, max_iter=50, random_state=int(rng.integers(2**31))).fit(x)
    sizes = np.bincount(model.labels_, minlength=k)
    covered = np.zeros(k, bool)
    if taken is not None and n_taken:
        covered[model.predict(taken.astype(x.dtype))] = True
    distance = np.linalg.norm(x - model.cluster_centers_[model.labels_], axis=1)
    nearest_first = np.lexsort((np.arange(len(x)), distance))
    medoid = np.full(k, -1)
    for position in nearest_first[::-1]:  # the last write to a cluster is its nearest image
        medoid[model.labels_[position]] = position
    by_use = sorted(range(k), key=lambda cluster: (bool(covered[cluster]), -int(sizes[cluster]), cluster))
    picked = [int(medoid[cluster]) for cluster in by_use if medoid[cluster] >= 0][:wanted]
    chosen = set(picked)
    spare = (int(p) for p in nearest_first if int(p) not in chosen)
    while len(picked) < wanted:  # duplicates left clusters empty: fill up with the next nearest
        picked.append(next(spare))
    return np.array(picked, np.int64)
