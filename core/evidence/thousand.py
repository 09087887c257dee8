"""Of 1,000 images at a threshold, how many are caught, wrongly reviewed, missed and rightly left up: figures that add up.

Four cells are rounded together: reviewed = caught + false alarms, flagged = caught + missed, and all four are 1,000. What is
counted (reviewed, left up) is rounded first, and the cell of each side that no label estimates takes what is left of it.
"""

import math
from dataclasses import dataclass

from core.evidence.threshold import PointFigures
from core.maths.precision_recall import Range
from core.wording import UNKNOWN

ALL = 1_000
MOST_DECIMALS = 3


@dataclass(frozen=True)
class Cell:
    """One figure out of 1,000, in units of 10 ** -decimals; None where it is not known."""

    value: int | None
    low: int
    high: int
    decimals: int

    @property
    def said(self) -> str:
        """Return the figure in words."""
        return UNKNOWN if self.value is None else _written(self.value, self.decimals)

    @property
    def range_said(self) -> str:
        """Return its range, rounded outwards: "159 to 267"."""
        return f"{_written(self.low, self.decimals)} to {_written(self.high, self.decimals)}"


@dataclass(frozen=True)
class Thousand:
    """What becomes of 1,000 images, rounded so that every sum holds."""

    caught: Cell
    false_alarms: Cell  # reviewed, and not of the flagged class
    missed: Cell
    left_rightly: Cell
    reviewed: Cell  # counted
    left_up: Cell  # counted
    flagged: Cell


def thousand(figures: PointFigures) -> Thousand:
    """Round the outcome of a threshold to figures that add up."""
    reviewed, caught, missed = figures.reviewed_per_1000, figures.caught_per_1000, figures.missed_per_1000
    cells = [reviewed, ALL - reviewed, caught.value, reviewed - caught.value, missed.value, ALL - reviewed - missed.value]
    decimals = _decimals(cells)
    unit = 10**decimals
    n_reviewed = round(reviewed * unit)
    n_left = ALL * unit - n_reviewed
    found, wrong = _split(n_reviewed, caught, decimals)
    lost, right = _split(n_left, missed, decimals)
    known = found.value is not None and lost.value is not None
    flagged = Cell(
        (found.value or 0) + (lost.value or 0) if known else None, found.low + lost.low, found.high + lost.high, decimals
    )
    return Thousand(
        found, wrong, lost, right, Cell(n_reviewed, n_reviewed, n_reviewed, decimals), Cell(n_left, n_left, n_left, decimals),
        flagged,
    )  # fmt: skip


def _split(whole: int, part: Range, decimals: int) -> tuple[Cell, Cell]:
    """Split the units of one side of the threshold into those of the flagged class, and the others."""
    unit = 10**decimals
    low = min(math.floor(part.low * unit + 1e-9), whole)
    high = min(math.ceil(part.high * unit - 1e-9), whole)
    value = None if math.isnan(part.value) else min(max(round(part.value * unit), low), high)
    rest = None if value is None else whole - value
    return Cell(value, low, high, decimals), Cell(rest, whole - high, whole - low, decimals)


def _decimals(cells: list[float]) -> int:
    """Return the fewest decimals that leave the smallest figure two digits, or at least more than nothing."""
    smallest = min((cell for cell in cells if cell > 1e-9), default=float(ALL))
    return next((d for d in range(MOST_DECIMALS) if smallest * 10**d >= (9.95 if d == 0 else 0.95)), MOST_DECIMALS)


def _written(units: int, decimals: int) -> str:
    return f"{units / 10**decimals:,.{decimals}f}"


def thousand_words(figures: PointFigures) -> str:
    """Say the figures in one sentence in which they add up."""
    found = thousand(figures)
    return (
        f"Per 1,000 images, {found.reviewed.said} are reviewed ({found.caught.said} caught and {found.false_alarms.said} false "
        f"alarms) and {found.left_up.said} left up ({found.missed.said} missed and {found.left_rightly.said} rightly left up)."
    )
