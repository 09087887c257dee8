"""Compare encoders on held-out pictures of several sources: neighbours, linear probe, and the product's few labels.

python -m benchmarks.photo_sets --photos photos72-a.tar --caltech caltech99-128.tar --out FOLDER
python -m benchmarks.photo_quality FOLDER msn-small-64 msn-tiny-64 untrained pca --write docs/explanation/encoders.md

An encoder is a name or a weights file that `load_encoder` takes; "untrained" is the network of the first one before training,
and "pca" is fitted on the pixels of the training pictures. Each seed splits a set in half by near-duplicate group: labels come
from one half, all figures from the other. Seeds are the same for every encoder, so that differences are paired.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from benchmarks.photo_sets import HeldOut, load_held_out
from core.demo.datasets import FASHION_CLASSES, FOOTWEAR
from core.study.simulate import Simulation, split

SEEDS, PROBE_SEEDS = 10, 3
BUDGETS = (10, 100)
STRATEGY = "uncertain"  # after 10 of "diverse": what the product does unless told otherwise
WANTED = 0.8  # precision at 90% recall
K = 10
PROBE_C = 0.1  # best of .001, .01, .1 and 1 for msn-tiny-64 and for pixels on waste, hands and Caltech
PCA_DIM, PCA_SIDE, PCA_IMAGES = 64, 32, 8_000
VEHICLES = ("airplanes", "Motorbikes", "car_side", "ketch", "helicopter", "ferry", "schooner")
INSTRUMENTS = (
    "grand_piano", "electric_guitar", "euphonium", "accordion", "gramophone", "mandolin", "saxophone", "metronome"
)  # fmt: skip
START, END = "<!-- figures: benchmarks/photo_quality.py -->", "<!-- end of the photo figures -->"

# set -> flagged class -> the items in it: an item, or a folder of items ending in "/"
TASKS: dict[str, dict[str, tuple[str, ...]]] = {
    "grocery": {"packages": ("Packages/",), "apples": ("Fruit/Apple/",), "vegetables": ("Vegetables/",)},
    "signdigits": {"zero": ("0",), "five": ("5",), "one": ("1",)},
    "trashnet": {"glass": ("glass",), "metal": ("metal",), "cardboard": ("cardboard",)},
    "books": {
        "astronomy": ("osbooks-astronomy",),
        "diagrams": ("diagram",),
        "biology": ("biology-book", "biology-concepts-book"),
    },
    "caltech": {"vehicles": VEHICLES, "instruments": INSTRUMENTS},
    "fashion": {"footwear": FOOTWEAR, "bags": (FASHION_CLASSES[8],)},
    "notices": {"notices": ("notice",)},
}

Embed = Callable[[np.ndarray], np.ndarray]  # (N, 3, S, S) uint8 -> (N, dim)


@dataclass
class Figures:
    """One encoder's figures, one value per seed."""

    knn: dict[str, list[float]] = field(default_factory=dict)  # by set
    linear: dict[str, list[float]] = field(default_factory=dict)
    precision: dict[tuple[str, str], list[float]] = field(default_factory=dict)  # by set and class; with the last of `BUDGETS`
    few: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)  # AP by set, class and labels
    share: dict[tuple[str, str], float] = field(default_factory=dict)  # of flagged images
    images_per_second: float = 0.0  # of CPU time, on one thread

    def summary(self) -> dict[str, np.ndarray]:
        """Return the means over sets or tasks of the main figures, one value per seed."""
        return {
            "kNN": np.mean(list(self.knn.values()), axis=0),
            "linear": np.mean(list(self.linear.values()), axis=0),
            **{f"AP {n}": np.mean([v for key, v in self.few.items() if key[2] == n], axis=0) for n in BUDGETS},
            "P at 90% recall": np.mean(list(self.precision.values()), axis=0),
        }


def in_class(items: np.ndarray, named: Sequence[str]) -> np.ndarray:
    """Return (N,) bool: items that are named, or lie in a named folder."""
    folders = tuple(name for name in named if name.endswith("/"))
    return np.isin(items, named) | np.array([bool(folders) and item.startswith(folders) for item in items.tolist()])


def standardised(x: np.ndarray) -> np.ndarray:
    """Return (N, D) float32 with mean 0 and standard deviation 1 in each dimension, as the product's probe has it."""
    x = x.astype(np.float64)
    std = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(std > 1e-12, std, 1.0)).astype(np.float32)


def neighbours_accuracy(x: np.ndarray, codes: np.ndarray, known: np.ndarray, asked: np.ndarray) -> float:
    """Return the accuracy of a vote of the `K` nearest known images (cosine)."""
    unit = torch.nn.functional.normalize(torch.from_numpy(x), dim=1)
    near = (unit[asked] @ unit[known].T).topk(K, dim=1).indices
    votes = torch.nn.functional.one_hot(torch.from_numpy(codes[known])[near], int(codes.max()) + 1).sum(dim=1)
    return float((votes.argmax(dim=1).numpy() == codes[asked]).mean())


def judge(embed: Embed, sets: dict[str, HeldOut], *, seeds: int = SEEDS) -> Figures:
    """Measure one encoder on every set and task."""
    found, spent, n = Figures(), 0.0, 0
    for title, held in sets.items():
        since = time.process_time()
        x = standardised(embed(held.pixels))
        spent, n = spent + time.process_time() - since, n + len(x)
        codes = np.unique(held.items, return_inverse=True)[1]
        halves = [split(held.groups, seed, most=len(x)) for seed in range(seeds)]
        found.knn[title] = [neighbours_accuracy(x, codes, half.pool, half.test) for half in halves]
        found.linear[title] = [
            float(
                LogisticRegression(C=PROBE_C, max_iter=200, tol=1e-3)
                .fit(x[half.pool], codes[half.pool])
                .score(x[half.test], codes[half.test])
            )
            for half in halves[:PROBE_SEEDS]
        ]
        for name, items in TASKS[title].items():
            flagged = in_class(held.items, items)
            found.share[title, name] = float(flagged.mean())
            for seed in range(seeds):
                simulation = Simulation(x, flagged, held.groups, seed=seed, most=len(x))
                for line in simulation.run(STRATEGY, BUDGETS):
                    found.few.setdefault((title, name, line["budget"]), []).append(line["average_precision"])
                found.precision.setdefault((title, name), []).append(line["precision_at_recall"])
    found.images_per_second = n / spent
    return found


def pixel_components(train: Path) -> Embed:
    """Return the embedding by principal components of small pixels, fitted on a draw of the training pictures."""

    def small(pixels: np.ndarray) -> np.ndarray:
        return torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(pixels).float(), PCA_SIDE).flatten(1).numpy()

    with np.load(train) as content:
        pixels = content["pixels"]
    rows = np.random.default_rng(0).permutation(len(pixels))[:PCA_IMAGES]
    pca = PCA(PCA_DIM, svd_solver="randomized", random_state=0).fit(small(pixels[np.sort(rows)]))
    return lambda pixels: pca.transform(small(pixels))


def encoders(names: Sequence[str], folder: Path) -> dict[str, Embed]:
    """Return what is to be judged by its title."""
    from core.encoders.encoder import load_encoder, untrained_like  # imports timm, which tests of this module need not wait for

    found: dict[str, Embed] = {}
    for name in names:
        if name == "pca":
            found["PCA of the pixels"] = pixel_components(folder / "train.npz")
        elif name == "untrained":
            found[f"{Path(names[0]).stem}, untrained"] = untrained_like(
                load_encoder(names[0], device="cpu").describe(), device="cpu"
            ).encode
        else:
            found[Path(name).stem] = load_encoder(name, device="cpu").encode
    return found


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation over the seeds."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def table(figures: dict[str, Figures], sets: dict[str, HeldOut]) -> list[str]:
    """Return the tables by set and by task, as Markdown."""
    lines = ["| pictures | encoder | kNN | linear probe |", "| --- " * 4 + "|"]
    for title, held in sets.items():
        for name, found in figures.items():
            kinds = f"{title}: {len(held.items):,}, {len(np.unique(held.items))} classes"
            lines.append(f"| {kinds} | {name} | {spread(found.knn[title])} | {spread(found.linear[title])} |")
    first, most = BUDGETS
    columns = (
        "flagged",
        "encoder",
        f"AP, {first} labels",
        f"AP, {most} labels",
        f"P at 90% recall, {most}",
        f"seeds at {WANTED:.0%}",
    )
    lines += ["", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for title in sets:
        for task in TASKS[title]:
            for name, found in figures.items():
                precision = found.precision[title, task]
                enough = f"{sum(p >= WANTED for p in precision)} of {len(precision)}"
                few = " | ".join(spread(found.few[title, task, n]) for n in BUDGETS)
                share = f"{found.share[title, task]:.0%}"
                lines.append(f"| {title}: {task} ({share}) | {name} | {few} | {spread(precision)} | {enough} |")
    return lines


def differences(figures: dict[str, Figures]) -> list[str]:
    """Return each encoder's means over all sets and tasks, and how far it is from the first one, seed by seed."""
    names = list(figures)
    first = figures[names[0]].summary()
    lines = [f"| mean of all | {' | '.join(first)} | images a CPU-second |", "| --- " * (len(first) + 2) + "|"]
    for name in names:
        cells = []
        for title, values in figures[name].summary().items():
            apart = values - first[title]
            error = apart.std(ddof=1) / np.sqrt(len(apart))
            cells.append(f"{values.mean():.4f}" + ("" if name == names[0] else f" ({apart.mean():+.4f} ± {error:.4f})"))
        lines.append(f"| {name} | {' | '.join(cells)} | {figures[name].images_per_second:.0f} |")
    return lines


def main() -> None:
    """Print the tables; with --write, put them into the page between its marks."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("folder", type=Path, help="written by benchmarks.photo_sets")
    ask.add_argument("encoders", nargs="+")
    ask.add_argument("--seeds", type=int, default=SEEDS)
    ask.add_argument("--write", type=Path)
    chosen = ask.parse_args()
    torch.set_num_threads(1)
    sets = load_held_out(chosen.folder)
    figures: dict[str, Figures] = {}
    for name, embed in encoders(chosen.encoders, chosen.folder).items():
        figures[name] = judge(embed, sets, seeds=chosen.seeds)
        print(differences({name: figures[name]})[-1], flush=True)
    text = "\n".join([*table(figures, sets), "", *differences(figures)])
    print(text)
    if chosen.write:
        before, rest = chosen.write.read_text(encoding="utf-8").split(START)
        chosen.write.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
