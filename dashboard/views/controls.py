"""The left column: what colour shows, the legend, how a lasso selects, the class buttons, undo, and the curves."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dashboard.actions import Actions
from dashboard.state import COLOUR_BY, LASSO_MODES, SessionState
from dashboard.views.class_buttons import ClassButtons
from dashboard.views.components.class_list import ClassList, legend_of
from dashboard.views.curves import CurvesPane
from dashboard.views.encoders import EncoderChoice
from dashboard.views.exposure import ExposureLine
from dashboard.views.learning import LearningPane

REST = {"label": "unlabelled", "predicted": "not predicted", "score": "not scored", "uncertainty": "not scored"}
ENDS = {"score": ("surely not flagged", "surely flagged"), "uncertainty": ("certain", "uncertain")}


class Controls(pn.viewable.Viewer):
    """Everything that decides what the map shows and what a key does."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        colour_by = pmui.Select.from_param(
            self.state.param.colour_by,
            label="Colour by",
            description="",
            options=list(COLOUR_BY),
            size="small",
            sizing_mode="stretch_width",
        )
        mode = pmui.RadioButtonGroup.from_param(
            self.state.param.lasso_mode,
            label="Lasso",
            description="",
            options=list(LASSO_MODES),
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
            ClassButtons(state=self.state, on_class=self.actions.label),
            copies,
            pn.FlexBox(undo, clear, guide, margin=0),
            ExposureLine(state=self.state),
            CurvesPane(state=self.state),
            LearningPane(state=self.state),
            width=290,
            sizing_mode="stretch_height",
            scroll="y-auto",
            margin=4,
            styles={"padding-top": "4px"},  # the first field's name stands on its border
        )
        self.state.param.watch(self._draw, ["colouring", "hidden"])
        self._draw()

    def _on_hidden(self, event: Any) -> None:
        self.state.hidden = frozenset(event.new)

    def _draw(self, *_: Any) -> None:
        keys = {c.name: c.key for c in self.state.workspace.classes}
        legend = legend_of(self.state.colouring, keys, REST[self.state.colour_by], ENDS.get(self.state.colour_by))
        self._legend.param.update(**legend, hidden=sorted(self.state.hidden))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
