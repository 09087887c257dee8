"""Clusters as a list of buttons with a strip of pictures each. Pictures come in the privacy view in force, never clearer."""

from collections.abc import Callable
from typing import ClassVar

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Pick(Message):
    """An entry was picked."""

    pick: str  # its name


class ClusterList(pn.custom.JSComponent):
    """Entries of {name, title, words, pictures}; a click, Enter or Space picks one, arrows step through and pick."""

    entries = param.List(default=[], item_type=dict, doc="{name, title, words: [str], pictures: [image id]} in their order.")
    chosen = param.String(default="", doc="Name of the entry that is marked.")
    view = param.String(default="blurred", doc="Privacy view of every picture.")
    on_pick: Callable[[str], None] = param.Parameter(doc="Called with the name of a picked entry.")

    _rename: ClassVar[dict[str, str | None]] = {"on_pick": None}  # stays in Python

    _esm = source("cluster_list.js")
    _stylesheets = [source("cluster_list.css")]

    def _handle_msg(self, msg: object) -> None:
        if (picked := Pick.read(msg)) is not None:
            self.on_pick(picked.pick)
