"""Keeps the page working after a lost connection or a restart of the server: it continues, or reloads in the same place."""

from functools import partial

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Signal(Message):
    """A sign of life, or the tab's end."""

    beat: bool = False
    closing: bool = False


def end_session() -> None:
    """Let the session of the current document end with its connection, instead of being kept for a browser that returns."""
    context = pn.state.curdoc.session_context if pn.state.curdoc else None
    session = getattr(context, "session", None)
    if session is not None:
        session.request_expiration()


class Connection(pn.custom.JSComponent):
    """An invisible keeper of the connection; put one on the page.

    `<html data-connection>` is "ok" or "lost". While it is lost a banner says so. When the server answers again the page joins
    its session and is redrawn from it; if the session has ended, the page reloads at its address, which names the same view.
    """

    renewals: int = param.Integer(default=0, doc="Increases when the page has to be loaded again.")

    _esm = source("storage.js", "connection.js")
    _stylesheets = [source("connection.css")]

    def renew(self) -> None:
        """Load the page again, at its address."""
        self.renewals += 1  # no message: one that is sent while others are gathered is lost

    def _handle_msg(self, msg: object) -> None:
        signal = Signal.read(msg)
        if signal is None:
            return
        if signal.beat:
            pn.state.onload(partial(self._send_msg, {"beat": True}))  # what changes before that is not drawn
        elif signal.closing:
            end_session()
