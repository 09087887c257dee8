"""The toast that tells the person what the last action did, or why it did not."""

import html
from typing import Any

import panel as pn
import param

from dashboard.state import SessionState
from dashboard.theme import css

PICTURES = 6  # shown of the images that a sentence is about


class Toast(pn.viewable.Viewer):
    """Shows `state.message` and its images below the header, once for screen readers; an error stays, others fade."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._pane = pn.pane.HTML("", margin=0, css_classes=["message"], stylesheets=[css("message")])
        self.state.param.watch(self._draw, ["message", "message_is_error", "message_rows", "privacy_view"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        said = html.escape(self.state.message)
        role = "alert" if self.state.message_is_error else "status"
        ids = [self.state.workspace.image_id(row) for row in self.state.message_rows[:PICTURES]]
        pictures = "".join(f'<img src="thumb/{self.state.privacy_view}/{image_id}" alt="">' for image_id in ids)
        self._pane.object = f'<div class="said" role="{role}">{pictures}{said}</div>' if said else ""

    def __panel__(self) -> pn.viewable.Viewable:
        return self._pane
