"""The bar below the stage: how much is selected or picked, and the class buttons that label it."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.wording import counted
from dashboard.actions import Actions
from dashboard.inputs import Inputs, Verb
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.class_buttons import class_buttons
from dashboard.views.components.ask import Ask, Option, Paragraph
from dashboard.views.words import words


class SelectionBar(pn.viewable.Viewer):
    """Acts on the picked pictures, otherwise on the selection; gone while a queue asks, which has buttons of its own."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    inputs = param.ClassSelector(class_=Inputs)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._told = words(width=150, margin=(6, 8), align="center")
        self._buttons = class_buttons(
            self.state.workspace.classes,
            self.inputs.click,
            (Verb.LABEL, "Clear label", "Take the label away again"),
        )
        self._remove = pmui.Button(
            label="Remove…",
            description="Remove… these images from the workspace for good; asks first",
            variant="text",
            color="default",
            size="small",
            align="center",
            margin=(0, 8),
            on_click=lambda _: self.actions.ask_to_remove(self.state.targets(), self._ask_first),
        )
        self._ask = Ask(width=0, height=0, margin=0)
        self._layout = pn.Row(
            self._told, self._buttons, self._remove, self._ask, sizing_mode="stretch_width", margin=(4, 4), **styled("bar")
        )
        self.inputs.add("selection", self)
        self.state.param.watch(self._draw, ["turn", "selected", "picked"])
        self.state.param.watch(self._follow, ["tab", "room"])
        self._draw()
        self._follow()

    @property
    def place(self) -> str:
        """Return the place of the selection, which the buttons here and the keys label."""
        return self.state.selection_place

    @property
    def picture(self) -> str:
        """Return "": there are many."""
        return ""

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Label what is picked or selected."""
        if verb == Verb.LABEL:
            self.actions.label(class_name)

    def _draw(self, *_: Any) -> None:
        n_picked, n_selected = len(self.state.picked), len(self.state.selected)
        of = f" of {n_selected:,}" if n_selected else ""  # pictures of a filter can be picked without a selection
        said = f"To label: <b>{n_picked:,}</b>{of}" if n_picked else f"To label: <b>{n_selected:,}</b>"
        self._told.object = said if n_selected or n_picked else "Nothing selected"
        self._buttons.param.update(place=self.place, disabled=not (n_selected or n_picked))
        self._remove.disabled = not (n_selected or n_picked) or not self.state.workspace.writable

    def _ask_first(self, ids: list[str], copies: list[str]) -> None:
        n, options = len(ids), []
        if copies:
            mine, both = counted(n, "image"), counted(n + len(copies), "image")
            options = [
                Option(value="these", label=f"Only {'this' if n == 1 else 'these'} {mine}"),
                Option(value="copies", label=f"Near-duplicates, too: {both}"),
            ]
        self._ask.ask(
            f"Remove {counted(n, 'image')} for good?",
            [
                Paragraph(
                    heading="",
                    sentences=[
                        "Pictures, words read in them and embeddings are erased from this workspace.",
                        "Their labels stay in the history, without the picture.",
                        "The same files are refused if they come again.",
                        "The files themselves and copies and exports made before are not touched; browsers that have shown the "
                        "pictures may keep them for a day.",
                    ],
                ),
                Paragraph(heading="There is no undo.", sentences=[]),
            ],
            options=options,
            field="Reason, kept with the removal",
            go="Remove",
            then=lambda option, reason: self.actions.remove([*ids, *(copies if option == "copies" else ())], reason),
        )

    def _follow(self, *_: Any) -> None:
        self._layout.visible = not self.state.asks

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
