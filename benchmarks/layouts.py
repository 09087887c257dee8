"""Compare the engines of the map, umap-learn, torchdr and cuML (with CUDA), from the same exact neighbours.

python -m benchmarks.layouts --fashion /usr/share/datasets/fashion-mnist --photos caltech99-128.tar [--device cuda]

The images are embedded with msn-tiny-64, and their neighbours are found before the clock starts. On the CPU every engine has
one thread and seconds of CPU time are counted, because others may use the machine; with CUDA, seconds of the clock. torchdr is
not a dependency of Lassoscope: pip install torchdr matplotlib. Its public interface takes no neighbours, so a method of its
affinity is replaced.
"""

import argparse
import os
import warnings
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from statistics import mean, median
from time import perf_counter, process_time
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
os.environ["NUMBA_NUM_THREADS"] = "1"  # or umap-learn would give torch its threads back

import numpy as np
import torch
from scipy.spatial import cKDTree, procrustes
from sklearn.neighbors import NearestNeighbors

from benchmarks.photo_sets import fashion, photos
from core.devices import pick_device
from core.encoders.encoder import load_encoder
from core.map.engines import Neighbours, cuml, default_epochs, start, umap_learn
from core.map.layout import N_NEIGHBOURS, trust

MIN_DIST, WARM_UP = 0.05, 500
LONG_UP_TO = 10_000  # images: above, torchdr's own 1,000 steps are left out on the CPU
CHUNK = 5_000  # images embedded at a time
HEAD = "| images | engine | seconds | trustworthiness | neighbours kept | the same of other seeds | aligned with other seeds |"
LONG = "torchdr, as it comes (1,000 steps)"
Engine = Callable[..., np.ndarray]


def torchdr(
    unit: np.ndarray, near: Neighbours, *, min_dist: float, seed: int, device: torch.device, as_ours: bool
) -> np.ndarray:
    """Lay images out with torchdr, from our initialisation and epochs or from its own."""
    from torchdr import UMAP, UMAPAffinity

    rows, distances = torch.from_numpy(near.rows).to(device), torch.from_numpy(near.distances).to(device)

    class Given(UMAPAffinity):
        def _distance_matrix(self, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
            return distances.clone(), rows

    chosen: dict[str, Any] = {}
    if as_ours:
        first = start(unit, seed=seed)  # init_scaling undoes torchdr's own scaling of it
        chosen = {"init": torch.from_numpy(first), "init_scaling": float(first[:, 0].std(ddof=1))}
        chosen["max_iter"] = default_epochs(len(unit))
    common: dict[str, Any] = {"n_neighbors": rows.shape[1] + 1, "backend": None, "device": str(device)}
    model = UMAP(**common, min_dist=min_dist, random_state=seed, process_duplicates=False, **chosen)
    model.affinity_in = Given(**common, max_iter=model.max_iter_affinity, _pre_processed=True)
    return np.asarray(model.fit_transform(torch.from_numpy(unit).to(device)).detach().cpu())


def engines(device: torch.device) -> dict[str, Engine]:
    """Return the engines that are installed and run on the device, umap-learn first."""
    found: dict[str, Engine] = {"umap-learn": umap_learn}
    try:
        import torchdr as _  # noqa: F401
    except ImportError as error:
        print(f"without torchdr ({error})")
    else:
        found["torchdr, start and epochs as umap-learn"] = partial(torchdr, device=device, as_ours=True)
        found[LONG] = partial(torchdr, device=device, as_ours=False)
    if device.type == "cuda":
        found["cuml"] = partial(cuml, device=device)
    return found


def kept(rows: np.ndarray, xy: np.ndarray) -> float:
    """Return the share of each image's neighbours that are among as many nearest on the map."""
    return float((rows[:, :, None] == on_map(xy)[:, None, :]).any(axis=2).mean())


def on_map(xy: np.ndarray) -> np.ndarray:
    """Return the (N, 15) rows of the nearest on the map, without the image itself."""
    return cKDTree(xy).query(xy, N_NEIGHBOURS + 1)[1][:, 1:]


def exact(unit: np.ndarray) -> Neighbours:
    """Return exact neighbours."""
    distances, rows = NearestNeighbors(n_neighbors=N_NEIGHBOURS, metric="cosine", algorithm="brute").fit(unit).kneighbors()
    return Neighbours(rows, distances.astype(np.float32))


def measure(title: str, unit: np.ndarray, ways: dict[str, Engine], seeds: int, clock: Callable[[], float]) -> None:
    """Print a table row per engine: medians over the seeds, which the engines take in turn."""
    near = exact(unit)
    maps: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for seed in range(seeds):
        for name, way in ways.items():
            since = clock()
            maps[name].append(way(unit, near, min_dist=MIN_DIST, seed=seed))
            times[name].append(clock() - since)
    for name, found in maps.items():
        trusts = [trust(unit, xy, seed=0) for xy in found]
        pairs = list(combinations(found, 2))
        same = [kept(on_map(a), b) for a, b in pairs]
        alignment = [1 - procrustes(a, b)[2] for a, b in pairs]
        figures = f"{median(times[name]):.1f} | {median(trusts):.3f} | {median(kept(near.rows, xy) for xy in found):.3f}"
        print(f"| {title} | {name} | {figures} | {mean(same):.3f} | {mean(alignment):.3f} |", flush=True)


def embedded(pixels: np.ndarray) -> np.ndarray:
    """Return (N, D) float32 embeddings of length 1."""
    encoder = load_encoder("msn-tiny-64")
    x = np.concatenate([encoder.encode(pixels[i : i + CHUNK]) for i in range(0, len(pixels), CHUNK)]).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    ask.add_argument("--photos", type=Path, help="tar of photos with labels.csv")
    ask.add_argument("--sizes", type=int, nargs="*", default=[2_000, 10_000, 50_000], help="of Fashion-MNIST")
    ask.add_argument("--seeds", type=int, default=3, help="at least 2")
    ask.add_argument("--device", default="cpu")
    chosen = ask.parse_args()
    size = load_encoder("msn-tiny-64").input_size
    sets = []
    if chosen.sizes:
        pixels, _ = fashion(max(chosen.sizes), size, chosen.fashion / "train-images-idx3-ubyte.gz")
        garments = embedded(pixels)
        sets = [(f"{n:,} Fashion-MNIST", garments[:n]) for n in chosen.sizes]
    if chosen.photos:
        pictures = embedded(photos(chosen.photos, size)[0])
        sets.append((f"{len(pictures):,} photos", pictures))
    device = pick_device(chosen.device)
    ways, clock = engines(device), perf_counter if device.type == "cuda" else process_time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for way in ways.values():  # umap-learn compiles
            way(sets[0][1][:WARM_UP], exact(sets[0][1][:WARM_UP]), min_dist=MIN_DIST, seed=0)
        print(HEAD, "| --- " * 7 + "|", sep="\n", flush=True)
        for title, unit in sets:
            few = len(unit) <= LONG_UP_TO or device.type == "cuda"
            measure(title, unit, {name: way for name, way in ways.items() if few or name != LONG}, chosen.seeds, clock)


if __name__ == "__main__":
    main()
