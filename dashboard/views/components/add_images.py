"""The intake of the page: pictures, folders and ZIP archives, dropped or chosen, go over HTTP; or they are on the server."""

import param
from panel.custom import JSComponent

from dashboard.views.components.source import source


class AddImages(JSComponent):
    """A button with a dialog, or the same in place. What is sent goes on while the page's websocket is lost.

    It needs nothing of Python: the routes of `dashboard/api.py` take the files and add the jobs. Several on one page
    share one line of what is sent; files dropped anywhere on the page are taken.
    """

    root: str = param.String(doc="The folder on the server whose files may be named; '' if none may.")
    inline: bool = param.Boolean(doc="In place, without button and dialog.")

    _esm = source("parts.js", "add_images.js")
    _stylesheets = [source("add_images.css")]
