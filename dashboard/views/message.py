"""The line that tells the person what the last action did, or why it did not."""

import html
from typing import Any

import panel as pn
import param

from dashboard.state import SessionState
from dashboard.theme import css


class MessageLine(pn.viewable.Viewer):
    """Shows `state.message` on one page of the tab; errors in red, announced to screen readers once."""

    page = param.String(doc="The page it stands on.")
    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._pane = pn.pane.HTML(
            "", sizing_mode="stretch_width", margin=(0, 8), height=40, css_classes=["message"], stylesheets=[css("message")]
        )
        self.state.param.watch(self._draw, ["message", "message_is_error", "page"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        if self.state.page != self.page:
            self._pane.object = ""
            return
        role = "alert" if self.state.message_is_error else "status"
        self._pane.object = f'<div class="said" role="{role}">{html.escape(self.state.message)}</div>'

    def __panel__(self) -> pn.viewable.Viewable:
        return self._pane
