"""Keeps the page working after a lost connection or a restart of the server: it continues, or reloads in the same place."""

from functools import partial
from typing import Any, ClassVar

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Place(Message):
    """Where a page that loads again goes back to: values of `SessionState`."""

    page: str | None = None
    tab: str | None = None
    colour_by: str | None = None


class Signal(Message):
    """A sign of life, the tab's end, or the place that a page loaded again goes back to."""

    beat: bool = False
    closing: bool = False
    place: Place | None = None


PLACE = tuple(Place.model_fields)


def end_session() -> None:
    """Let the session of the current document end with its connection, instead of being kept for a browser that returns."""
    context = pn.state.curdoc.session_context if pn.state.curdoc else None
    session = getattr(context, "session", None)
    if session is not None:
        session.request_expiration()


class Connection(pn.custom.JSComponent):
    """An invisible keeper of the connection; put one on the page.

    `<html data-connection>` is "ok" or "lost". While it is lost a banner says so. When the server answers again the page joins
    its session and is redrawn from it; if the session has ended, the page reloads and shows the same place.
    """

    state: Any = param.Parameter(doc="The tab's `SessionState`.")
    place = param.Dict(default={}, doc="Where the page is now.")

    _rename: ClassVar[dict[str, str | None]] = {"state": None}  # stays in Python
    _esm = source("connection.js")
    _stylesheets = [source("connection.css")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.state.param.watch(self._note_place, list(PLACE))
        self._note_place()

    def _note_place(self, *_: Any) -> None:
        self.place = {name: getattr(self.state, name) for name in PLACE}

    def _handle_msg(self, msg: object) -> None:
        signal = Signal.read(msg)
        if signal is None:
            return
        if signal.beat:
            self._send_msg({"beat": True})
        elif signal.closing:
            end_session()
        elif signal.place is not None:
            pn.state.onload(partial(self._go_to, signal.place))  # what changes before that would not be drawn

    def _go_to(self, place: Place) -> None:
        """Show a place; what is not one (it comes from a browser) is left out."""
        self.state.param.update(**{name: value for name, value in place if value in self.state.param[name].objects})
