"""The rail, the narrow left column: what colour shows, the legend, how a lasso selects, undo."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.map.grid import LassoMode
from core.map.place import OFFER, placed_share
from core.wording import percent
from dashboard.actions import Actions
from dashboard.choices import ColourBy
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.times import scale
from dashboard.views.classes import ClassSettings
from dashboard.views.components.class_list import ClassList, legend_of
from dashboard.views.encoders import EncoderChoice
from dashboard.views.exposure import ExposureLine
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import hint
from dashboard.views.words import words

COLOURS = {  # where the name is not enough
    ColourBy.ADDED: "time added",
    ColourBy.COPIES: "near-duplicates",
    ColourBy.SIZE: "image size (longer side, px)",
}
REST = {ColourBy.LABEL: "unlabelled", ColourBy.PREDICTED: "not predicted"}  # others are not scored
ENDS = {
    ColourBy.SCORE: ("surely not flagged", "even odds", "surely flagged"),
    ColourBy.UNCERTAINTY: ("certain", "uncertain"),
}
MODES = {
    LassoMode.NEW: "a new selection",
    LassoMode.ADD: "the selection larger",
    LassoMode.SUBTRACT: "the selection smaller",
    LassoMode.INTERSECT: "what is in both",
}
COLUMN_ENDS = ("less likely flagged", "more likely flagged")


class Controls(pn.viewable.Viewer):
    """What decides how the map looks and what a lasso does."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        colour_by = pmui.Select.from_param(
            self.state.param.colour_by,
            label="Colour by",
            description="",
            options=self._colours(),
            size="small",
            sizing_mode="stretch_width",
        )
        self.state.param.watch(lambda _: setattr(colour_by, "options", self._colours()), "images")
        mode = pmui.Select.from_param(
            self.state.param.lasso_mode,
            label="A lasso makes",
            description="",
            options={MODES[mode]: mode for mode in LassoMode},
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
        copies = pmui.Checkbox.from_param(
            self.state.param.copies,
            label="Near-duplicates as one",
            description="",
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
        self._anew = pmui.Button(
            label="Lay out anew",
            description="Lay out anew from where the images are now: islands keep their place",
            variant="outlined",
            size="small",
            color="default",
            margin=(2, 10),
            on_click=lambda _: self._lay_out_anew(),
        )
        self._placed = words(margin=(2, 8, 0, 10))
        self._offer = pn.Column(self._placed, self._anew, sizing_mode="stretch_width", margin=0, visible=False)
        self._layout = pn.Column(
            EncoderChoice(state=self.state, actions=self.actions),
            pn.Row(colour_by, hint("score", "uncertainty", "disagreement"), sizing_mode="stretch_width", margin=0),
            self._legend,
            *([ClassSettings(state=self.state, actions=self.actions)] if self.state.workspace.writable else []),
            mode,
            pn.Row(copies, hint("near-duplicates"), margin=0),
            pn.FlexBox(undo, guide, align_items="center", margin=0),
            self._offer,
            ExposureLine(state=self.state),
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=0,
            **styled("below-label"),
        )
        draw_when_shown(self.state, self._draw, ["colouring", "hidden", "kept", "zone"])
        draw_when_shown(self.state, self._draw_offer, ["grid", "images", "embedding"])

    def _colours(self) -> dict[str, str]:
        return {COLOURS.get(name, name): name for name in self.state.param.colour_by.objects}

    def _on_hidden(self, event: Any) -> None:
        self.state.hidden = frozenset(event.new)

    def _lay_out_anew(self) -> None:
        self._anew.disabled = True  # a second press would be another job
        self.actions.lay_out_anew(failed=lambda: setattr(self._anew, "disabled", False))

    def _draw_offer(self) -> None:
        """Offer another layout where many images were placed on the one there is."""
        share = placed_share(self.state.workspace)
        self._offer.visible = share > OFFER and self.state.workspace.writable
        self._placed.object = f"<small>{percent(share)} of the map was placed rather than laid out.</small>"
        self._anew.disabled = bool(self.state.embedding)

    def _draw(self) -> None:
        space, colour_by = self.state.workspace, self.state.colour_by
        are_classes = colour_by in (ColourBy.LABEL, ColourBy.PREDICTED)  # else a value may have a class's name
        colouring = self.state.colouring
        ends = COLUMN_ENDS if colour_by in self.state.shared.score_columns() else ENDS.get(colour_by)
        if colouring.marks_are_times:
            ends = tuple(scale(colouring.marks, self.state.zone))
        legend = legend_of(
            colouring,
            {c.name: c.key.upper() for c in space.classes} if are_classes else {},
            REST.get(colour_by, "not scored"),
            ends,
            space.flagged_names if are_classes else (),
            self.state.shared.legend_counts(colouring, self.state.kept),
        )
        self._legend.param.update(**legend, hidden=sorted(self.state.hidden))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
