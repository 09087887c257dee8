"""Compare suggestions with scikit-learn and lightly-mundig: the time of a round at 1,000,000 images, and the AP from its picks.

pip install -e '.[bench]'; python -m benchmarks.suggestions time FOLDER (made by benchmarks/generate.py)
python -m benchmarks.suggestions picks WORKSPACE GOLD FLAGGED... (a prepared workspace with gold labels); prints Markdown
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightly_mundig import Selection
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

from benchmarks.million import median_ms
from core.labels.actions import history, label, undo
from core.probe.live import refit
from core.probe.offered import OFFERED
from core.probe.strategies import MOST_TAKEN, POOL_SAMPLE, STRATEGIES, Need, Pool, Strategy
from core.probe.suggest import more_like, suggest
from core.study.run import MOST_A_SIDE
from core.study.simulate import Simulation
from core.workspace import Workspace

ROUND, TAUGHT = 10, 100  # images to suggest, and existing labels
SEEDS, BUDGETS = 20, (10, 100)


def sklearn_medoids(x: np.ndarray, n: int, taken: np.ndarray) -> np.ndarray:
    """Pick as a notebook would: default KMeans, the image nearest to each centre; clusters with a labelled image last."""
    model = KMeans(n_clusters=min(n + len(taken), len(x)), random_state=0).fit(x)
    nearest, _ = pairwise_distances_argmin_min(model.cluster_centers_, x)
    covered = np.isin(np.arange(len(nearest)), model.predict(taken)) if len(taken) else np.zeros(len(nearest), bool)
    order = np.lexsort((-np.bincount(model.labels_, minlength=len(nearest)), covered))
    return np.unique(nearest[order][:n])


def mundig(x: np.ndarray, n: int, taken: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Pick with LightlyStudio's selection library: by diversity, weighted by uncertainty if it is given."""
    wheel = Selection()
    wheel.add_diversifying_strategy(np.concatenate([taken, x]).astype(np.float32), 1.0)
    if weights is not None:
        wheel.add_weighting_strategy([*([0.0] * len(taken)), *weights.tolist()], 1.0)
    known = len(taken)
    picked = wheel.run_selection(list(range(known)), known + len(x), known + min(n, len(x)))
    return np.array(picked[known:], np.int64) - known


def _peer(name: str, pick: Callable[[Pool, int, np.ndarray, np.ndarray], np.ndarray], *, needs: str = "nothing") -> Strategy:
    def chosen(pool: Pool, n: int, _rng: np.random.Generator) -> torch.Tensor:
        rows = pool.rows.numpy()
        picked = rows[pick(pool, n, pool.embeddings(pool.rows).numpy(), pool.embeddings(pool.labelled).numpy())]
        rest = np.setdiff1d(rows, picked)  # centres that share an image leave the round incomplete
        return torch.from_numpy(np.concatenate([picked, rest[: n - len(picked)]]))

    return Strategy(name, chosen, "", needs, "", "", in_rounds=needs != "nothing")


PEERS = (
    _peer("scikit-learn KMeans", lambda pool, n, x, taken: sklearn_medoids(x, n, taken)),
    _peer("mundig, diversity", lambda pool, n, x, taken: mundig(x, n, taken)),
    _peer(
        "mundig, uncertainty and diversity",
        lambda pool, n, x, taken: mundig(x, n, taken, pool.uncertainty[pool.rows].numpy()),
        needs="uncertainty",
    ),
)


def time_table(folder: Path) -> str:
    """Return the time of a round by strategy, of the peers on the same 50,000 images, and of a search against brute force."""
    with Workspace(folder) as space:
        lines = [f"| a round of 10 from {space.n_images:,} images, 100 labelled | seconds |", "| --- | --- |"]
        n_sample = min(POOL_SAMPLE, space.n_images)
        for action in [action for action, stands in history(space) if stands]:  # an earlier run's labels
            undo(space, action.seq, analyst="bench")
        gold = space.gold("label")
        for code, name in enumerate(("neutral", "explicit")):
            rows = np.flatnonzero(~space.is_check & (gold == code))[: TAUGHT // 2]
            label(space, rows, name, analyst="bench", source="lasso")
        refit(space)
        for name in OFFERED:
            taken = median_ms(lambda name=name: suggest(space, ROUND, strategy=name), 3) / 1e3
            lines.append(f"| {name} | {taken:.2f} |")
        rng = np.random.default_rng(0)
        x = space.current.standardised(np.sort(rng.choice(space.n_images, n_sample, replace=False))).numpy()
        known = x[:MOST_TAKEN]
        for name, work in (
            (f"scikit-learn's KMeans on {n_sample:,} of them", lambda: sklearn_medoids(x, ROUND, known)),
            (f"mundig's diversity on the same {n_sample:,}", lambda: mundig(x, ROUND, known)),
        ):
            lines.append(f"| {name} | {median_ms(work, 3) / 1e3:.2f} |")
        more = median_ms(lambda: more_like(space, np.array([5]), n=100), 3) / 1e3
        everything = space.matrix.take(np.arange(space.matrix.rows))
        search = NearestNeighbors(n_neighbors=100, metric="cosine", algorithm="brute").fit(everything)
        theirs = median_ms(lambda: search.kneighbors(everything[5:6]), 3) / 1e3
    return "\n".join(
        [*lines, f"| more like this, 100 of all | {more:.2f} |", f"| scikit-learn's brute force for the same | {theirs:.2f} |"]
    )


def picks_table(folder: Path, gold: str, flagged: tuple[str, ...]) -> str:
    """Return the AP on a test half with 10 and 100 labels picked in each way, mean ± sd over seeds."""
    with Workspace(folder, read_only=True) as space:
        rows, known = space.catalog.images.gold(gold)
        embedded = space.embedded(space.encoder_name)
        x = embedded.standardised(rows).numpy()
        is_flagged, groups = np.isin(known, flagged), space.groups[rows]
    STRATEGIES.update({peer.name: peer for peer in PEERS})
    names = [name for name, chosen in STRATEGIES.items() if chosen.needs != Need.COLUMN and name != "uncertain-once"]
    lines = [f"| {gold} = {', '.join(flagged)} | AP, 10 labels | AP, 100 labels |", "| --- | --- | --- |"]
    for name in names:
        found = [Simulation(x, is_flagged, groups, seed=seed, most=MOST_A_SIDE) for seed in range(SEEDS)]
        results = [list(simulation.run(name, BUDGETS)) for simulation in found]
        ap = np.array([[line["average_precision"] for line in lines_] for lines_ in results])
        cells = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in zip(ap.mean(axis=0), ap.std(axis=0, ddof=1), strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("time", "picks"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("gold", nargs="?", default="label")
    parser.add_argument("flagged", nargs="*")
    options = parser.parse_args()
    if options.what == "time":
        print(time_table(options.folder))
    else:
        print(picks_table(options.folder, options.gold, tuple(options.flagged)))
