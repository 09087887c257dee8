"""Keeps the browser's address in step with the tab: a link shows the same view, and Back and Forward work."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypedDict

import panel as pn
import param
from pydantic import Field

from core.map.grid import View
from dashboard.address import CLUSTER, LONGEST, STEPS, TROUBLE, Address, address_of, query_of
from dashboard.messages import Message
from dashboard.state import NO_ROWS, SessionState
from dashboard.views.components.source import source


class Entry(TypedDict):
    """What the browser's address should be."""

    query: str
    step: bool  # a new step of the browser's history, instead of another address for the present one


class Went(Message):
    """The person went back or forward."""

    query: str = Field(max_length=4 * LONGEST)


HISTORY = ("history_who", "history_what", "history_class", "history_when")
WATCHED = (
    "page",
    "tab",
    "colour_by",
    "grain",
    "hidden",
    "filters",
    "order",
    "view",
    "pinned",
    "cluster",
    "opening",
    "encoder",
    *HISTORY,
)


class AddressBar(pn.custom.JSComponent):
    """An invisible keeper of the address; put one on the page."""

    state: SessionState = param.ClassSelector(class_=SessionState)
    soon: Callable[[Callable[[], None]], None] = param.Parameter(doc="Runs what changes the document.")
    on_cluster: Callable[[str], None] = param.Parameter(doc="Selects the cluster of a name.")
    entry: Entry = param.Dict(default={"query": "", "step": False})

    _rename: ClassVar[dict[str, str | None]] = {"state": None, "soon": None, "on_cluster": None}  # stay in Python
    _esm = source("address.js")
    _stylesheets = [source("connection.css")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._going = False  # to an address; the way there is no new step
        self._last = self._here()
        self.state.param.watch(self._follow, list(WATCHED))

    def go(self, query: str) -> None:
        """Show what a query names; what cannot be shown is left out, and one sentence says so."""
        found, is_whole = address_of(query)
        state = self.state
        address, other_map = state.on_this_map(found)
        row = state.workspace.row_of(address.image) if address.image else None
        self._going = True
        try:
            state.page, state.tab = address.page, address.tab
            is_known = state.show_images(address)
            state.pinned, state.opening = row, address.opening
            state.param.update(
                history_who=address.who,
                history_what=address.what,
                history_class=address.label,
                history_when=address.when,
            )
            if address.cluster != self._here().cluster:
                state.select(NO_ROWS, cluster=address.cluster)
                if address.cluster:
                    self.on_cluster(address.cluster)
            state.view = address.zoom or self._whole
        finally:
            self._going = False
        is_whole = is_whole and is_known and (row is not None or not address.image)
        if troubles := [sentence for sentence in (other_map, "" if is_whole else TROUBLE) if sentence]:
            state.param.update(message=" ".join(troubles), message_is_error=True)
        self._tell(step=False)

    def _here(self) -> Address:
        state = self.state
        image = state.workspace.image_id(state.pinned) if state.pinned is not None else ""
        shown = state.images_shown().model_copy(
            update={
                "page": state.page,
                "tab": state.tab,
                "zoom": state.view if state.view != self._whole else None,
                "cluster": state.cluster if CLUSTER.fullmatch(state.cluster) else "",
                "opening": state.opening,
                "image": image,
                "who": state.history_who,
                "what": state.history_what,
                "label": state.history_class,
                "when": state.history_when,
            }
        )
        return Address() if shown == Address(encoder=shown.encoder) else shown  # the usual view is of whichever is in use

    @property
    def _whole(self) -> View | None:
        return self.state.grid.whole if self.state.grid is not None else None

    def _follow(self, *_: Any) -> None:
        if self._going:
            return
        self._tell(step=any(getattr(self._last, name) != getattr(self._here(), name) for name in STEPS))

    def _tell(self, *, step: bool) -> None:
        self._last = self._here()
        if (query := query_of(self._last)) != self.entry["query"]:
            self.entry = Entry(query=query, step=step)

    def _handle_msg(self, msg: object) -> None:
        if (went := Went.read(msg)) is not None:
            self.soon(partial(self.go, went.query))
