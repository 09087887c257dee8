"""Which images are asked for next in Review, and which of them are drawn at random. Numpy only; arrays of N images in.

While a point is in force, two random samples grow beside the queue: of what it flags, for its precision, and of what it leaves
up, for what it misses. An image's place in them is a random number of its own, so a sample of n is the n images with the
lowest ones, whatever the order in which people answer. How many are drawn depends on how many were answered, never on what.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.reviews import Draw


class Side(StrEnum):
    """The two sides of a threshold."""

    FLAGGED = "flagged"  # at or above: people look at these
    LEFT = "left"  # below: left up


class Order(StrEnum):
    """In which order flagged images are asked for."""

    NEWEST = "newest first"
    HIGHEST = "highest score first"


EVERY: dict[Side, int] = {Side.LEFT: 20, Side.FLAGGED: 5}  # one of so many answers is of the random sample of that side


@dataclass(frozen=True, eq=False)
class Pool:
    """What the next images are chosen from."""

    scores: FloatArray  # (N,); NaN = not scored yet
    threshold: float
    open: BoolArray  # (N,) nobody has decided on it
    frame: BoolArray  # (N,) the samples are drawn from these: no action had named them when the point came into force
    lots: FloatArray  # (N,) in [0, 1), the random number of each image (`lots`)
    draws: Sequence[Draw]  # until now
    n_answers: int  # until now
    seed: int

    def side(self, side: Side) -> BoolArray:
        """Return which images are on a side, (N,)."""
        return self.scores >= self.threshold if side == Side.FLAGGED else self.scores < self.threshold


@dataclass(frozen=True)
class Next:
    """The next images."""

    rows: list[int]
    drawn: list[Draw]  # new ones; some are decided already and are not asked for


def lots(numbers: FloatArray, seed: int) -> FloatArray:
    """Return random numbers in [0, 1) that belong to images and a seed, (N,) float64.

    Args:
        numbers: (N,) float64, the permanent random number of every image.
    Source: the finaliser of SplitMix64, Steele, Lea & Flood 2014.
    """
    with np.errstate(over="ignore"):
        z = np.ascontiguousarray(numbers, np.float64).view(np.uint64) + np.uint64(seed % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def due(n: int, every: int, seed: int) -> int:
    """Return how many of the first n answers belong to a sample: one of every so many, at a place that nobody can foresee."""
    block, rest = divmod(n, every)
    return block + (rest > random.Random(f"{seed}/{every}/{block}").randrange(every))


def waiting(pool: Pool, order: Order, without: Collection[int] = ()) -> IntArray:
    """Return the flagged images that nobody has decided on, (K,) int64, in their order."""
    free = pool.side(Side.FLAGGED) & pool.open
    free[list(without)] = False
    rows = np.flatnonzero(free)[::-1]
    return rows[np.argsort(-pool.scores[rows], kind="stable")] if order == Order.HIGHEST else rows


def next_rows(pool: Pool, n: int, order: Order, *, without: Collection[int] = (), ahead: int = 0) -> Next:
    """Choose the next images, at most n.

    Args:
        without: rows not to ask for: they are asked for already, here or elsewhere.
        ahead: how many images are asked for before these, and not answered yet.
    """
    known, drawn, rows = {draw.row for draw in pool.draws}, list[Draw](), list[int]()
    made = {side: sum(draw.side == side for draw in pool.draws) for side in Side}
    fresh = {side: iter(_lowest(pool, side, known, n)) for side in EVERY}
    asked = set(without)
    pending = [draw.row for draw in pool.draws if pool.open[draw.row] and draw.row not in asked]
    queue = iter(waiting(pool, order, {*asked, *pending})[: 2 * n].tolist())

    def next_draw(place: int) -> int | None:
        for side, every in EVERY.items():
            while made[side] < due(place, every, pool.seed) and (row := next(fresh[side], None)) is not None:
                made[side] += 1
                drawn.append(Draw(side, row))
                if pool.open[row] and row not in asked:
                    return row
        return None

    ordered = next(queue, None)
    for place in range(pool.n_answers + ahead + 1, pool.n_answers + ahead + n + 1):
        if not pending and ordered is None:
            break
        drawn_row = pending.pop(0) if pending else next_draw(place)
        row = ordered if drawn_row is None else drawn_row
        if row is None:
            break
        asked.add(row)
        rows.append(row)
        while ordered is not None and ordered in asked:
            ordered = next(queue, None)
    return Next(rows, drawn)


def _lowest(pool: Pool, side: Side, drawn: Collection[int], n: int) -> list[int]:
    """Return the images of a side that are drawn next, at most n, the lowest random number first."""
    free = pool.side(side) & pool.frame
    free[list(drawn)] = False
    rows = np.flatnonzero(free)
    if len(rows) > n:
        rows = rows[np.argpartition(pool.lots[rows], n)[:n]]
    return rows[np.argsort(pool.lots[rows])].tolist()
