"""The map of all images: their neighbours, UMAP of these, and its trustworthiness. Slow libraries are imported when used."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.devices import to_host, with_threads
from core.errors import ShapeError
from core.map.engines import Neighbours, arrange
from core.maths.neighbours import neighbours as nearest_rows

N_NEIGHBOURS = 15
EXACT_UP_TO = 20_000  # images: 6 s of a core by brute force, while NN-descent compiles for 27 s in every process
TRUST_SAMPLE = 2_000  # trustworthiness is quadratic; 2,000 images take about a second


@dataclass(frozen=True)
class Projection:
    """A map of N images."""

    xy: FloatArray  # (N, 2) float32, UMAP units (no meaning across refits)
    neighbour_rows: IntArray  # (N, K) int32, nearest first, self excluded; -1 if fewer were found
    trustworthiness: float  # in [0, 1], on a subsample; NaN if too few images
    engine: str  # "umap-learn", "cuml", or "circle" if there are too few images for UMAP


def lay_out(
    x: FloatArray,
    *,
    n_neighbours: int = N_NEIGHBOURS,
    min_dist: float = 0.05,
    seed: int = 0,
    start: FloatArray | None = None,
    neighbours: Neighbours | None = None,
    device: torch.device | str = "cpu",
    on_epoch: Progress = ignore,
) -> Projection:
    """Lay N images out in the plane so that neighbours stay neighbours.

    Args:
        x: (N, D) float32 embeddings.
        n_neighbours: neighbours per image, self excluded.
        min_dist: how tight clusters may pack, in map units.
        seed: the same seed, input, engine and device give the same map.
        start: (N, 2) finite positions of another map to start from; None for the principal components.
        neighbours: (N, min(n_neighbours, N - 1)) neighbours by cosine distance, found here if None.
        device: where UMAP runs, see `core.map.engines.arrange`.
        on_epoch: called with (epoch, epochs) of the layout.
    Raises:
        ShapeError: if x is not a non-empty matrix, or the neighbours do not fit it.
    Source: McInnes, Healy & Melville 2018 (UMAP); Dong et al. 2011 (NN-descent); Venna & Kaski 2001 (trustworthiness).
    """
    if x.ndim != 2 or not len(x):
        raise ShapeError(f"A layout needs (N>=1, D) embeddings, got {x.shape}; embed images first.")
    k = min(n_neighbours, len(x) - 1)
    if neighbours is not None and not neighbours.rows.shape == neighbours.distances.shape == (len(x), k):
        got = f"{neighbours.rows.shape} rows and {neighbours.distances.shape} distances"
        raise ShapeError(f"A layout needs {(len(x), k)} neighbours, got {got}; find {k} for each image.")
    if k < 4:  # too few images for UMAP: arrange them in a circle
        angle = np.arange(len(x)) / len(x) * 2 * math.pi
        circle = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
        return Projection(circle, np.full((len(x), 0), -1, np.int32), math.nan, "circle")
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    near = neighbours or find_neighbours(unit, k, seed=seed)
    xy, engine = arrange(unit, near, min_dist=min_dist, seed=seed, start=start, device=device, on_epoch=on_epoch)
    return Projection(xy, near.rows.astype(np.int32), trust(unit, xy, seed=seed), engine)


def find_neighbours(unit: FloatArray, k: int, *, seed: int) -> Neighbours:
    """Find the k nearest of N images by cosine on the CPU: exactly up to `EXACT_UP_TO` images, else by NN-descent.

    Args:
        unit: (N, D) float32 embeddings of length 1.
        k: in [1, N - 1].
        seed: of NN-descent.
    """
    if len(unit) <= EXACT_UP_TO:
        return with_threads(1, lambda: exact_neighbours(torch.from_numpy(unit), k))
    from pynndescent import NNDescent

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warns about rows with fewer neighbours, which are -1
        index = NNDescent(unit, n_neighbors=k + 1, metric="cosine", random_state=seed, compressed=True)
        rows, distances = index.neighbor_graph
    own = rows == np.arange(len(unit))[:, None]
    own[~own.any(axis=1), -1] = True  # equal images came before it: leave the farthest out instead
    return Neighbours(rows[~own].reshape(-1, k), distances[~own].reshape(-1, k))


def exact_neighbours(unit: torch.Tensor, k: int) -> Neighbours:
    """Find the k nearest of each of N images by cosine where their embeddings are, (N, D) float32 of length 1.

    Raises:
        torch.OutOfMemoryError: if the device has too little memory.
    """
    rows, cosines = nearest_rows(unit, k)
    return Neighbours(*to_host(rows, (1 - cosines).clamp_min(0)))


def trust(unit: FloatArray, xy: FloatArray, *, seed: int) -> float:
    """Measure the trustworthiness of a map on at most `TRUST_SAMPLE` of its N images.

    Args:
        unit: (N, D) embeddings.
        xy: (N, 2) positions.
        seed: of the sample.
    Returns:
        in [0, 1], higher is better; NaN if there are too few images.
    Source: Venna & Kaski 2001.
    """
    from sklearn.manifold import trustworthiness

    rows = np.arange(len(xy))
    if len(rows) > TRUST_SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, TRUST_SAMPLE, replace=False))
    n_neighbours = min(N_NEIGHBOURS, (len(rows) - 1) // 2 - 1)
    if n_neighbours < 1:
        return math.nan
    return float(trustworthiness(unit[rows], xy[rows], n_neighbors=n_neighbours, metric="cosine"))
