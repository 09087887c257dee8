"""The precision-recall panel: three curves that move with every refit, and a line of words for each."""

import html
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
import param

from core.probe.curves import describe_curve
from core.probe.live_curves import CURVE_TITLES
from dashboard.charts import NOTHING, Chart, line
from dashboard.state import GOLD_COLUMN, SessionState
from dashboard.theme import ESTIMATE, NAIVE, PROMISED
from dashboard.views.shown import draw_when_shown
from dashboard.views.words import words

COLOURS = {"training": NAIVE, "check": ESTIMATE, "gold": PROMISED}
DASHES = {"training": "dashed", "check": "solid", "gold": "dotdash"}
HEIGHT = 170  # px; fits the left column at 720 px


class CurvesPane(pn.viewable.Viewer):
    """PR chart with one line of words per curve: its figure, or what is missing."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._chart: Chart | None = None  # with the curves there have been: each adds 15 ms to what a page costs to build
        self._place = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self._words = words(margin=(0, 4), css_classes=["curve-words"])
        switch = pmui.Checkbox.from_param(
            self.state.param.show_gold,
            label="Exact curve (gold labels)",
            visible=GOLD_COLUMN in self.state.shared.gold_columns(),
            size="small",
            description="",
            margin=(0, 4),
        )
        self._layout = pn.Column(self._place, self._words, switch, sizing_mode="stretch_width", margin=0)
        draw_when_shown(self.state, self._draw, ["curves"])

    def _draw(self) -> None:
        self._words.object = self._say()
        if self._has_curve:
            self._draw_curves()
        self._place.visible = self._has_curve  # empty axes say nothing

    def _draw_curves(self) -> None:
        found = {named.key: named.curve for named in self.state.curves if named.curve is not None}
        if self._chart is None or not found.keys() <= self._chart.layers.keys():
            layers: dict[str, hv.Element] = {
                key: line("recall", "precision", colour=COLOURS[key], dash=DASHES[key]) for key in CURVE_TITLES if key in found
            }
            self._chart = Chart(
                layers, x="recall", y="precision", xlim=(0, 1.01), ylim=(0, 1.03), height=HEIGHT, xticks=5, yticks=5
            )
            self._place.objects = [pn.pane.Bokeh(self._chart.figure, sizing_mode="stretch_width", margin=0)]
        for key in self._chart.layers:
            recall, precision = found[key].thinned()[:2] if key in found else (NOTHING, NOTHING)
            self._chart.show(key, {"recall": recall, "precision": precision})

    @property
    def _has_curve(self) -> bool:
        return any(named.curve is not None for named in self.state.curves)

    def _say(self) -> str:
        if not self._has_curve:  # one reason for all
            missing = self.state.curves[0].missing if self.state.curves else ""
            return f'<div class="note">{html.escape(missing)}</div>'
        lines = [
            f'<div class="fine series {named.key}">{html.escape(describe_curve(named))}</div>' for named in self.state.curves
        ]
        return "".join(lines)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
