"""Keeps the chosen theme in a cookie of the browser, which the server reads before it builds the next page."""

import panel as pn
import param

from dashboard.views.components.source import source


class ThemeMemory(pn.custom.JSComponent):
    """An invisible keeper of the theme; put one on the page. `<html data-theme>` is "light" or "dark"."""

    dark: bool = param.Boolean(default=False, doc="The page is shown dark.")

    _esm = source("theme_memory.js")
    _stylesheets = [source("connection.css")]
