"""Clusters of the map at three grains, with names that stay the same in later runs. numpy, scikit-learn and fast_hdbscan.

Measured on the demo: clusters of the map agree with the garments better than clusters of the 192-d embeddings (adjusted
mutual information .71 against .57), do not leave a third of the images as noise, and take 0.1 s instead of 0.6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.errors import InputError

NOISE = -1
GRAINS = {"coarse": 0.05, "medium": 0.015, "fine": 0.004}  # smallest cluster, as a share of the images on the map
FEWEST = 10  # images in a cluster
NEIGHBOURS = 5  # HDBSCAN's min_samples: how dense a core must be
FAST_FROM = 20_000  # images; with fewer scikit-learn takes a second, while compiling fast_hdbscan takes half a minute
# images that are clustered, of more a random sample; each other image joins its nearest one on the map. The time of HDBSCAN
# grows faster than the images, and that of a sample does not grow. Agreement: docs/explanation/review.md
SAMPLED = 400_000
SAME = 0.5  # Jaccard overlap above which a cluster keeps an earlier cluster's name


def find_clusters(xy: FloatArray, grain: str) -> IntArray:
    """Find the dense regions of a map.

    Args:
        xy: (N, 2) positions; NaN for images that are not on the map.
        grain: a key of `GRAINS`.
    Returns:
        (N,) int32 codes, the largest cluster 0; `NOISE` for images in no cluster.
    Raises:
        InputError: if the grain is unknown.
    Source: HDBSCAN (Campello, Moulavi & Sander 2013), as scikit-learn computes it, and fast_hdbscan for many images: on the
        same 8,000 to 40,000 points they agree to an adjusted Rand index of .98 to .99.
    """
    if grain not in GRAINS:
        raise InputError(f"There is no grain '{grain}'; choose {', '.join(GRAINS)}.")
    codes = np.full(len(xy), NOISE, np.int32)
    on_map = np.flatnonzero(np.isfinite(xy).all(axis=1))
    smallest = max(FEWEST, int(GRAINS[grain] * len(on_map)))
    if len(on_map) < 2 * smallest:
        return codes
    found = _sampled(np.asarray(xy[on_map], np.float64), smallest)
    sizes = np.bincount(found[found >= 0])
    rank = np.empty(len(sizes), np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    codes[on_map[found >= 0]] = rank[found[found >= 0]]
    return codes


def _sampled(xy: FloatArray, smallest: int) -> IntArray:
    """Cluster all of these, or a sample of them that the others follow."""
    if len(xy) <= SAMPLED:
        return _hdbscan(xy, smallest)
    from scipy.spatial import KDTree

    drawn = np.sort(np.random.default_rng(0).choice(len(xy), SAMPLED, replace=False))
    found = _hdbscan(xy[drawn], max(FEWEST, int(smallest * SAMPLED / len(xy))))
    nearest = KDTree(xy[drawn]).query(xy, workers=-1)[1]  # of a sampled image itself, or one in the same place
    return np.asarray(found[nearest])


def _hdbscan(xy: FloatArray, smallest: int) -> IntArray:
    if len(xy) < FAST_FROM:
        from sklearn import cluster

        found = cluster.HDBSCAN(min_cluster_size=smallest, min_samples=NEIGHBOURS, copy=True).fit_predict(xy)
    else:
        import fast_hdbscan

        found = fast_hdbscan.HDBSCAN(min_cluster_size=smallest, min_samples=NEIGHBOURS).fit_predict(xy)
    return np.asarray(found, np.int64)


@dataclass(frozen=True)
class Clustering:
    """Clusters of one map at one grain."""

    grain: str
    codes: IntArray  # (N,) int32, NOISE = -1
    names: tuple[str, ...]  # of each code
    next_number: int  # for the next new cluster
    pictures: tuple[IntArray, ...] = ()  # of each code, the rows that represent it

    def rows(self, name: str) -> IntArray:
        """Return the rows of a cluster.

        Raises:
            InputError: if there is no cluster of this name.
        """
        if name not in self.names:
            raise InputError(f"There is no cluster '{name}' at the {self.grain} grain; find the clusters again.")
        return np.flatnonzero(self.codes == self.names.index(name))


def named_clusters(grain: str, codes: IntArray, before: Clustering | None) -> Clustering:
    """Name clusters: one that overlaps an earlier cluster by more than half (Jaccard) keeps that one's name.

    Args:
        codes: (N,) from `find_clusters`.
        before: the previous clustering, of the first M <= N rows.
    """
    n = int(codes.max()) + 1 if len(codes) else 0
    names: list[str] = [""] * n
    number = before.next_number if before is not None else 1
    if before is not None and n and before.names:
        for new, old in _matches(codes[: len(before.codes)], before.codes, n, len(before.names)):
            names[new] = before.names[old]
    for code in range(n):
        if not names[code]:
            names[code] = f"{grain[0].upper()}{number}"
            number += 1
    return Clustering(grain, codes, tuple(names), number)


def _matches(new: IntArray, old: IntArray, n_new: int, n_old: int) -> Sequence[tuple[int, int]]:
    """Pair clusters whose Jaccard overlap exceeds one half; each cluster is in at most one such pair."""
    both = np.zeros((n_new + 1, n_old + 1), np.int64)
    np.add.at(both, (new, old), 1)  # NOISE = -1 goes into the last row and column
    shared = both[:n_new, :n_old]
    union = both[:n_new].sum(axis=1)[:, None] + both[:, :n_old].sum(axis=0)[None, :] - shared
    return [(int(a), int(b)) for a, b in np.argwhere(shared > SAME * np.maximum(union, 1))]
