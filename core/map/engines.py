"""Lay neighbours out in the plane by UMAP: umap-learn on the CPU, cuML on a CUDA device. Both are imported when used."""

import contextlib
import io
import logging
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.arrays import FloatArray, IntArray, Progress, ignore

LOG = logging.getLogger("lassoscope.map")
FARTHEST = 2.0  # the greatest cosine distance: at it, a neighbour has no weight
SETTLING = 0.1  # the first steps' size where a map is only settled; from nothing umap-learn takes 1
UNUSABLE = (ImportError, OSError, MemoryError, RuntimeError)  # not installed, not loadable, out of memory, CUDA's own errors


@dataclass(frozen=True)
class Neighbours:
    """The K nearest of N images, nearest first, self excluded."""

    rows: IntArray  # (N, K); -1 if fewer were found
    distances: FloatArray  # (N, K) float32 cosine distances in [0, 2]; undefined where the row is -1

    def with_self(self) -> tuple[IntArray, FloatArray]:
        """Return (N, K + 1) int64 rows and float32 distances with each image first among its own neighbours, as UMAP has it.

        A missing neighbour is the image itself, far away: both engines give it no weight. cuML cannot read a -1, and an
        infinite distance widens the kernel of its image to infinity.
        """
        own = np.arange(len(self.rows))[:, None]
        missing = self.rows < 0
        rows = np.hstack([own, np.where(missing, own, self.rows)]).astype(np.int64)
        distances = np.hstack([np.zeros_like(own), np.where(missing, FARTHEST, self.distances)])
        return rows, distances.astype(np.float32)


def arrange(
    unit: FloatArray,
    near: Neighbours,
    *,
    min_dist: float,
    seed: int,
    start: FloatArray | None = None,
    device: torch.device | str = "cpu",
    on_epoch: Progress = ignore,
) -> tuple[FloatArray, str]:
    """Lay N images out by UMAP on a device.

    On a CUDA device without a usable cuML, umap-learn does it on the CPU, and the log says why.

    Args:
        unit: (N, D) float32 embeddings of length 1.
        near: their neighbours, at least 4 each.
        min_dist: how tight clusters may pack, in map units.
        seed: the same seed, input, engine and device give the same map.
        start: (N, 2) positions of another map, which is then only settled: its islands stay where they are. None for the
            principal components.
        device: cpu, cuda or cuda:N.
        on_epoch: called with (epoch, epochs).
    Returns:
        (N, 2) float32 positions in map units, and the engine: "umap-learn" or "cuml".
    """
    device = torch.device(device)
    if device.type == "cuda":
        try:
            return cuml(unit, near, min_dist=min_dist, seed=seed, start=start, device=device, on_epoch=on_epoch), "cuml"
        except _ProgressError as error:
            raise error.cause from None
        except UNUSABLE as error:
            why = str(error).partition("\n")[0]
            LOG.warning("umap-learn makes the map on the CPU, because cuML cannot (%s: %s)", type(error).__name__, why)
    if start is not None:
        return settle(unit, near, start, min_dist=min_dist, seed=seed, on_epoch=on_epoch), "umap-learn"
    return umap_learn(unit, near, min_dist=min_dist, seed=seed, on_epoch=on_epoch), "umap-learn"


class _ProgressError(Exception):
    """What the caller's `on_epoch` raised: no failure of cuML."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _EpochLog(io.StringIO):
    """Report progress by parsing umap-learn's tqdm bar, the only progress it offers."""

    def __init__(self, on_progress: Progress) -> None:
        super().__init__()
        self.on_progress = on_progress

    def write(self, text: str) -> int:
        if found := re.search(r"(\d+)/(\d+)", text):
            self.on_progress(int(found[1]), int(found[2]))
        return len(text)


def umap_learn(unit: FloatArray, near: Neighbours, *, min_dist: float, seed: int, on_epoch: Progress = ignore) -> FloatArray:
    """Lay images out with umap-learn, whose import takes seconds. Arguments and positions as in `arrange`.

    Source: McInnes, Healy & Melville 2018.
    """
    model = _model(near, min_dist=min_dist, seed=seed, on_epoch=on_epoch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of n_jobs, and that new images cannot be placed without a search index
        return np.asarray(model.fit_transform(unit), np.float32)


def settle(
    unit: FloatArray, near: Neighbours, start: FloatArray, *, min_dist: float, seed: int, on_epoch: Progress = ignore
) -> FloatArray:
    """Move images from where they are to where UMAP's forces are at rest. Arguments and positions as in `arrange`.

    umap-learn stretches a start to a square of its own. Here it stays as it is, and the steps are smaller than from nothing.
    """
    model = _model(near, min_dist=min_dist, seed=seed, on_epoch=on_epoch, transform_mode="graph")
    from umap.layouts import optimize_layout_euclidean
    from umap.umap_ import make_epochs_per_sample

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = model.fit(unit).graph_.tocoo()
    epochs = default_epochs(len(unit))
    graph.data[graph.data < graph.data.max() / epochs] = 0
    graph.eliminate_zeros()
    xy = np.array(start, np.float32, order="C")
    moved = optimize_layout_euclidean(
        xy,
        xy,
        graph.row,
        graph.col,
        epochs,
        len(xy),
        make_epochs_per_sample(graph.data, epochs),
        model._a,
        model._b,
        np.random.RandomState(seed).randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3).astype(np.int64),
        initial_alpha=SETTLING,
        tqdm_kwds=model.tqdm_kwds,
        move_other=True,
    )
    return np.asarray(moved, np.float32)


def _model(near: Neighbours, *, min_dist: float, seed: int, on_epoch: Progress, **more: object) -> Any:
    """Return umap-learn's model of neighbours, before it is fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Tensorflow not installed" at import; it is not needed
        from umap import UMAP

    _keep_kernels()
    rows, distances = near.with_self()
    return UMAP(
        n_neighbors=rows.shape[1],
        min_dist=min_dist,
        metric="cosine",
        init="pca",
        random_state=seed,
        precomputed_knn=(rows, distances),
        force_approximation_algorithm=True,  # else UMAP ignores precomputed neighbours below 4,096 images
        tqdm_kwds={
            "disable": False,
            "file": _EpochLog(on_epoch),
            "bar_format": "{n_fmt}/{total_fmt}",
            "mininterval": 0.5,
        },
        **more,
    )


def _keep_kernels() -> None:
    """Have numba keep what it compiles of umap-learn: that takes longer than a small map, in every process that lays one out.

    umap-learn itself keeps only some of its functions. numba compiles again where the file or the CPU is another.
    """
    from umap import layouts, umap_

    used = (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    )
    for module, name in used:
        with contextlib.suppress(AttributeError, RuntimeError):  # another version of it; no folder to keep anything in
            getattr(module, name).enable_caching()


def cuml(
    unit: FloatArray,
    near: Neighbours,
    *,
    min_dist: float,
    seed: int,
    device: torch.device,
    start: FloatArray | None = None,
    on_epoch: Progress = ignore,
) -> FloatArray:
    """Lay images out with cuML from umap-learn's initialisation and epochs. Arguments and positions as in `arrange`.

    Raises:
        ImportError, OSError, MemoryError, RuntimeError: if cuML, its libraries or the device cannot do it.
    Source: Nolet et al. 2021, Bringing UMAP Closer to the Speed of Light with GPU Acceleration.
    """
    from cuml.internals import GraphBasedDimRedCallback
    from cuml.manifold import UMAP
    from cupy.cuda import Device

    epochs = default_epochs(len(unit))
    errors: list[BaseException] = []

    class EachEpoch(GraphBasedDimRedCallback):
        done = 0

        def on_epoch_end(self, embeddings: Any) -> None:
            self.done += 1
            try:
                on_epoch(self.done, epochs)
            except BaseException as error:  # cuML's C++ calls this and does not survive an exception
                errors.append(error)

    torch.cuda.empty_cache()  # cuML has an allocator of its own
    rows, distances = near.with_self()
    watch = EachEpoch()
    settings = {
        "n_neighbors": rows.shape[1],
        "min_dist": min_dist,
        "metric": "cosine",
        "n_epochs": epochs,
        "init": principal(unit, seed=seed) if start is None else np.ascontiguousarray(start, np.float32),
        **({} if start is None else {"learning_rate": SETTLING}),
        "random_state": seed,
        "precomputed_knn": (rows, distances),
        "force_serial_epochs": True,  # parallel updates of an image add up to outliers when the start is informed
        "callback": watch,
        "output_type": "numpy",
    }
    try:
        model = UMAP(**settings)
    except TypeError as error:  # the settings of an older version
        raise RuntimeError(f"it needs version 26.10 or newer: {error}") from None
    with Device(device.index or 0):
        xy = np.asarray(model.fit_transform(unit), np.float32)
    if errors:
        raise _ProgressError(errors[0])
    return xy


def default_epochs(n: int) -> int:
    """Return the epochs umap-learn takes for n images."""
    return 500 if n <= 10_000 else 200


def principal(unit: FloatArray, *, seed: int) -> FloatArray:
    """Return umap-learn's initialisation "pca" for an engine without it.

    Returns:
        (N, 2) float32 principal components, each scaled to [0, 10], with noise that separates equal images.
    """
    from sklearn.decomposition import PCA

    rng = np.random.RandomState(seed)
    with np.errstate(invalid="ignore"):  # equal images have no variance
        xy = PCA(2, random_state=rng).fit_transform(unit)
    xy *= 10 / max(np.abs(xy).max(), 1e-12)
    xy += rng.normal(scale=1e-4, size=xy.shape)
    return np.ascontiguousarray(10 * (xy - xy.min(axis=0)) / np.ptp(xy, axis=0), dtype=np.float32)
