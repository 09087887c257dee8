"""The precision-recall panel: three curves that move with every refit. Drawn with HoloViews."""

import html
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from holoviews.streams import Pipe

from core.curves import NamedCurve
from core.workspace import CURVE_TITLES
from dashboard.state import SessionState

COLOURS = {"training": "#888888", "check": "#0072b2", "gold": "#009e73"}
DASHES = {"training": "dashed", "check": "solid", "gold": "dotdash"}
HEIGHT = 170  # px; fits the left column at 720 px


class CurvesPane(pn.viewable.Viewer):
    """PR chart with one line of words per curve: its figure, or what is missing."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        hv.extension("bokeh")
        self._pipe = Pipe(data=self.state.curves)
        chart = hv.DynamicMap(self._draw, streams=[self._pipe])
        pane = pn.pane.HoloViews(chart, height=HEIGHT, sizing_mode="stretch_width", margin=0)
        # Around the pane: Panel would hand `visible` itself on to Bokeh's figure, which knows no such thing.
        self._chart = pn.Column(pane, sizing_mode="stretch_width", margin=0, visible=self._has_curve)
        self._words = pn.pane.HTML(self._say(), sizing_mode="stretch_width", margin=(0, 4), css_classes=["curve-words"])
        gold = self.state.workspace.has_gold()
        switch = pmui.Checkbox.from_param(
            self.state.param.show_gold,
            label="Exact curve (gold labels)",
            visible=gold,
            size="small",
            description="",
            margin=(0, 4),
        )
        self._layout = pn.Column(self._chart, self._words, switch, sizing_mode="stretch_width", margin=0)
        self.state.param.watch(self._follow, "curves")

    def _follow(self, *_: Any) -> None:
        self._pipe.send(self.state.curves)
        self._words.object = self._say()
        self._chart.visible = self._has_curve  # empty axes say nothing

    @property
    def _has_curve(self) -> bool:
        return any(named.curve is not None for named in self.state.curves)

    def _draw(self, data: list[NamedCurve]) -> hv.Overlay:
        found = {named.key: named.curve for named in data}
        lines = [self._line(key, found.get(key)) for key in CURVE_TITLES]
        return hv.Overlay(lines).opts(
            hv.opts.Overlay(show_legend=False, toolbar=None, responsive=True, height=HEIGHT, shared_axes=False),
        )

    def _line(self, key: str, curve: Any) -> hv.Curve:
        recall, precision = np.array([]), np.array([])
        if curve is not None:
            recall, precision, _ = curve.thinned()
        return hv.Curve((recall, precision), "recall", "precision", label=CURVE_TITLES[key]).opts(
            color=COLOURS[key], line_dash=DASHES[key], line_width=2, xlim=(0, 1.01), ylim=(0, 1.03), xticks=5, yticks=5
        )

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
    return f"{named.title}: {figure} ({named.curve.n_flagged:,}/{named.curve.n:,} flagged)"
