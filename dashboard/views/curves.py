"""The precision-recall panel: three curves that move with every refit, and a line of words for each."""

import html
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource, Line, Range1d
from bokeh.plotting import figure

from core.labels.gold import has_gold
from core.probe.curves import NamedCurve
from core.probe.live_curves import CURVE_TITLES
from dashboard.state import SessionState
from dashboard.views.shown import draw_when_shown

COLOURS = {"training": "#888888", "check": "#0072b2", "gold": "#009e73"}
DASHES = {"training": "dashed", "check": "solid", "gold": "dotdash"}
HEIGHT = 170  # px; fits the left column at 720 px


class CurvesPane(pn.viewable.Viewer):
    """PR chart with one line of words per curve: its figure, or what is missing."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        # One plain figure whose columns change: HoloViews took 100 ms of the event loop for each new curve.
        self._figure = figure(
            height=HEIGHT,
            x_range=Range1d(0, 1.01),
            y_range=Range1d(0, 1.03),
            x_axis_label="recall",
            y_axis_label="precision",
            tools="",
            toolbar_location=None,
            sizing_mode="stretch_width",
        )
        self._figure.xaxis.ticker.desired_num_ticks = self._figure.yaxis.ticker.desired_num_ticks = 5
        self._sources = {key: ColumnDataSource({"recall": [], "precision": []}) for key in CURVE_TITLES}
        for key, source in self._sources.items():
            look = {"line_color": COLOURS[key], "line_dash": DASHES[key], "line_width": 2}
            self._figure.add_glyph(source, Line(x="recall", y="precision", **look))
        pane = pn.pane.Bokeh(self._figure, sizing_mode="stretch_width", margin=0)
        # Around the pane: Panel would hand `visible` itself on to Bokeh's figure, which knows no such thing.
        self._chart = pn.Column(pane, sizing_mode="stretch_width", margin=0, visible=False)
        self._words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 4), css_classes=["curve-words"])
        switch = pmui.Checkbox.from_param(
            self.state.param.show_gold,
            label="Exact curve (gold labels)",
            visible=has_gold(self.state.workspace),
            size="small",
            description="",
            margin=(0, 4),
        )
        self._layout = pn.Column(self._chart, self._words, switch, sizing_mode="stretch_width", margin=0)
        draw_when_shown(self.state, self._draw, ["curves"])

    def _draw(self) -> None:
        found = {named.key: named.curve for named in self.state.curves}
        for key, source in self._sources.items():
            curve = found.get(key)
            recall, precision = (np.array([]), np.array([])) if curve is None else curve.thinned()[:2]
            source.data = {"recall": recall, "precision": precision}
        self._words.object = self._say()
        self._chart.visible = self._has_curve  # empty axes say nothing

    @property
    def _has_curve(self) -> bool:
        return any(named.curve is not None for named in self.state.curves)

    def _say(self) -> str:
        if not self._has_curve:  # one reason for all
            return f'<div style="font-size:12px">{html.escape(self.state.curves[0].missing)}</div>'
        lines = [
            f'<span style="color:{COLOURS[named.key]}">━</span> {html.escape(describe_curve(named))}'
            for named in self.state.curves
        ]
        return f'<div style="font-size:11px">{"<br>".join(lines)}</div>'

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def describe_curve(named: NamedCurve) -> str:
    """Say one curve in words; an undefined figure is called so."""
    if named.curve is None:
        return named.missing
    figure = "AP not defined below 20 flagged"
    if named.show_average_precision:
        figure = f"AP {named.curve.average_precision:.3f}"
    note = f"; {named.note}" if named.note else ""
    return f"{named.title}: {figure} ({named.curve.n_flagged:,}/{named.curve.n:,} flagged){note}"
