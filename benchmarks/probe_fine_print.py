"""Measure what could lift few-label results without another encoder, against the product's probe, seed by seed.

python -m benchmarks.photo_sets --photos photos72-a.tar --caltech caltech99-128.tar --out FOLDER
python -m benchmarks.probe_fine_print FOLDER assets/msn-tiny-64.safetensors

Pictures, classes, halves and seeds are those of benchmarks.photo_quality; labels are chosen by `core.study.simulate` as the
product chooses them, with each variant's own probe. A variant has other features, another fit, or both. Intervals are 95%
(Student's t over the seeds) of the paired difference from the product's probe.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from benchmarks.photo_quality import BUDGETS, SEEDS, STRATEGY, TASKS, in_class, standardised
from benchmarks.photo_sets import HeldOut, load_held_out
from core.encoders.vit import Architecture, load_backbone, normalise, read_tensors
from core.maths.logistic import fit_logistic
from core.study.simulate import Fit, Simulation

BATCH = 64
BLOCKS = 4  # last blocks whose class tokens are averaged
NEIGHBOURS = 10
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # values of C that the marginal likelihood chooses from
EM_STEPS = 50
PRODUCT = "standardised, C = 1 (the product)"

Outcome = dict[tuple[str, str, str], list[float]]  # by set, class and figure; one value per seed


@dataclass(frozen=True)
class Raw:
    """What a network gives for the N pictures of a set, before any scaling; each (N, D) float32."""

    cls: np.ndarray  # class token
    mirrored: np.ndarray  # class token of the mirror image
    patches: np.ndarray  # mean of the patch tokens
    blocks: np.ndarray  # mean of the class tokens of the last blocks, each after the last norm


@dataclass(frozen=True)
class Variant:
    """Another way from a network's outputs to a probe."""

    features: Callable[[Raw], np.ndarray] = field(default=lambda raw: standardised(raw.cls))  # (N, D) float32
    fit: Callable[[np.ndarray], Fit] = field(default=lambda _x: fit_logistic)  # from the set's features


def unit(x: np.ndarray) -> np.ndarray:
    """Scale rows to the length that standardised rows have on average, the square root of D."""
    return (x * np.sqrt(x.shape[1]) / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def whitened(x: np.ndarray, shrink: float) -> np.ndarray:
    """Whiten standardised features by their correlations, shrunk towards the identity (1 changes nothing)."""
    values, vectors = np.linalg.eigh(np.corrcoef(x.T.astype(np.float64)))
    scale = 1 / np.sqrt((1 - shrink) * np.clip(values, 0, None) + shrink)
    return (x @ (vectors * scale) @ vectors.T).astype(np.float32)


def smoothed(x: np.ndarray) -> np.ndarray:
    """Average each row with the mean of its nearest rows (cosine), labelled or not."""
    rows = torch.nn.functional.normalize(torch.from_numpy(x), dim=1)
    near = (rows @ rows.T).fill_diagonal_(-2).topk(NEIGHBOURS, dim=1).indices.numpy()
    return standardised((x + x[near].mean(axis=1)) / 2)


def beside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Put two kinds of features beside each other, with the length of one."""
    return np.concatenate([standardised(first), standardised(second)], axis=1) / np.float32(np.sqrt(2))


def fit_by_evidence(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit with the C of the largest marginal likelihood (Laplace's approximation; MacKay 1992)."""
    products, best, found = x @ x.T, -np.inf, fit_logistic(x, y)
    for c in STRENGTHS:
        weights, bias = fit_logistic(x, y, c=c)
        logits = x @ weights + bias
        p = 1 / (1 + np.exp(-logits))
        curvature = np.sqrt(p * (1 - p))
        spread = np.eye(len(x)) + c * curvature[:, None] * products * curvature
        evidence = (y * logits - np.logaddexp(0, logits)).sum() - weights @ weights / (2 * c) - np.linalg.slogdet(spread)[1] / 2
        if evidence > best:
            best, found = evidence, (weights, bias)
    return found


def fit_by_budget(x: np.ndarray, y: np.ndarray, *, power: float) -> tuple[np.ndarray, float]:
    """Fit with C = (n / 10) ** power: 1 with the first 10 labels."""
    return fit_logistic(x, y, c=(len(x) / 10) ** power)


def fit_to_share(x: np.ndarray, y: np.ndarray, *, everything: np.ndarray) -> tuple[np.ndarray, float]:
    """Move the intercept to the share of flagged images that the scores of all images imply (EM; Saerens et al. 2002).

    The order of scores stays, but other images are uncertain, so that others are labelled next.
    """
    weights, bias = fit_logistic(x, y)
    p = 1 / (1 + np.exp(-(everything @ weights + bias)))
    learned = share = float(y.mean())
    for _ in range(EM_STEPS):
        odds = share / learned * p
        share = float(np.clip((odds / (odds + (1 - share) / (1 - learned) * (1 - p))).mean(), 1e-3, 1 - 1e-3))
    return weights, bias + float(np.log(share / (1 - share)) - np.log(learned / (1 - learned)))


def with_c(c: float) -> Variant:
    """Return the product's probe with another C."""
    return Variant(fit=lambda _x: partial(fit_logistic, c=c))


VARIANTS: dict[str, Variant] = {
    PRODUCT: Variant(),
    "C = 0.01": with_c(0.01),
    "C = 0.1": with_c(0.1),
    "C = 10": with_c(10.0),
    "C = 10 / n": Variant(fit=lambda _x: partial(fit_by_budget, power=-1.0)),
    "C by marginal likelihood": Variant(fit=lambda _x: fit_by_evidence),
    "C = 1 / sqrt(n / 10)": Variant(fit=lambda _x: partial(fit_by_budget, power=-0.5)),
    "L2-normalised": Variant(lambda raw: unit(raw.cls)),
    "centred, then L2-normalised": Variant(lambda raw: unit(raw.cls - raw.cls.mean(axis=0))),
    "centred, then L2-normalised, C = 10 / n": Variant(
        lambda raw: unit(raw.cls - raw.cls.mean(axis=0)), lambda _x: partial(fit_by_budget, power=-1.0)
    ),
    "standardised, then L2-normalised": Variant(lambda raw: unit(standardised(raw.cls))),
    "standardised, then L2-normalised, C = 0.1": Variant(
        lambda raw: unit(standardised(raw.cls)), lambda _x: partial(fit_logistic, c=0.1)
    ),
    "whitened, shrunk by 0.9": Variant(lambda raw: whitened(standardised(raw.cls), 0.9)),
    "whitened, shrunk by 0.5": Variant(lambda raw: whitened(standardised(raw.cls), 0.5)),
    "whitened, shrunk by 0.1": Variant(lambda raw: whitened(standardised(raw.cls), 0.1)),
    f"class tokens of the last {BLOCKS} blocks, averaged": Variant(lambda raw: standardised(raw.blocks)),
    "mean of the patch tokens": Variant(lambda raw: standardised(raw.patches)),
    "class token and mean of the patch tokens": Variant(lambda raw: beside(raw.cls, raw.patches)),
    "class token and mean of the patch tokens, C = 10 / n": Variant(
        lambda raw: beside(raw.cls, raw.patches), lambda _x: partial(fit_by_budget, power=-1.0)
    ),
    "two views (mirrored), averaged": Variant(lambda raw: standardised(raw.cls + raw.mirrored)),
    f"averaged with {NEIGHBOURS} neighbours (transductive)": Variant(lambda raw: smoothed(standardised(raw.cls))),
    "share of flagged images by EM (transductive)": Variant(fit=lambda x: partial(fit_to_share, everything=x)),
}


@torch.inference_mode()
def embed(file: Path, pixels: np.ndarray) -> Raw:
    """Embed pictures, (N, 3, S, S) uint8, with a weights file of ours."""
    meta, tensors = read_tensors(file)
    shape = Architecture.from_json(meta["architecture"])
    vit = load_backbone(tensors, shape, name=str(file))

    def batches() -> Iterator[list[torch.Tensor]]:
        for block in torch.from_numpy(pixels).split(BATCH):
            images = normalise(block.float() / 255, shape)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                layers = vit.get_intermediate_layers(images, n=BLOCKS, return_prefix_tokens=True, norm=True)
                mirrored = vit(images.flip(-1))
            patches, prefix = layers[-1]
            tokens = torch.stack([prefix[:, 0] for _, prefix in layers])
            yield [part.float() for part in (prefix[:, 0], mirrored, patches.mean(dim=1), tokens.float().mean(dim=0))]

    return Raw(*(torch.cat(parts).numpy() for parts in zip(*batches(), strict=True)))


def measure(variant: Variant, raws: dict[str, Raw], sets: dict[str, HeldOut], *, seeds: int) -> Outcome:
    """Simulate labelling on every task and seed."""
    found: Outcome = {}
    for title, held in sets.items():
        x = variant.features(raws[title])
        fit = variant.fit(x)
        for name, items in TASKS[title].items():
            flagged = in_class(held.items, items)
            for seed in range(seeds):
                for line in Simulation(x, flagged, held.groups, seed=seed, most=len(x), fit=fit).run(STRATEGY, BUDGETS):
                    found.setdefault((title, name, f"AP {line['budget']}"), []).append(line["average_precision"])
                found.setdefault((title, name, "P at 90% recall"), []).append(line["precision_at_recall"])
    return found


def interval(apart: np.ndarray) -> tuple[float, float]:
    """Return the mean of paired differences, one per seed, and the half-width of its 95% interval."""
    error = apart.std(ddof=1) / np.sqrt(len(apart))
    return float(apart.mean()), float(student.ppf(0.975, len(apart) - 1) * error)


def lines_of(name: str, found: Outcome, product: Outcome) -> list[str]:
    """Return the cells of one variant: the mean over tasks of each figure, and how many tasks it lifts or lowers for sure."""
    cells = []
    for figure in sorted({key[2] for key in found}, key=lambda title: (title[0] != "A", len(title))):
        keys = [key for key in found if key[2] == figure]
        mean = np.mean([found[key] for key in keys])
        if name == PRODUCT:
            cells.append(f"{mean:.4f}")
            continue
        each = {key: np.subtract(found[key], product[key]) for key in keys}
        by, width = interval(np.mean(list(each.values()), axis=0))
        sure = [middle / half if half else 0.0 for middle, half in map(interval, each.values())]
        counts = f"{sum(s > 1 for s in sure)} up, {sum(s < -1 for s in sure)} down"
        cells.append(f"{mean:.4f} ({by:+.4f} ± {width:.4f}; {counts})")
    return cells


def main() -> None:
    """Print a row of the table as soon as a variant is measured."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("folder", type=Path, help="written by benchmarks.photo_sets")
    ask.add_argument("weights", type=Path, help="a weights file of ours")
    ask.add_argument("--seeds", type=int, default=SEEDS)
    ask.add_argument("--only", nargs="+", default=list(VARIANTS), help="names of variants; the product's is always measured")
    chosen = ask.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # k-means; on a busy machine its threads wait for each other
    sets = load_held_out(chosen.folder)
    raws = {title: embed(chosen.weights, held.pixels) for title, held in sets.items()}
    n_tasks = sum(len(tasks) for tasks in TASKS.values())
    print(f"{chosen.weights.stem}, {n_tasks} tasks, {chosen.seeds} seeds; in brackets the paired difference, its 95% interval,")
    print("and the tasks that are better or worse by more than their own interval\n")
    print("| variant | AP, 10 labels | AP, 100 labels | P at 90% recall, 100 labels | CPU s |\n| --- | --- | --- | --- | --- |")
    product: Outcome = {}
    for name in [PRODUCT, *(name for name in chosen.only if name != PRODUCT)]:
        since = time.process_time()
        found = measure(VARIANTS[name], raws, sets, seeds=chosen.seeds)
        product = product or found
        print(f"| {name} | {' | '.join(lines_of(name, found, product))} | {time.process_time() - since:.0f} |", flush=True)


if __name__ == "__main__":
    main()
