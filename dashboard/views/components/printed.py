"""A button that prints a sheet of its own instead of the page."""

import panel as pn
import param

from dashboard.views.components.source import source


class Printed(pn.custom.JSComponent):
    """The sheet lies in the document, seen by the printer only, while it is not empty; `css/document.css` has its style."""

    sheet = param.String(doc="HTML, all text in it escaped; '' for none: the page is printed as it is.")

    _esm = source("printed.js")
    _stylesheets = [source("printed.css")]
