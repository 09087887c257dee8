"""The pinned picture: large, with what is known of it, and the class buttons."""

import html
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.class_buttons import ClassButtons
from dashboard.views.components.picture_card import PictureCard


class PinnedPicture(pn.viewable.Viewer):
    """Shown above the tabs while a picture is pinned."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._card = PictureCard(sizing_mode="stretch_width", styles={"height": "min(240px, 28vh)"})
        self._words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 8))
        buttons = ClassButtons(state=self.state, on_class=self._label)
        close = pmui.Button(label="Unpin", variant="text", size="small", color="default", on_click=self._close)
        more = pmui.Button(
            label="More like this  [M]",
            description="Select the images most like this one",
            variant="text",
            size="small",
            color="default",
            on_click=lambda _: self.actions.more_like(self.state.examples()),
        )
        below = pn.Row(more, close, margin=0)
        self._layout = pn.Column(self._card, self._words, buttons, below, sizing_mode="stretch_width", margin=8)
        self.state.param.watch(self._draw, ["pinned", "privacy_view", "reveal", "labels_version", "probe_version"])
        self._draw()

    def _label(self, class_name: str | None) -> None:
        self.actions.label_rows(np.array([self.state.pinned]), class_name, source="single")

    def _close(self, *_: Any) -> None:
        self.state.pinned = None

    def _draw(self, *_: Any) -> None:
        row = self.state.pinned
        self._layout.visible = row is not None
        if row is None:
            self._card.image_id = ""
            return
        lines = self.state.describe(row)
        self._card.param.update(
            image_id=self.state.workspace.image_id(row),
            view=self.state.privacy_view,
            reveal=self.state.reveal,
            description=f"{lines[0]}, {self.state.privacy_view}",
        )
        self._words.object = " · ".join(html.escape(line) for line in lines) + "<br><small>Hold R to see it clear.</small>"

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
