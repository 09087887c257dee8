"""Compare ways to place new images on a map that is there: by neighbours, by UMAP's steps beside fixed ones, by a regressor.

python -m benchmarks.placement WORKSPACE [--gold label] [--map-seeds 2]      # the table
python -m benchmarks.placement --speed 1000000                              # 10,000 new images on a map of so many, seconds

A tenth of the images is held out; the others are laid out, and the tenth is placed. Beside them stands the layout of all.
Trustworthiness is that of the tenth among all; agreement is the share of the 10 nearest on the map with the same known answer.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from time import perf_counter, process_time

import numpy as np
import torch

from core.arrays import FloatArray, IntArray
from core.embeddings.matrix import Matrix, write_part
from core.embeddings.resident import device_matrix
from core.encoders.parts import PART_ROWS
from core.map.layout import N_NEIGHBOURS, Projection, exact_neighbours, lay_out
from core.map.place import memberships, places
from core.maths import graph_search
from core.maths.graph_search import Take, search
from core.maths.neighbours import unit_rows
from core.maths.procrustes import displacement, laid_over
from core.workspace import Workspace

EPOCHS, NEGATIVE = 30, 5  # of the optimiser, as umap-learn's transform has them
AGREE = 10
OURS = "the same on one island (ours)"


def stepped(rows: IntArray, weights: FloatArray, xy_old: FloatArray, start: FloatArray, *, seed: int) -> FloatArray:
    """Move new points by UMAP's stochastic gradient steps; the old ones stay. All points at once, in numpy.

    Source: McInnes, Healy & Melville 2018, algorithm 5, with `move_other=False`.
    """
    from umap.umap_ import find_ab_params

    a, b = find_ab_params(1.0, 0.05)
    rng, xy = np.random.default_rng(seed), start.astype(np.float64).copy()
    share = weights / weights.max(axis=1, keepdims=True)
    for epoch in range(EPOCHS):
        alpha = 0.25 * (1 - epoch / EPOCHS)
        for neighbour in range(rows.shape[1]):
            on = rng.random(len(xy)) < share[:, neighbour]
            away = xy - xy_old[rows[:, neighbour]]
            squared = (away**2).sum(axis=1)
            pull = np.where(squared > 0, -2 * a * b * squared ** (b - 1) / (a * squared**b + 1), 0)
            xy += on[:, None] * alpha * np.clip(pull[:, None] * away, -4, 4)
            for _ in range(NEGATIVE):
                away = xy - xy_old[rng.integers(len(xy_old), size=len(xy))]
                squared = (away**2).sum(axis=1)
                push = 2 * b / ((0.001 + squared) * (a * squared**b + 1))
                xy += on[:, None] * alpha * np.clip(push[:, None] * away, -4, 4)
    return xy.astype(np.float32)


def regressed(old: FloatArray, xy_old: FloatArray, new: FloatArray, *, seed: int) -> FloatArray:
    """Place by a small perceptron that learnt the map: (M, D) and (M, 2) to (n, 2).

    Source: Sainburg, McInnes & Gentner 2021 (parametric UMAP), in its form that learns a finished map.
    """
    torch.manual_seed(seed)
    middle, spread = old.mean(axis=0), old.std(axis=0) + 1e-6
    x, y = (
        torch.from_numpy((old - middle) / spread).float(),
        torch.from_numpy((xy_old - xy_old.mean(0)) / xy_old.std(0)).float(),
    )
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 2)
    )
    steps = 3_000
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (512,))
        optimiser.zero_grad()
        torch.nn.functional.huber_loss(model(x[rows]), y[rows], delta=0.1).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        found = model(torch.from_numpy((new - middle) / spread).float()).numpy()
    return (found * xy_old.std(0) + xy_old.mean(0)).astype(np.float32)


def trust_of(unit: FloatArray, xy: FloatArray, rows: IntArray, k: int = N_NEIGHBOURS) -> float:
    """Return the trustworthiness of rows among all images, in [0, 1]. Source: Venna & Kaski 2001."""
    n, lost = len(unit), 0.0
    for part in np.array_split(rows, max(1, len(rows) // 256)):
        cosines = unit[part] @ unit.T
        cosines[np.arange(len(part)), part] = np.inf
        ranks = np.empty_like(cosines, dtype=np.int32)
        np.put_along_axis(ranks, np.argsort(-cosines, axis=1), np.arange(n, dtype=np.int32)[None], axis=1)
        near = _nearest_on_map(xy, part, k)
        lost += np.maximum(np.take_along_axis(ranks, near, axis=1) - k, 0).sum()
    return 1 - 2 * lost / (len(rows) * k * (2 * n - 3 * k - 1))


def agreement(xy: FloatArray, rows: IntArray, gold: IntArray) -> float:
    """Return the share of the nearest on the map that have the same known answer."""
    return float((gold[_nearest_on_map(xy, rows, AGREE)] == gold[rows][:, None]).mean())


def _nearest_on_map(xy: FloatArray, rows: IntArray, k: int) -> IntArray:
    from scipy.spatial import cKDTree

    found = cKDTree(xy).query(xy[rows], k=k + 1)[1]
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return found[~own].reshape(len(rows), k)


def ways(x: FloatArray, old: IntArray, new: IntArray, base: Projection, *, seed: int) -> dict[str, Callable[[], FloatArray]]:
    """Return what places the new ones on the map of the old ones, by name."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    known, xy = torch.from_numpy(unit[old]), base.xy

    def take(rows: IntArray) -> torch.Tensor:
        return known[torch.from_numpy(rows)]

    def ours() -> FloatArray:
        return places(torch.from_numpy(x[new]), take, xy, base.neighbour_rows)

    near, cosines = search(torch.from_numpy(unit[new]), take, base.neighbour_rows, k=N_NEIGHBOURS)
    rows, weights = near.numpy(), memberships((1 - cosines).clamp_min(0)).numpy()

    def walked() -> FloatArray:
        """Find neighbours as on a map of a million: by a walk from so many starts, seen from the size of this one."""
        known = graph_search.EXACT_UP_TO, graph_search.LANDMARKS
        graph_search.EXACT_UP_TO, graph_search.LANDMARKS = 0, max(48, round(len(xy) * 8_192 / 1e6))
        try:
            return ours()
        finally:
            graph_search.EXACT_UP_TO, graph_search.LANDMARKS = known

    def average() -> FloatArray:
        return (xy[rows] * weights[:, :, None]).sum(axis=1).astype(np.float32)

    return {
        "weighted mean of neighbours": average,
        OURS: ours,
        "ours, neighbours found by a walk": walked,
        "ours and 30 epochs, old ones fixed": lambda: stepped(rows, weights, xy, ours(), seed=seed),
        "weighted mean and 30 epochs": lambda: stepped(rows, weights, xy, average(), seed=seed),
        "regressor": lambda: regressed(unit[old], xy, unit[new], seed=seed),
    }


def table(x: FloatArray, gold: IntArray, *, seeds: int) -> None:
    """Print the figures of each way and each split as they come, then their means; and those of a layout from the places."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    figures: dict[str, list[tuple[float, ...]]] = {}

    def note(name: str, *found: float) -> None:
        figures.setdefault(name, []).append(found)
        print(f"  {name}: {', '.join(f'{value:.4f}' for value in found)}", flush=True)

    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        new = np.sort(rng.choice(len(x), len(x) // 10, replace=False))
        old, some = np.setdiff1d(np.arange(len(x)), new), np.sort(rng.choice(len(x), min(len(x), 1_000), replace=False))
        base = lay_out(x[old], seed=seed)
        placed = np.empty((len(x), 2), np.float32)
        placed[old] = base.xy
        for name, way in ways(x, old, new, base, seed=seed).items():
            began, xy = process_time(), placed.copy()
            xy[new] = way()
            note(name, trust_of(unit, xy, new), agreement(xy, new, gold), process_time() - began)
            if name == OURS:
                before = xy
        began = process_time()
        settled = lay_out(x, seed=seed, start=before).xy
        spent = process_time() - began
        began = process_time()
        full = lay_out(x, seed=seed).xy
        note("all laid out together", trust_of(unit, full, new), agreement(full, new, gold), process_time() - began)
        maps = {"placed, as it was": (before, 0.0), "laid out anew from there": (settled, spent), "from nothing": (full, 0.0)}
        for name, (xy, took) in maps.items():
            there = laid_over(xy, before)
            note(name, trust_of(unit, there, some), agreement(there, some, gold), took, displacement(there, before))
    print("| way | trustworthiness | agreement | seconds of CPU | mean displacement |\n| --- | --- | --- | --- | --- |")
    for name, found in figures.items():
        trust, agree, took, *moved = (mean(values) for values in zip(*found, strict=True))
        print(f"| {name} | {trust:.4f} | {agree:.4f} | {took:.1f} | {f'{moved[0]:.1%}' if moved else ''} |")


def speed(n: int, *, n_new: int = 10_000, dim: int = 384, groups: int = 400, directions: int = 20) -> None:
    """Time the placing of new images on a map of synthetic ones, and tell the recall of its search.

    Images of a group differ in a few directions, as embeddings of photos do: neighbours among white noise mean nothing.
    """
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((groups, dim), np.float32)
    axes = rng.standard_normal((groups, directions, dim), np.float32) / np.float32(directions**0.5)

    def draw(n: int) -> tuple[FloatArray, IntArray]:
        of = rng.integers(groups, size=n)
        x = 0.15 * rng.standard_normal((n, dim), np.float32) + centres[of]
        for group in range(groups):
            mine = of == group
            x[mine] += rng.standard_normal((mine.sum(), directions), np.float32) @ axes[group]
        return x, of

    with tempfile.TemporaryDirectory() as folder:
        parts, of = [], []
        for index, start in enumerate(range(0, n, PART_ROWS)):
            x, mine = draw(min(PART_ROWS, n - start))
            parts.append(write_part(Path(folder), index, x))
            of.append(mine)
        matrix = device_matrix(Matrix(parts), torch.device("cpu"))
        drawn, of_new = draw(n_new)
        new, near = torch.from_numpy(drawn), _near_in_groups(matrix.take, np.concatenate(of), groups)
        xy = rng.standard_normal((n, 2), np.float32)
        walls, cpus = [], []
        for _ in range(3):
            began, spent = perf_counter(), process_time()
            places(new, matrix.take, xy, near)
            walls.append(perf_counter() - began)
            cpus.append(process_time() - spent)
        asked = unit_rows(new[:200])
        found = search(asked, matrix.take, near, k=N_NEIGHBOURS)[0]
        rows_of = np.concatenate(of)
        recall = []
        for query, group, rows in zip(asked, of_new, found.tolist(), strict=False):
            known = np.flatnonzero(rows_of == group)
            exact = known[(unit_rows(matrix.take(known)) @ query).topk(N_NEIGHBOURS).indices.numpy()]
            recall.append(len({*rows} & {*exact.tolist()}) / N_NEIGHBOURS)
        print(
            f"{n_new:,} new images on a map of {n:,}: {median(walls):.1f} s, {median(cpus):.1f} s of CPU (medians of 3), "
            f"recall of neighbours {mean(recall):.3f}"
        )


def _near_in_groups(take: Take, of: IntArray, groups: int) -> IntArray:
    """Return the nearest rows of each, (N, K) int32: they are of its group, whose centre is far from all others."""
    near = np.empty((len(of), N_NEIGHBOURS), np.int32)
    for group in range(groups):
        mine = np.flatnonzero(of == group)
        near[mine] = mine[exact_neighbours(unit_rows(take(mine)), N_NEIGHBOURS).rows]
    return near


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--gold", default="label")
    parser.add_argument("--map-seeds", type=int, default=2)
    parser.add_argument("--images", type=int, default=0, help="so many, drawn at random; 0 for all")
    parser.add_argument("--speed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.speed:
        speed(chosen.speed)
    if chosen.workspace:
        with Workspace(chosen.workspace, read_only=True) as space:
            matrix = space.current.need_matrix()
            rows = np.arange(matrix.rows)
            if chosen.images:
                rows = np.sort(np.random.default_rng(0).choice(rows, chosen.images, replace=False))
            table(matrix.take(rows), space.gold(chosen.gold)[rows], seeds=chosen.map_seeds)


if __name__ == "__main__":
    main()
