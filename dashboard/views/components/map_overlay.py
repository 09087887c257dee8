"""What lies over the map: the tip with the picture under the mouse, and the facts that tests read. Text is set as text."""

from typing import Any

import panel as pn
import param

from dashboard.views.components.source import source


class MapOverlay(pn.custom.JSComponent):
    """A layer that lets the mouse through."""

    tip: dict[str, Any] = param.Dict(default={}, doc="{id, lines, x, y} in px from the map's top left; empty = no tip.")
    view = param.String(default="blurred", doc="Privacy view of the tip's picture.")
    facts: dict[str, Any] = param.Dict(default={}, doc="What is painted now: written as data-* attributes.")

    _esm = source("map_overlay.js")
    _stylesheets = [source("map_overlay.css")]
