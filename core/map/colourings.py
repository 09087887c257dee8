"""What the map's colours can show. The verbs that take the workspace may read the catalog, so they belong into a thread."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.arrays import FloatArray, IntArray, NumberArray
from core.catalog.label_book import UNLABELLED
from core.catalog.records import ImageClass
from core.map.clusters import clustering
from core.map.raster import Colouring, ColouringKind
from core.palette import (
    BLUE,
    CLASS_PALETTE,
    CONTINUOUS,
    COPPER,
    DIVERGING,
    ORANGE,
    OTHER,
    PLASMA,
    PURPLE,
    SKY,
    UNLABELLED_COLOUR,
    VERMILION,
)
from core.wording import counted
from core.workspace import Workspace

NAMED = CLASS_PALETTE[:9]  # colours of values with a name of their own: more would not fit the legend
GRAIN = "medium"  # of the clusters that are coloured, where nobody has chosen one
FEW = 12  # different numbers up to which each is a value of its own, as a class number is
SCORE_SPAN = 5.0  # logits: beyond it a probability is within 1% of 0 or 1, and colour shows no more
SPAN = (0.01, 0.99)  # of a column's values, shown by the ends of the colour scale
NO_VALUE = "no value, or sealed"
_NO_CODES, _NO_VALUES = np.array([], np.int16), np.array([], np.float32)


def by_code(codes: IntArray, names: Sequence[str], palette: Sequence[str], *, rest: str = "") -> Colouring:
    """Colour points by a code each.

    Args:
        codes: (N,) positions in `names`, -1 = none.
        palette: as many colours as names.
        rest: what those without a code are called.
    """
    return Colouring(
        ColouringKind.CATEGORICAL,
        np.asarray(codes, np.int16),
        _NO_VALUES,
        tuple(palette),
        UNLABELLED_COLOUR,
        tuple(names),
        low=0.0,
        high=1.0,
        rest=rest,
    )


def by_value(
    values: NumberArray, low: float, high: float, palette: Sequence[str], *, rest: str = "", marks: Sequence[str] = ()
) -> Colouring:
    """Colour points by a value each, (N,) with NaN where there is none."""
    return Colouring(
        ColouringKind.CONTINUOUS,
        _NO_CODES,
        values.astype(np.float32, copy=False),
        tuple(palette),
        UNLABELLED_COLOUR,
        (),
        low=low,
        high=high,
        rest=rest,
        marks=tuple(marks),
    )


def unread(n: int) -> Colouring:
    """Return what n points are drawn in while a thread reads what their colours show."""
    return by_code(np.full(n, -1, np.int16), (), (), rest="reading…")


def by_class(codes: IntArray, classes: Sequence[ImageClass]) -> Colouring:
    """Colour points by classes, (N,) int16 codes; it is asked for after every label, so nothing is worked out."""
    return by_code(codes, [c.name for c in classes], [c.colour for c in classes])


def by_score(score: FloatArray) -> Colouring:
    """Colour points by the probe's logit of flagged: two directions from even odds."""
    return by_value(score, -SCORE_SPAN, SCORE_SPAN, DIVERGING)


def by_uncertainty(uncertainty: FloatArray) -> Colouring:
    """Colour points by uncertainty in [0, 1]."""
    return by_value(uncertainty, 0.0, 1.0, PLASMA)


def by_column(values: NumberArray) -> Colouring:
    """Colour points by numbers of an unknown scale, from the lowest hundredth to the highest, (N,) with NaN for none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return by_value(values, 0.0, 1.0, CONTINUOUS)
    low, high = np.quantile(known, SPAN)
    if low == high:
        low, high = known.min(), known.max()
    return by_value(values, float(low), float(high), CONTINUOUS)


def by_disagreement(workspace: Workspace) -> Colouring:
    """Colour labelled images by whether the probe predicts their class; sealed check images show nothing of it."""
    labels, fitted = workspace.labels.codes, workspace.fitted
    codes = np.full(workspace.n_images, -1, np.int16)
    if fitted is not None:
        n = len(fitted.predicted)
        both = (labels[:n] != UNLABELLED) & (fitted.predicted != UNLABELLED) & ~workspace.sealed[:n]
        codes[:n][both] = (labels[:n] != fitted.predicted)[both]
    return by_code(codes, ("model agrees", "model disagrees"), (SKY, VERMILION), rest="not compared")


def by_half(workspace: Workspace) -> Colouring:
    """Colour images by the half they are in."""
    return by_code(
        np.where(workspace.removed, -1, workspace.is_check).astype(np.int16),
        ("teach", "check"),
        (BLUE, ORANGE),
        rest="in neither",
    )


def by_copies(workspace: Workspace) -> Colouring:
    """Colour the images that have a near-duplicate in the workspace."""
    codes = np.full(workspace.n_images, -1, np.int16)
    codes[workspace.columns.with_copies] = 0
    return by_code(codes, ("has near-duplicates",), (PURPLE,), rest="has none")


def by_cluster(workspace: Workspace, grain: str = GRAIN) -> Colouring:
    """Colour images by the clusters of the current map, the largest by name.

    Args:
        grain: a key of `GRAINS`.
    """
    found = clustering(workspace, grain)
    if found is None:
        return by_code(np.full(workspace.n_images, -1, np.int16), (), (), rest="no clusters were found yet")
    codes, names, palette = _most_frequent(found.codes, found.names, "cluster")
    return by_code(codes, names, palette, rest="in no cluster")


def by_time(seconds: FloatArray) -> Colouring:
    """Colour images by a time each, (N,) float64 seconds since 1970 UTC with NaN where none is known."""
    known = seconds[np.isfinite(seconds)]
    oldest, newest = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    times = [dt.datetime.fromtimestamp(at, dt.UTC).isoformat() for at in (oldest, (oldest + newest) / 2, newest)]
    marks = () if not len(known) else times[:1] if oldest == newest else times
    since = seconds - oldest  # float32 has no seconds left of the years since 1970
    found = by_value(since, 0.0, newest - oldest, COPPER, rest="not known when", marks=marks)
    return replace(found, marks_are_times=bool(marks))


def by_gold(workspace: Workspace, column: str) -> Colouring:
    """Colour images by a column that came with them: numbers on a scale, else the most frequent values.

    It may hold the answers, so sealed check images show nothing of it.
    """
    images, sealed = workspace.catalog.images, workspace.sealed
    counts, n_different, are_numbers = images.gold_most(column, len(NAMED) + 1)
    if are_numbers and n_different > FEW:
        values = _spread(workspace, *images.gold_numbers(column))
        values[sealed] = np.nan
        return replace(by_column(values), rest=NO_VALUE)
    shown = list(counts)[: len(NAMED)]
    codes = np.full(workspace.n_images, -1, np.int16)
    names, palette = list(shown), list(NAMED[: len(shown)])
    if n_different > len(shown):
        codes[workspace.among(images.with_gold(column))] = len(shown)
        names, palette = [*names, f"other ({counted(n_different - len(shown), 'value')})"], [*palette, OTHER]
    for code, rows in enumerate(images.gold_rows(column, shown).values()):
        codes[workspace.among(rows)] = code
    codes[sealed] = -1
    return by_code(codes, names, palette, rest=NO_VALUE)


def _spread(workspace: Workspace, rows: IntArray, values: FloatArray) -> FloatArray:
    """Return (N,) float64 with the values at their rows, NaN elsewhere."""
    found = np.full(workspace.n_images, np.nan)
    here = rows < len(found)
    found[rows[here]] = values[here]
    return found


def _most_frequent(codes: IntArray, names: Sequence[str], what: str) -> tuple[IntArray, list[str], list[str]]:
    """Keep as many values as there are colours, the most frequent ones; the rest become one.

    Args:
        codes: (N,) positions in `names`, -1 = none.
        what: one of them is called.
    Returns:
        new codes (N,) int16, their names, their colours.
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    kept = order[: len(NAMED)]
    table = np.full(len(names) + 1, len(kept), np.int16)
    table[kept] = np.arange(len(kept))
    table[-1] = -1
    shown, palette = [names[code] for code in kept], list(NAMED[: len(kept)])
    if len(names) > len(kept):
        shown, palette = [*shown, f"other ({counted(len(names) - len(kept), what)})"], [*palette, OTHER]
    return table[codes], shown, palette
