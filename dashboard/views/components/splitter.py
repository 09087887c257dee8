"""A bar between two columns: dragged, or moved by keys, it gives the one after it more or less room."""

import panel as pn
import param

from dashboard.views.components.source import source


class Splitter(pn.custom.JSComponent):
    """Put one between two children of a row. The width lasts in the browser, by name."""

    name_kept = param.String(doc="Under which name the browser keeps the width.")
    label = param.String(doc="For screen readers.")
    start = param.Integer(390, doc="Width, px, until somebody changes it.")
    least = param.Integer(320, doc="Least width, px.")
    rest = param.Integer(240, doc="Least width, px, of the column before it.")
    turns = param.Integer(0, doc="Raised by one: room for both, for what comes after the bar, for what comes before it.")

    _esm = source("splitter.js")
    _stylesheets = [source("splitter.css")]
