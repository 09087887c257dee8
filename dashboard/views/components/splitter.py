"""A bar between two columns of the desk: dragged, or moved by keys, it gives one of them more or less room."""

import panel as pn
import param

from dashboard.views.components.source import source


class Splitter(pn.custom.JSComponent):
    """Sets the width of one column, as a CSS variable of the row it stands in. The browser keeps the width, by name."""

    column = param.Selector(objects=["rail", "work", "dock"], doc="The column it sizes, and the name of the variable.")
    label = param.String(doc="For screen readers.")
    start = param.Integer(0, doc="Width, px, until somebody changes it; 0 for a half of the stage.")
    least = param.Integer(doc="Least width, px.")
    closes = param.Boolean(False, doc="The column can be put away by a button.")

    _esm = source("storage.js", "splitter.js")
    _stylesheets = [source("splitter.css")]
