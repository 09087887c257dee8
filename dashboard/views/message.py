"""The toast that tells the person what the last action did, or why it did not."""

import html
from typing import Any

import panel as pn
import param

from dashboard.state import SessionState
from dashboard.theme import css


class Toast(pn.viewable.Viewer):
    """Shows `state.message` at the foot of the window, once for screen readers; an error stays, other messages fade."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._pane = pn.pane.HTML("", margin=0, css_classes=["message"], stylesheets=[css("message")])
        self.state.param.watch(self._draw, ["message", "message_is_error"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        said = html.escape(self.state.message)
        role = "alert" if self.state.message_is_error else "status"
        self._pane.object = f'<div class="said" role="{role}">{said}</div>' if said else ""

    def __panel__(self) -> pn.viewable.Viewable:
        return self._pane
