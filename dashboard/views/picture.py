"""The pinned picture: large, with what is known of it, and the class buttons."""

import html
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.catalog.records import Source
from dashboard.actions import Actions
from dashboard.inputs import Inputs, Verb
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.class_buttons import class_buttons
from dashboard.views.components.picture_card import PictureCard
from dashboard.views.shown import draw_when_shown
from dashboard.views.words import words


class EnlargedPicture:
    """What class keys act on while a picture of the gallery is enlarged: the one that the browser last said it shows."""

    def __init__(self, state: SessionState, actions: Actions) -> None:
        self._state, self._actions = state, actions

    @property
    def picture(self) -> str:
        """Return the id of the picture shown, "" for none."""
        row = self._state.looked_at
        return "" if row is None else self._state.workspace.image_id(row)

    @property
    def place(self) -> str:
        """Return the place of the picture shown."""
        return f"picture/{self.picture}"

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Label the picture shown; the selection stays as it is."""
        if verb == Verb.LABEL and self._state.looked_at is not None:
            self._actions.label_rows(np.array([self._state.looked_at]), class_name, source=Source.SINGLE)


class PinnedPicture(pn.viewable.Viewer):
    """A drawer at the corner of the window while a picture is pinned; it pushes nothing down."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    inputs = param.ClassSelector(class_=Inputs)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._card = PictureCard(sizing_mode="stretch_width", **styled("pinned", sheet="picture"))
        self._words = words(margin=(4, 8))
        self._noted = -1, ""  # row, and why its thumbnail is shown
        self._buttons = class_buttons(self.state.workspace.classes, self.inputs.click)
        close = pmui.Button(label="Unpin", variant="text", size="small", color="default", on_click=self._close)
        more = pmui.Button(
            label="More like this  [M]",
            description="Select the images most like this one",
            variant="text",
            size="small",
            color="default",
            on_click=lambda _: self.actions.more_like(self.state.examples()),
        )
        below = pn.Row(close, more, margin=0)  # in this order: the words about the second lie to its right
        self._layout = pn.Column(
            self._card, self._words, self._buttons, below, sizing_mode="stretch_width", margin=0, **styled("covers")
        )
        self.inputs.add("pinned", self)
        on = ["pinned", "privacy_view", "reveal", "labels_version", "probe_version"]
        draw_when_shown(self.state, self._draw, on)

    @property
    def place(self) -> str:
        """Return the place of the pinned picture, "" without one."""
        return self.state.pinned_place

    @property
    def picture(self) -> str:
        """Return its id."""
        return "" if self.state.pinned is None else self.state.workspace.image_id(self.state.pinned)

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Label the pinned picture; the selection behind it stays as it is."""
        if verb == Verb.LABEL and self.state.pinned is not None:
            self.actions.label_rows(np.array([self.state.pinned]), class_name, source=Source.SINGLE)

    def _close(self, *_: Any) -> None:
        self.state.pinned = None

    def _draw(self) -> None:
        row = self.state.pinned
        self._layout.visible = row is not None
        self._buttons.place = self.place
        if row is None:
            self._card.image_id = ""
            return
        self._card.param.update(
            image_id=self.state.workspace.image_id(row),
            view=self.state.privacy_view,
            reveal=self.state.reveal,
        )
        self.actions.fetch(partial(self.state.describe, row), partial(self._say, row))
        if row != self._noted[0]:
            self._noted = row, ""
            self.actions.look(partial(self.state.original_note, row), partial(self._note, row))

    def _note(self, row: int, note: str) -> None:
        if note and row == self.state.pinned:
            self._noted = row, note
            self.actions.fetch(partial(self.state.describe, row), partial(self._say, row))

    def _say(self, row: int, lines: list[str]) -> None:
        if row != self.state.pinned:  # by now it is another
            return
        if row == self._noted[0] and self._noted[1]:
            lines = [*lines, self._noted[1]]
        self._card.description = f"{lines[0]}, {self.state.privacy_view}"
        self._words.object = (
            " · ".join(html.escape(line) for line in lines) + "<br><small>Hold R, or a finger on it, to see it clear.</small>"
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
