"""The table of device functions: how each is called, how far it may be from its CPU twin, and what it must cost at least."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.drill.clock import Cost
from benchmarks.drill.world import DIM, FLAGGED, N_CLASSES, N_LABELS, N_TAKEN, Side
from core.arrays import FloatArray, IntArray
from core.devices import to_device, to_host
from core.embeddings.neighbours import nearest, unit_embeddings
from core.embeddings.products import mean_and_std
from core.embeddings.scores import Scored, fit_and_score, score_images
from core.maths.clustering import Clusters, lloyd
from core.maths.logistic import Probe, fit_probe
from core.maths.neighbours import neighbours
from core.maths.precision_recall import PRCurve, pr_curve_of_many
from core.maths.representatives import LLOYD_STEPS
from core.probe.offered import OFFERED
from core.probe.strategies import POOL_SAMPLE, STRATEGIES, highest

MILLION = 1_000_000
TAKEN, TOP, ALIKE, K, PICKED, QUERIES = 10_000, 1_000, 100, 15, 10, 16
CENTRES = PICKED + N_TAKEN  # of k-means for 10 images beside 100 labelled ones
NEWTON_STEPS = 8  # usual
SCORE_APART = 2e-3  # of the root mean square of the scores
COVERING = ("diverse", "typical")  # strategies that cluster a sample; the others select by score


@dataclass(frozen=True)
class DeviceFunction:
    """One function that runs on both devices."""

    name: str
    call: Callable[[Side], Any]
    apart: Callable[
        [Side, Any, Any], float
    ]  # (the CPU's side, its result, the device's) -> how far apart; NaN is never allowed
    allowed: float
    cost: Callable[[int], Cost]  # of N rows
    timed_at: tuple[int, ...] = (MILLION, 5 * MILLION)
    compared_at: int = 200_000
    small: int = 8_000  # N of the small drill
    most_on_cpu: int = 5 * MILLION
    compared: Callable[[Side], Any] | None = None  # what is compared if not the result of `call`


def relative(expected: FloatArray, found: FloatArray) -> float:
    """Return the largest difference in parts of the expected values' root mean square."""
    wide = np.asarray(expected, np.float64)
    return float(np.abs(wide - found).max() / max(np.sqrt(np.square(wide).mean()), 1e-300))


def missed(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the share of the expected rows, (n, k) or (k,), that were not found in the same line."""
    pairs = zip(np.atleast_2d(expected), np.atleast_2d(found), strict=True)
    return 1 - sum(len(np.intersect1d(a, b)) for a, b in pairs) / expected.size


def arrays(*tensors: torch.Tensor) -> FloatArray:
    """Return tensors as one vector in the machine's memory."""
    return np.concatenate([array.ravel().astype(np.float64) for array in to_host(*tensors)])


# -- calls and comparisons --


def _fit(side: Side) -> Probe:
    world = side.world
    x, given = side.embedded.on_device.take(world.labelled), world.standardisation
    return fit_probe(x, world.codes[world.labelled], flagged_codes=FLAGGED, mean=given.mean, scale=given.scale)


def _probes_apart(_side: Side, expected: Probe, found: Probe) -> float:
    return max(relative(a, b) for a, b in zip(expected.columns(), found.columns(), strict=True))


def _score(side: Side) -> Scored:
    return score_images(side.probe, side.embedded.on_device, n_images=side.world.matrix.rows)


def _scores_apart(side: Side, expected: Scored, found: Scored) -> float:
    """Return how far scores, uncertainties, classes and histogram are apart; infinity if the highest scores are others."""
    score, found_score = to_host(expected.score)[0], to_host(found.score)[0]
    top = min(TOP, len(score) - 1)
    others = np.setdiff1d(np.argpartition(-found_score, top)[:top], np.argpartition(-score, top)[:top])
    least, tie = np.partition(-score, top)[top] * -1, SCORE_APART * np.sqrt(np.square(score).mean())
    if (score[others] < least - tie).any():
        return math.inf
    classes = arrays(expected.predicted) != arrays(found.predicted)
    bins = np.abs(arrays(expected.histogram) - arrays(found.histogram)).sum() / 2
    uncertainty = np.abs(arrays(expected.uncertainty) - arrays(found.uncertainty)).max()
    return max(relative(score, found_score), float(uncertainty), float(classes.mean()), float(bins) / len(score))


def _turn(side: Side) -> tuple[Scored, PRCurve]:
    """Do what follows a label: fit, score all, draw the curve of all, bring what is shown to the machine's memory."""
    world = side.world
    _, scored = fit_and_score(side.embedded, world.codes, world.labelled, flagged_codes=FLAGGED, n_images=world.matrix.rows)
    curve = pr_curve_of_many(scored.score, side.flagged)
    to_host(scored.score, scored.uncertainty, scored.predicted)
    return scored, curve


def _turns_apart(side: Side, expected: tuple[Scored, PRCurve], found: tuple[Scored, PRCurve]) -> float:
    average = abs(expected[1].average_precision - found[1].average_precision)
    return max(_scores_apart(side, expected[0], found[0]), average)


def _curves_apart(_side: Side, expected: PRCurve, found: PRCurve) -> float:
    pairs = [(expected.precision, found.precision), (expected.recall, found.recall), (expected.thresholds, found.thresholds)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def _cluster(side: Side) -> Clusters:
    x = side.embedded.standardised(to_host(side.free[:POOL_SAMPLE])[0])
    return lloyd(x, x[:CENTRES], most_steps=LLOYD_STEPS)


def _suggest(side: Side, strategy: str) -> IntArray:
    return STRATEGIES[strategy].choose(side.pool(), PICKED, np.random.default_rng(0))


def _picks_apart(side: Side, expected: IntArray, found: IntArray) -> float:
    """Compare how well two sets of picks cover the images: the mean distance to the nearest pick, relatively."""
    sample = side.embedded.standardised(to_host(side.free[:TAKEN])[0])
    near = [float(torch.cdist(sample, side.embedded.standardised(picks)).amin(dim=1).mean()) for picks in (expected, found)]
    return abs(near[0] - near[1]) / near[0]


def _like(side: Side) -> IntArray:
    return nearest(side.embedded, side.world.labelled[:QUERIES], ALIKE)


def _neighbours(side: Side) -> torch.Tensor:
    return neighbours(unit_embeddings(side.embedded), K, is_rounded=side.as_on_gpu)[0]


def _neighbours_of_labelled(side: Side) -> torch.Tensor:
    of = to_device(side.world.labelled, side.device)
    return neighbours(unit_embeddings(side.embedded), K, of=of, is_rounded=side.as_on_gpu)[0]


# -- costs --


def _pass(n: int, *, columns: int = 0, out: int = 0) -> Cost:
    """Return the cost of reading all embeddings once, times some columns, and writing some bytes a row."""
    return Cost(n * (2 * DIM + out), 2 * n * DIM * columns)


def _score_cost(n: int) -> Cost:
    return _pass(n, columns=N_CLASSES + 1, out=4 + 4 + 2)


def _fit_cost(_n: int) -> Cost:
    steps = N_CLASSES * NEWTON_STEPS  # the flagged class is one of them
    return Cost(steps * 2 * 8 * N_LABELS * DIM, steps * 2 * N_LABELS * DIM**2)


def _cluster_cost(n: int) -> Cost:
    images = min(n // 2, POOL_SAMPLE)
    return Cost((LLOYD_STEPS + 1) * 4 * images * DIM, (LLOYD_STEPS + 1) * 2 * images * CENTRES * DIM)


def _selection_cost(n: int) -> Cost:
    return Cost(n // 2 * (8 + 4), 0)  # rows and values of the images that may be picked


SUGGESTIONS = tuple(
    DeviceFunction(
        f"{PICKED} suggestions, {name}",
        partial(_suggest, strategy=name),
        _picks_apart,
        2e-2,  # near-equal centres may have another nearest image
        _cluster_cost if name in COVERING else _selection_cost,
        timed_at=(MILLION, 5 * MILLION) if name == "diverse" else (MILLION,),
    )
    for name in OFFERED
    if name != "random"
)
FUNCTIONS = (
    DeviceFunction(
        "mean and scale",
        lambda side: mean_and_std(side.embedded.on_device),
        lambda _side, a, b: relative(arrays(*a), arrays(*b)),
        1e-4,
        _pass,
    ),
    DeviceFunction(
        f"{TAKEN:,} rows, standardised",
        lambda side: side.embedded.standardised(to_host(side.free[:TAKEN])[0]),
        lambda _side, a, b: relative(arrays(a), arrays(b)),
        1e-4,
        lambda n: Cost(min(n, TAKEN) * DIM * (2 + 4), 0),
    ),
    DeviceFunction(f"Newton fit of the labels, {N_CLASSES} classes", _fit, _probes_apart, 1e-6, _fit_cost),
    DeviceFunction("scores, uncertainty, classes, histogram", _score, _scores_apart, SCORE_APART, _score_cost),
    DeviceFunction(
        f"highest {TOP:,} scores of half the images",
        lambda side: highest(side.free, side.score, TOP),
        lambda _side, a, b: missed(arrays(a), arrays(b)),
        0,
        _selection_cost,
    ),
    DeviceFunction(
        "precision-recall curve of all",
        lambda side: pr_curve_of_many(side.score, side.flagged),
        _curves_apart,
        1e-6,
        lambda n: Cost(n * (4 + 1), 0),
    ),
    DeviceFunction("refit of the labels, scores, curve of all", _turn, _turns_apart, SCORE_APART, _score_cost),
    DeviceFunction(
        f"k-means of {POOL_SAMPLE:,}, {CENTRES} centres",
        _cluster,
        lambda _side, a, b: relative(arrays(a.inertia), arrays(b.inertia)),
        1e-3,
        _cluster_cost,
        timed_at=(MILLION,),
    ),
    *SUGGESTIONS,
    DeviceFunction(
        f"more like this: {ALIKE} of all by {QUERIES}",
        _like,
        lambda _side, a, b: missed(a, b),
        0.01,  # one of a hundred, which another one may tie with
        lambda n: _pass(n, columns=QUERIES, out=4),
    ),
    DeviceFunction(
        f"exact {K} nearest neighbours of all",
        _neighbours,
        lambda _side, a, b: missed(*to_host(a), *to_host(b)),
        1e-3,
        lambda n: Cost(n * (2 * DIM + 8 * K), 2 * n * n * DIM),
        timed_at=(MILLION // 50, MILLION // 10, MILLION),
        small=4_000,
        most_on_cpu=MILLION // 50,  # of 100,000 it takes two cores minutes
        compared=_neighbours_of_labelled,
    ),
)
