"""Representative images: one real image per k-means cluster; and farthest-first selection, as a reference. On any device."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.arrays import IntArray
from core.devices import CPU, on_all_cores, to_device, to_host
from core.errors import ShapeError
from core.maths.clustering import Clusters, assign, lloyd

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

NEIGHBOURS = 20  # of TypiClust's typicality
QUERIES = 512  # images compared with a cluster at a time
START_LEAST, START_PER_CENTRE = 2_000, 20  # images sampled for the initial centres
# With one start, 4% of 10-image picks missed a cluster of 5% of the images; with four, none of 100 did. With 110 centres, one
# fitted .8% worse than the best of four.
STARTS, STARTS_OF_MANY, MANY = 4, 2, 50
LLOYD_STEPS = 15  # more improve the fit by under 1%


def medoids(x: torch.Tensor, *, n: int, rng: np.random.Generator, taken: torch.Tensor | None = None) -> IntArray:
    """Pick n images, one per cluster of x without taken images: the one nearest to the cluster's centre.

    Args, returns and errors: as `representatives`.
    Source: Xu et al. 2003 (representative sampling).
    """
    return representatives(x, n=n, rng=rng, taken=taken, badness=_to_centre)


def typical(x: torch.Tensor, *, n: int, rng: np.random.Generator, taken: torch.Tensor | None = None) -> IntArray:
    """Pick n images, one per cluster of x without taken images: the one in the densest region.

    Args, returns and errors: as `representatives`.
    Source: TypiClust (Hacohen et al. 2022); typicality is 1 / mean distance to the 20 nearest in the cluster.
    """
    return representatives(x, n=n, rng=rng, taken=taken, badness=_sparseness)


def representatives(
    x: torch.Tensor, *, n: int, rng: np.random.Generator, taken: torch.Tensor | None, badness: "Badness"
) -> IntArray:
    """Pick one image per cluster of x.

    k-means with n + T centres; clusters that contain one of the T taken images are covered already. Each of the others, largest
    first, contributes its image with the least badness.

    Args:
        x: (N, D) float32 embeddings of the candidates, N >= 1, on any device.
        n: how many to pick; fewer come back if N is smaller.
        rng: decides the k-means start.
        taken: (T, D) embeddings that are represented already.
        badness: (x, clusters) -> (N,), lower = represents its cluster better.
    Returns:
        (min(n, N),) int64 positions in x, distinct, in the order to ask for them.
    Raises:
        ShapeError: if x is not a non-empty matrix.
    """
    if x.ndim != 2 or not len(x):
        raise ShapeError(f"Representatives need (N>=1, D) embeddings, got {tuple(x.shape)}.")
    wanted = min(n, len(x))
    n_taken = 0 if taken is None else len(taken)
    k = min(wanted + n_taken, len(x))
    clusters = lloyd(x, _starting_centres(x, k, rng), most_steps=LLOYD_STEPS)
    covered = torch.zeros(k, dtype=torch.bool, device=x.device)
    if taken is not None and n_taken:
        covered[assign(taken, clusters.centres)[0]] = True
    best_first = torch.sort(badness(x, clusters), stable=True).indices
    rank = torch.empty_like(best_first)
    rank[best_first] = torch.arange(len(x), device=x.device)
    best_rank = torch.full((k,), len(x), device=x.device).scatter_reduce(0, clusters.of_row, rank, "amin")
    of_cluster = torch.cat([best_first, best_first.new_full((1,), -1)])[best_rank]  # -1: a cluster without images
    sizes = torch.zeros_like(of_cluster).scatter_add_(0, clusters.of_row, torch.ones_like(rank))
    size, is_covered, place = (found.tolist() for found in to_host(sizes, covered, of_cluster))
    by_use = sorted(range(k), key=lambda cluster: (is_covered[cluster], -size[cluster], cluster))
    picked = [place[cluster] for cluster in by_use if place[cluster] >= 0][:wanted]
    if len(picked) < wanted:  # duplicates leave clusters empty
        spare = to_host(best_first)[0]
        picked += spare[~np.isin(spare, picked)][: wanted - len(picked)].tolist()
    return np.array(picked, np.int64)


def _starting_centres(x: torch.Tensor, k: int, rng: np.random.Generator) -> torch.Tensor:
    """Return the centres of the best of several runs on a sample; runs on all images would take most of the time.

    Source: k-means++ (Arthur & Vassilvitskii 2007), as in scikit-learn.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    size = max(START_LEAST, START_PER_CENTRE * k)
    seeds = rng.integers(2**31, size=STARTS if k < MANY else STARTS_OF_MANY).tolist()
    drawn = np.arange(len(x)) if len(x) <= size else rng.choice(len(x), size, replace=False)
    sample = to_host(x[to_device(drawn, x.device)])[0]

    def start(seed: int) -> KMeans:
        with _pools().limit(limits=1, user_api="openmp"):  # its setting is the thread's own
            return KMeans(n_clusters=k, n_init=1, max_iter=LLOYD_STEPS, random_state=seed).fit(sample)

    # One thread a start: on a busy machine, two were 8 times slower.
    with _pools().limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct images than clusters: handled by the caller
        best = min(on_all_cores(start, seeds, CPU), key=lambda model: float(model.inertia_))
    return to_device(best.cluster_centers_.astype(np.float32), x.device)


@cache
def _pools() -> "ThreadpoolController":
    """Return the thread pools of BLAS and OpenMP, found once: looking for them takes 3 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def farthest(x: torch.Tensor, *, n: int, rng: np.random.Generator, taken: torch.Tensor | None = None) -> IntArray:
    """Pick n images, each the farthest from all picked and taken so far (greedy k-centre). Prefers outliers.

    Args:
        x: (N, D) float32 embeddings of the candidates, N >= 1, on any device.
        n: how many; fewer come back if N is smaller.
        rng: picks the first if nothing is taken.
        taken: (T, D) embeddings.
    Returns:
        (min(n, N),) int64 positions in x, distinct.
    Source: Sener & Savarese 2018 (core-set); Gonzalez 1985.
    """
    squares = x.square().sum(dim=1)

    def distance(to: torch.Tensor) -> torch.Tensor:
        return (squares - 2 * (x @ to) + to @ to).clamp_min(0)

    near = torch.full((len(x),), torch.inf, device=x.device)
    for known in () if taken is None else taken:
        near = torch.minimum(near, distance(known))
    picked: list[torch.Tensor] = []
    for place in range(min(n, len(x))):
        nothing_known = not place and (taken is None or not len(taken))
        first = torch.tensor(int(rng.integers(len(x))), device=x.device) if nothing_known else near.argmax()
        newest = x.index_select(0, first[None])[0]  # x[first] would wait for the device
        near = torch.minimum(near, distance(newest)).index_fill(0, first[None], -1.0)  # not to be picked again
        picked.append(first)
    return np.asarray(to_host(torch.stack(picked))[0], np.int64) if picked else np.array([], np.int64)


Badness = Callable[[torch.Tensor, Clusters], torch.Tensor]


def _to_centre(x: torch.Tensor, clusters: Clusters) -> torch.Tensor:
    return assign(x, clusters.centres)[1]


def _sparseness(x: torch.Tensor, clusters: Clusters) -> torch.Tensor:
    """Return each image's mean distance to its nearest neighbours in its cluster, (N,)."""
    sparse = torch.zeros(len(x), device=x.device)
    for cluster in range(len(clusters.centres)):
        rows = torch.nonzero(clusters.of_row == cluster)[:, 0]
        k = min(NEIGHBOURS, len(rows) - 1)
        if k > 0:
            sparse[rows] = _mean_distance(x[rows], k)
    return sparse


def _mean_distance(x: torch.Tensor, k: int) -> torch.Tensor:
    def of(queries: torch.Tensor) -> torch.Tensor:
        nearest = torch.cdist(queries, x).topk(k + 1, dim=1, largest=False).values
        return nearest[:, 1:].mean(dim=1)  # without the distance to itself

    return torch.cat(on_all_cores(of, x.split(QUERIES), x.device))
