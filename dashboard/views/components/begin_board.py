"""How far a new workspace is: what the server does, how many images are read, embedded and on the map, the newest of them."""

from typing import TypedDict

import panel as pn
import param

from dashboard.views.components.source import source


class Far(TypedDict):
    """How far a part of the beginning is."""

    name: str
    done: int
    total: int  # 0 = not known


class BeginBoard(pn.custom.JSComponent):
    """A bar for what is being done, one for each part, and thumbnails as they are read, in the privacy view."""

    stage: str = param.String(doc="What is being done, in words.")
    parts: list[Far] = param.List(default=[], item_type=dict, doc="How far each part is.")
    newest: list[str] = param.List(default=[], item_type=str, doc="Ids of the newest images, the newest first.")
    view: str = param.String(default="blurred", doc="The privacy view of the thumbnails.")

    _esm = source("parts.js", "begin_board.js")
    _stylesheets = [source("begin_board.css")]
