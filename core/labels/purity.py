"""Bound the purity of a bulk label from a few of its images, and tell whether a selection looks mixed."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.arrays import FloatArray, IntArray
from core.errors import InputError
from core.wording import verb

ALPHA = 0.05  # the bound holds with 95% confidence
SEPARATION = 4.6  # Ashman's D of the best cut in two: single clusters of the demo and of photos reach 4.4 at most
SEEN = 2_000  # images of a selection used to find the cut


@lru_cache(maxsize=4_096)
def least_right(n_images: int, n_spot_checked: int, n_right: int, *, alpha: float = ALPHA) -> int:
    """Return the exact one-sided (1 - alpha) lower limit of the number of right images in a finite set.

    Args:
        n_images: N, images in the set.
        n_spot_checked: images spot-checked, drawn at random without replacement.
        n_right: right ones among those.
    Returns:
        the smallest K with P(X >= n_right) > alpha, where X is hypergeometric (N images, K right, n_spot_checked drawn).
    Raises:
        InputError: if the numbers contradict each other.
    Source: Buonaccorsi 1987 (exact limits for a finite population by inverting the hypergeometric test).
    """
    if not 0 <= n_right <= n_spot_checked <= n_images:
        raise InputError(
            f"Got {n_right} right of {n_spot_checked} spot-checked of {n_images} images; none may exceed the next."
        )
    from scipy.stats import hypergeom

    low, high = n_right, n_images - (n_spot_checked - n_right)  # the spot-checked images allow no fewer and no more
    while low < high:  # the probability of at least n_right rises with K
        middle = (low + high) // 2
        if hypergeom.sf(n_right - 1, n_images, middle, n_spot_checked) > alpha:
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True)
class Purity:
    """What the spot-checked images prove about a whole bulk label."""

    class_name: str
    n_images: int
    n_spot_checked: int  # drawn at random
    n_right: int  # of those

    @property
    def least(self) -> int:
        """Return the least number of right images, with 95% confidence; exact once all were spot-checked."""
        return least_right(self.n_images, self.n_spot_checked, self.n_right)

    @property
    def percent(self) -> int:
        """Return `least` as whole percent of the images, rounded down."""
        return 100 * self.least // self.n_images

    @property
    def sentence(self) -> str:
        """State the bound."""
        if not self.n_spot_checked:
            if self.n_images == 1:
                return f"the one '{self.class_name}' image was not spot-checked."
            return f"none of the {self.n_images:,} '{self.class_name}' images was spot-checked."
        if self.n_spot_checked == self.n_images:
            return f"all were spot-checked: {self.n_right:,} of {self.n_images:,} are '{self.class_name}'."
        sure = f"({self.least:,} of {self.n_images:,}, 95% sure)"
        seen = f"{self.n_right} of {self.n_spot_checked} spot-checked {verb(self.n_spot_checked, 'is', 'are')}"
        return f"at least {self.percent}% '{self.class_name}' {sure}: {seen}."

    def after(self, more: int) -> "Purity":
        """Return the purity after a spot check of `more` images, if all of them are right."""
        more = min(more, self.n_images - self.n_spot_checked)
        return Purity(self.class_name, self.n_images, self.n_spot_checked + more, self.n_right + more)


def split_in_two(x: FloatArray, *, rng: np.random.Generator) -> IntArray | None:
    """Find the smaller part of a selection that splits into two groups.

    Args:
        x: (N, D) embeddings.
    Returns:
        (K,) int64 positions of the smaller part, farthest from the larger first; None if there is one group.
    Source: 2-means; Ashman's D on the line through both centres (Ashman, Bird & Zepf 1994).
    """
    from sklearn.cluster import KMeans

    seen = x if len(x) <= SEEN else x[rng.choice(len(x), SEEN, replace=False)]
    centres = KMeans(2, n_init=4, random_state=int(rng.integers(2**31))).fit(seen).cluster_centers_
    line = centres[1] - centres[0]
    along = (x - centres.mean(axis=0)) @ line
    sides = along[along < 0], along[along >= 0]
    spread = np.sqrt(sum(side.var() for side in sides) / 2) if all(map(len, sides)) else 0.0
    if not spread or abs(sides[1].mean() - sides[0].mean()) / spread < SEPARATION:
        return None
    smaller = along >= 0 if len(sides[1]) <= len(sides[0]) else along < 0
    odd = np.flatnonzero(smaller)
    return odd[np.argsort(-np.abs(along[odd]), kind="stable")]
