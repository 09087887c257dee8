"""Clusters as a list of buttons with a strip of pictures each. Pictures come in the privacy view in force, never clearer."""

from collections.abc import Callable
from typing import ClassVar, TypedDict

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Entry(TypedDict):
    """A cluster, as the list shows it."""

    name: str
    title: str
    words: list[str]  # lines below the title
    pictures: list[str]  # image ids


class Pick(Message):
    """An entry was picked, or opened."""

    pick: str  # its name
    opens: bool = False


class ClusterList(pn.custom.JSComponent):
    """Entries with a strip of pictures each.

    A click or Space picks one, arrows step through and pick, double click or Enter opens.
    """

    entries: list[Entry] = param.List(default=[], item_type=dict, doc="In their order.")
    chosen = param.String(default="", doc="Name of the entry that is marked.")
    view = param.String(default="blurred", doc="Privacy view of every picture.")
    on_pick: Callable[[str], None] = param.Parameter(doc="Called with the name of a picked entry.")
    on_open: Callable[[str], None] = param.Parameter(doc="Called with the name of an opened entry.")

    _rename: ClassVar[dict[str, str | None]] = {"on_pick": None, "on_open": None}  # stay in Python

    _esm = source("cluster_list.js")
    _stylesheets = [source("cluster_list.css")]

    def _handle_msg(self, msg: object) -> None:
        if (picked := Pick.read(msg)) is not None:
            (self.on_open if picked.opens else self.on_pick)(picked.pick)
