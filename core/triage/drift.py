"""Whether the images that came since an opening look like those that its promise covers. numpy and scipy."""

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray
from core.embeddings.matrix import Matrix
from core.maths.drift import DRIFT_LEVEL, FEWEST_TO_COMPARE, ks_test
from core.wording import counted

DRAWN = 1_000  # images that are compared of each kind: enough to see a difference that matters, and no smaller one
DIRECTIONS = 8  # in which the covered images differ most


@dataclass(frozen=True)
class Drift:
    """Kolmogorov-Smirnov tests between the images that came since and those covered; NaN where there are too few."""

    n_new: int  # that are scored
    scores: tuple[float, float]  # distance and p-value
    embeddings: tuple[float, float]  # of the direction that differs most; its p-value allows for the number of directions

    @property
    def drifted(self) -> bool:
        """Tell whether either test says so."""
        return any(p < DRIFT_LEVEL for _, p in (self.scores, self.embeddings))

    @property
    def sentence(self) -> str:
        """Say it; "" without drift."""
        if not self.drifted:
            return ""
        told = [
            f"{what} by a distance of {distance:.2f} (Kolmogorov-Smirnov, p = {p:.2g})"
            for what, (distance, p) in (("scores", self.scores), ("embeddings", self.embeddings))
            if p < DRIFT_LEVEL
        ]
        return (
            f"The {counted(self.n_new, 'image')} since the opening differ from those that its promise covers: "
            f"{' and '.join(told)}. It need not hold for them: start a new check set on the Operating point page."
        )


def drift_of(scores: FloatArray, frame: int, matrix: Matrix | None, rng: np.random.Generator) -> Drift:
    """Compare the images from row `frame` on with those before it.

    Args:
        scores: (N,) of a frozen model; NaN = not scored.
        matrix: the embeddings of that model, of the first M images; None where they are not what was judged.
    """
    new = frame + np.flatnonzero(~np.isnan(scores[frame:]))
    old = np.flatnonzero(~np.isnan(scores[:frame]))
    some_new, some_old = (rng.permutation(rows)[:DRAWN] for rows in (new, old))
    by_score = ks_test(scores[some_new], scores[some_old])
    if matrix is None or len(new) < FEWEST_TO_COMPARE:
        return Drift(len(new), by_score, (math.nan, math.nan))
    # Directions are found with other images than those that are compared: along them the finders themselves vary most.
    halves = np.array_split(rng.permutation(old)[: 2 * DRAWN], 2)
    finders, covered, came = (matrix.take(np.sort(rows)).astype(np.float64) for rows in (*halves, some_new))
    return Drift(len(new), by_score, _most_different(came, covered, finders))


def _most_different(new: FloatArray, known: FloatArray, finders: FloatArray) -> tuple[float, float]:
    centre = finders.mean(axis=0)
    _, _, directions = np.linalg.svd(finders - centre, full_matrices=False)
    seen = [
        np.column_stack([(x - centre) @ directions[:DIRECTIONS].T, np.linalg.norm(x - centre, axis=1)]) for x in (new, known)
    ]
    found = [ks_test(a, b) for a, b in zip(seen[0].T, seen[1].T, strict=True)]
    distance, p = min(found, key=lambda one: one[1])
    return distance, min(1.0, p * len(found))
