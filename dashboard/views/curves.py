"""The precision-recall panel: curves of the probe and of score columns, and a line of words for each."""

import html
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
import param

from core.probe.curves import CurveKey, NamedCurve, describe_curve
from dashboard.charts import NOTHING, Chart, line
from dashboard.state import GOLD_COLUMN, SessionState
from dashboard.theme import COLUMNS, ESTIMATE, NAIVE, PROMISED
from dashboard.views.shown import draw_when_shown
from dashboard.views.words import words

COLOURS = {"training": NAIVE, "check": ESTIMATE, "gold": PROMISED, **{f"column-{k}": c for k, c in enumerate(COLUMNS)}}
DASHES = {"training": "dashed", "gold": "dotdash"}  # others are solid
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
        found = {layer: named.curve for layer, named in self._layers() if named.curve is not None}
        if self._chart is None or not found.keys() <= self._chart.layers.keys():
            layers: dict[str, hv.Element] = {
                layer: line("recall", "precision", colour=COLOURS[layer], dash=DASHES.get(layer, "solid")) for layer in found
            }
            self._chart = Chart(
                layers, x="recall", y="precision", xlim=(0, 1.01), ylim=(0, 1.03), height=HEIGHT, xticks=5, yticks=5
            )
            self._place.objects = [pn.pane.Bokeh(self._chart.figure, sizing_mode="stretch_width", margin=0)]
        for layer in self._chart.layers:
            recall, precision = found[layer].thinned()[:2] if layer in found else (NOTHING, NOTHING)
            self._chart.show(layer, {"recall": recall, "precision": precision})

    def _layers(self) -> list[tuple[str, NamedCurve]]:
        """Return each curve with its layer in the chart; the first score columns have one each, others are words only."""
        columns = [named for named in self.state.curves if named.key == CurveKey.COLUMN]
        others = [(str(named.key), named) for named in self.state.curves if named.key != CurveKey.COLUMN]
        return [*others, *((f"column-{place}", named) for place, named in enumerate(columns[: len(COLUMNS)]))]

    @property
    def _has_curve(self) -> bool:
        return any(named.curve is not None for named in self.state.curves)

    def _say(self) -> str:
        if not self._has_curve:  # one reason for all
            missing = self.state.curves[0].missing if self.state.curves else ""
            return f'<div class="note">{html.escape(missing)}</div>'
        layers = {id(named): layer for layer, named in self._layers()}
        lines = [
            f'<div class="fine series {layers.get(id(named), "")}">{html.escape(describe_curve(named))}</div>'
            for named in self.state.curves
        ]
        return "".join(dict.fromkeys(lines))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
