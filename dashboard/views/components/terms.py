"""Shows what a term means, for all terms of the page: where the pointer or the focus is, and on a touch."""

import panel as pn

from dashboard.views.components.source import source


class Terms(pn.custom.JSComponent):
    """An invisible keeper of the one note; put one on the page. Terms are made by `views.terms`."""

    _esm = source("terms.js")
    _stylesheets = [source("connection.css")]
