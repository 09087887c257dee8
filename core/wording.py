"""Numbers in sentences: counts that agree with their nouns, shares never rounded to 0% or 100%. Standard library only."""

import math
from collections.abc import Sequence

UNKNOWN = "not known"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Format a count with its noun: "1 image", "2 images", "1,000 images".

    Args:
        plural: if it is not the noun with an s.
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def verb(n: int, one: str = "is", several: str = "are") -> str:
    """Return the verb that agrees with a count: "1 image is", "2 images are"."""
    return one if n == 1 else several


def either(things: Sequence[str]) -> str:
    """Join alternatives: "a", "a or b", "a, b or c"."""
    return " or ".join([", ".join(things[:-1]), things[-1]]) if len(things) > 1 else "".join(things)


def percent(share: float, *, down: bool = False, up: bool = False) -> str:
    """Format a share as a percentage with two or three digits, rounded to nearest, down or up; NaN is "not known".

    Rounded to nearest, only 1 becomes 100% and only 0 becomes 0%.
    """
    if math.isnan(share):
        return UNKNOWN
    if share in (0, 1):
        return f"{share:.0%}"
    x = 100 * share
    decimals = 0 if 9.95 <= x <= 99 else 1 if x >= 0.995 else 2 if x >= 0.0995 else 3
    rounded = _rounded(x, decimals, most=100, down=down, up=up)
    return "100%" if rounded >= 100 else "0%" if rounded <= 0 else f"{rounded:.{decimals}f}%"


def fraction(share: float, *, down: bool = False, up: bool = False) -> str:
    """Format a share as a number with three decimals, rounded as by `percent`."""
    if math.isnan(share):
        return UNKNOWN
    if share in (0, 1):
        return f"{share:.3f}"
    return f"{_rounded(share, 3, most=1, down=down, up=up):.3f}"


def _rounded(x: float, decimals: int, *, most: int, down: bool, up: bool) -> float:
    scale = 10**decimals
    if down:
        return math.floor(x * scale + 1e-9) / scale
    if up:
        return math.ceil(x * scale - 1e-9) / scale
    return min(max(round(x * scale), 1), most * scale - 1) / scale


def target(share: float) -> str:
    """Format a share that a person has set as a percentage with all its digits: 0.995 is 99.5%."""
    return f"{100 * share:.4g}%"


def signed(x: float, decimals: int = 2) -> str:
    """Format a number with its sign; a number that rounds to zero has none."""
    text = f"{x:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text


def short(x: float) -> str:
    """Write a number of any size in a few digits, as "0.0123", "1952", "12,500" or "1.2e+06"."""
    return (f"{x:.0f}" if abs(x) < 10_000 else f"{x:,.0f}") if 1_000 <= abs(x) < 100_000 else f"{x:.3g}"


def between(low: float, high: float) -> str:
    """Format a range of shares as percentages, rounded outwards: "51% to 62%"."""
    return f"{percent(low, down=True)} to {percent(high, up=True)}"


def percents(value: float, low: float, high: float) -> str:
    """Format a share with its range as percentages: "56% (51% to 62%)"."""
    return f"{percent(value)} ({between(low, high)})"


def ranged(value: float, low: float, high: float) -> str:
    """Format a share with its range, which is rounded outwards: "0.912 (0.850 to 0.951)"."""
    return f"{fraction(value)} ({fraction(low, down=True)} to {fraction(high, up=True)})"


def changed(value: float, low: float, high: float) -> str:
    """Format a difference of shares with its range, which is rounded outwards; a range without width is none.

    Resampling gives such a range where no resample differs: it saw too little, not that the difference is exact.
    """
    if not low < high:
        return f"{signed(value, 3)} (too few labels for a range)"
    least, most = math.floor(low * 1_000 + 1e-9) / 1_000, math.ceil(high * 1_000 - 1e-9) / 1_000
    return f"{signed(value, 3)} ({signed(least, 3)} to {signed(most, 3)})"


def per_thousand(x: float, *, down: bool = False, up: bool = False) -> str:
    """Format a number out of 1,000, rounded to nearest, down or up: integers from ten on, tenths below."""
    if math.isnan(x):
        return UNKNOWN
    scale = 10 if 0 < x < 9.95 else 1
    whole = math.floor(x * scale + 1e-9) if down else math.ceil(x * scale - 1e-9) if up else round(x * scale)
    return f"{whole / scale:.1f}" if scale > 1 else f"{whole:,}"
