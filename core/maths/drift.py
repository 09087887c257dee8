"""Whether new values are distributed as known ones. numpy and scipy."""

import math

import numpy as np

from core.arrays import FloatArray

DRIFT_LEVEL = 0.01  # p-value below which they are not
FEWEST_TO_COMPARE = 20  # values; with fewer the test passes nearly everything


def ks_test(new: FloatArray, known: FloatArray) -> tuple[float, float]:
    """Return distance and p-value of the two-sample Kolmogorov-Smirnov test; NaN with fewer than `FEWEST_TO_COMPARE` new ones.

    Args:
        new: (n,) finite.
        known: (m,) finite, or quantiles of more.
    """
    from scipy.stats import ks_2samp

    if len(new) < FEWEST_TO_COMPARE or not len(known):
        return math.nan, math.nan
    found = ks_2samp(np.asarray(new, np.float64), np.asarray(known, np.float64))
    return float(found.statistic), float(found.pvalue)
