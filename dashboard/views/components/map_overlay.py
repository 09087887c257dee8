"""Drawn over the map: the tip with the picture under the mouse, and the facts that tests read. Text is set as text."""

from typing import TypedDict

import panel as pn
import param

from dashboard.views.components.source import source


class Tip(TypedDict, total=False):
    """The picture and the words at the mouse; empty = no tip."""

    id: str  # of the image
    lines: list[str]
    x: float  # px from the map's top left
    y: float


class MapOverlay(pn.custom.JSComponent):
    """A layer that lets the mouse through."""

    tip: Tip = param.Dict(default={}, doc="At the mouse.")
    view = param.String(default="blurred", doc="Privacy view of the tip's picture.")
    facts: dict[str, str | int] = param.Dict(default={}, doc="What is painted now: written as data-* attributes.")

    _esm = source("map_overlay.js")
    _stylesheets = [source("map_overlay.css")]
