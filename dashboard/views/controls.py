"""The left column: what colour shows, the legend, how a lasso selects, the class buttons, undo, and the curves."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.map.grid import LassoMode
from dashboard.actions import Actions
from dashboard.choices import ColourBy
from dashboard.inputs import Inputs, Verb
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.class_buttons import class_buttons
from dashboard.views.components.class_list import ClassList, legend_of
from dashboard.views.curves import CurvesPane
from dashboard.views.encoders import EncoderChoice
from dashboard.views.exposure import ExposureLine
from dashboard.views.learning import LearningPane
from dashboard.views.shown import draw_when_shown

REST = {ColourBy.LABEL: "unlabelled", ColourBy.PREDICTED: "not predicted"}  # others are not scored
ENDS = {
    ColourBy.SCORE: ("surely not flagged", "surely flagged"),
    ColourBy.UNCERTAINTY: ("certain", "uncertain"),
}
COLUMN_ENDS = ("less likely flagged", "more likely flagged")


class Controls(pn.viewable.Viewer):
    """Everything that decides what the map shows and what a key does."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    inputs = param.ClassSelector(class_=Inputs)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        colour_by = pmui.Select.from_param(
            self.state.param.colour_by,
            label="Colour by",
            description="",
            options=self.state.param.colour_by.objects,
            size="small",
            sizing_mode="stretch_width",
        )
        mode = pmui.RadioButtonGroup.from_param(
            self.state.param.lasso_mode,
            label="Lasso",
            description="",
            options=list(LassoMode),
            size="small",
            sizing_mode="stretch_width",
        )
        self._legend = ClassList(sizing_mode="stretch_width")
        self._legend.param.watch(self._on_hidden, "hidden")
        undo = pmui.Button(
            label="Undo  [Z]",
            description="Undo my last action",
            variant="outlined",
            size="small",
            color="default",
            on_click=lambda _: self.actions.undo(),
        )
        clear = pmui.Button(
            label="Clear label",
            variant="text",
            size="small",
            color="default",
            on_click=lambda _: self.actions.label(None),
        )
        self._buttons = class_buttons(self.state.workspace.classes, self.inputs.click)
        copies = pmui.Checkbox.from_param(
            self.state.param.copies,
            label="Near-duplicates together",
            description="Show near-duplicates as one picture with a count, and label them together",
            size="small",
            margin=(0, 4),
        )
        guide = pmui.Button(
            label="Guide",
            description="Show the five steps again",
            variant="text",
            size="small",
            color="default",
            on_click=lambda _: self.actions.show_guide(True),
        )
        self._layout = pn.Column(
            EncoderChoice(state=self.state, actions=self.actions),
            colour_by,
            self._legend,
            mode,
            pmui.Typography(object="Label selection as", variant="caption", margin=(4, 8, 0, 8)),
            self._buttons,
            copies,
            pn.FlexBox(undo, clear, guide, margin=0),
            ExposureLine(state=self.state),
            CurvesPane(state=self.state, actions=self.actions),
            LearningPane(state=self.state),
            width=290,
            sizing_mode="stretch_height",
            scroll="y-auto",
            margin=4,
            **styled("below-label"),
        )
        self.state.param.watch(self._name_place, "turn")
        self.inputs.add("selection", self)
        self._name_place()
        draw_when_shown(self.state, self._draw, ["colouring", "hidden"])

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

    def _name_place(self, *_: Any) -> None:
        self._buttons.place = self.place

    def _on_hidden(self, event: Any) -> None:
        self.state.hidden = frozenset(event.new)

    def _draw(self) -> None:
        keys = {c.name: c.key for c in self.state.workspace.classes}
        legend = legend_of(
            self.state.colouring,
            keys,
            REST.get(self.state.colour_by, "not scored"),
            ENDS.get(self.state.colour_by, COLUMN_ENDS),
            self.state.workspace.flagged_names,
        )
        self._legend.param.update(**legend, hidden=sorted(self.state.hidden))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
