"""The legend: classes with colour, count and key, or a colour scale. Not named Legend: pmui would restyle it and break."""

from collections.abc import Collection, Mapping
from typing import TypedDict

import panel as pn
import param

from core.map.raster import Colouring, ColouringKind
from core.wording import short
from dashboard.views.components.source import source


class Entry(TypedDict):
    """A class in the legend, or what has none."""

    code: int  # -1 = no class
    name: str
    colour: str
    count: int
    key: str  # that labels it; "" = none
    flagged: bool
    retired: bool  # it keeps its labels and takes no more


class Scale(TypedDict, total=False):
    """A colour scale; empty = none."""

    colours: list[str]  # from low to high
    marks: list[str]  # words at even distances along it, low to high
    missing: str  # colour of images without a value
    missing_name: str


class Legend(TypedDict):
    """What a `ClassList` shows: entries or a scale."""

    entries: list[Entry]
    scale: Scale


class ClassList(pn.custom.JSComponent):
    """Rows that hide and show. A click (Space) hides or shows a class; a double click (Enter) shows it alone, or all."""

    entries: list[Entry] = param.List(default=[], item_type=dict, doc="From top to bottom.")
    scale: Scale = param.Dict(default={}, doc="Instead of entries.")
    hidden = param.List(default=[], item_type=int, doc="Codes that are off.")

    _esm = source("class_list.js")
    _stylesheets = [source("class_list.css")]


def legend_of(
    colouring: Colouring,
    keys: Mapping[str, str],
    rest: str,
    ends: tuple[str, ...] | None = None,
    flagged: Collection[str] = (),
    counts: Mapping[int, int] | None = None,
) -> Legend:
    """Return `entries` and `scale` of a `ClassList` for a colouring: `class_list.param.update(**legend_of(...))`.

    Args:
        keys: class name -> the key that labels it; "" for a retired class.
        rest: what images without a class or a value are called.
        flagged: names of the classes that the operating point must catch; the legend says so.
        ends: words along a scale, from low to high; if None, its own, or else three figures.
        counts: images by code where not all are shown.
    """
    if colouring.kind == ColouringKind.CONTINUOUS:
        low, high = colouring.low, colouring.high
        figures = (f"≤ {short(low)}", short((low + high) / 2), f"≥ {short(high)}")
        scale = Scale(
            colours=list(colouring.palette),
            marks=list(ends or colouring.marks or figures),
            missing=colouring.unlabelled,
            missing_name=colouring.rest or rest,
        )
        return {"entries": [], "scale": scale}
    counts = colouring.counts() if counts is None else counts
    entries = [
        Entry(
            code=code,
            name=name,
            colour=colour,
            count=counts[code],
            key=keys.get(name, ""),
            flagged=name in flagged,
            retired=keys.get(name) == "",
        )
        for code, (name, colour) in enumerate(zip(colouring.names, colouring.palette, strict=True))
    ]
    if counts[-1] or not colouring.rest:
        name = colouring.rest or rest
        entries.append(
            Entry(code=-1, name=name, colour=colouring.unlabelled, count=counts[-1], key="", flagged=False, retired=False)
        )
    return {"entries": entries, "scale": {}}
